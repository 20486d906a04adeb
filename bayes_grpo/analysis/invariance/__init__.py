"""Does the group size change anything but the noise?

In: runs of at least two group sizes. Out: each group size against its prediction from the others, and how noise and
plateau depend on it.
"""
