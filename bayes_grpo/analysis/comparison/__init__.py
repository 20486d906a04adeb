"""Which law predicts best?

In: runs and models, or fits of the same runs. Out: leave-one-out or leave-future-out scores side by side, and what they
say in words.
"""
