"""Answers from a fit, one folder a question.

In: a fit or a run. Out: a labelled `xarray.Dataset`, its summary, its table and its figure.
"""
