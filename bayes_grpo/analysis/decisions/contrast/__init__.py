"""Is one configuration better than another?

In: fits of runs, one or several seeds a configuration. Out: differences with intervals, probabilities, a ranking, and
what would settle it.
"""
