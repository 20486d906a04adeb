"""Alarms while a run trains, at a stated rate of false ones.

`bayes_grpo.analysis.alarms` looks at rewards one by one; `bayes_grpo.analysis.monitor.outlets` tells others.
"""
