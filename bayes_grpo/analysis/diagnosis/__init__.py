"""Which failure is it?

In: all logged channels of a run. Out: probabilities of healthy training and of each failure mode, and when it began.
"""
