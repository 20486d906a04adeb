"""Models as data.

In: a TOML file that states a law and a prior for every parameter, with unit, source and reason. Out: a
`bayes_grpo.models.spec.ModelSpec`. Nothing in a file is executed.
"""
