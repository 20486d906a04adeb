"""What does this log say? Five answers from one reading.

In: a run. Out: plateau, stop or go on, health, staleness, and what to log to know more.
"""
