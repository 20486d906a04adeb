"""Which saved steps to keep, and which to evaluate?

In: a run, its checkpoints, evaluations so far. Out: P(best), P(within a margin of the best), and the next to evaluate.
"""
