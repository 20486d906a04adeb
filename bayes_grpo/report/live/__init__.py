"""A page that shows a run while it trains.

In: what a look at the log has brought. Out: the page, and a server that hands it to a browser.
"""
