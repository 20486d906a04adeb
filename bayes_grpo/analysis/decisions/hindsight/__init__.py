"""How did the rest turn out?

In: a forecast, and the run as it went on. Out: what was forecast next to what came, and what simpler forecasts said.
"""
