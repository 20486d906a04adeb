"""Which reward does the entropy leave to be had?

In: a log with entropy. Out: the reward at which the entropy is used up, by the trade of entropy for reward so far.
"""
