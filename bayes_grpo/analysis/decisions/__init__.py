"""What to do next? Decisions, one folder each, that draw on the answers of the other rooms.

In: runs. Out: probabilities of what a decision turns on, and a few sentences that say it.
"""
