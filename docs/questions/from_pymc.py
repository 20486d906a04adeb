"""
From PyMC
=========

The model of a run as a ``pymc.Model``: add to it, sample it as you like, and read the draws with ArviZ.
"""

import warnings

import arviz as az
import pymc as pm

import bayes_grpo

run = bayes_grpo.example_run()
with bayes_grpo.to_pymc(run, "overdamped") as model:
    pm.Deterministic("ceiling_reached", model["plateau"] / 0.85)
print("free variables:", ", ".join(variable.name for variable in model.free_RVs))

# %%
# nutpie samples it through JAX, as ``bayes_grpo.fit(run, "overdamped", backend="pymc")`` would. This law has five
# parameters, so that a few hundred draws are enough; the default law wants some more.

with model, warnings.catch_warnings(action="ignore"):
    draws = pm.sample(
        draws=300, tune=300, chains=2, nuts_sampler="nutpie", backend="jax", random_seed=1, progressbar=False
    )
az.summary(draws, var_names=["plateau", "ceiling_reached", "timescale"])

# %%

plots = az.plot_dist(draws, var_names=["plateau", "ceiling_reached"], backend="matplotlib")

# %%
# More of the PyMC model and its samplers: :doc:`/backends`. The same for NumPyro is ``bayes_grpo.to_numpyro``.
