"""A run is noisy or rings: what would help, and what does it cost?

In: a fit. Out: the change of learning rate, batch, momentum or refresh interval that brings overshoot or fluctuation
below what is asked.
"""
