"""How stale may rollouts get, and does training ring?

In: a fit of a law that is pulled to a plateau. Out: posteriors of the thresholds, and of period and overshoot.
"""
