"""The equations of GRPO's training dynamics, in JAX; nothing here knows a file or a sampler.

In: parameters of a law, and a run laid out in time. Out: transitions, exact or approximate densities, simulated paths,
and thresholds of stability. Each law of motion is one file in the folder ``dynamics``; `bayes_grpo.laws.law` says what
a law is.
"""
