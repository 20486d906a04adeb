"""What will the rest of the training bring?

In: a fit, or a run that is still being written. Out: sampled paths of the steps to come, gains, and whether to go on.
"""
