"""
May I add a law?
================

A law is one Python file with its equation, and one TOML file with its priors; fits, forecasts and reports take it.
"""

import sys
from pathlib import Path

import bayes_grpo

# %%
# Richards' growth curve, from the files ``docs/examples/richards.py`` and ``richards.toml``, which :doc:`/own_law`
# explains. To import the Python file is to make the law known.

examples = Path("../examples").resolve()
sys.path.insert(0, str(examples))
import richards

print((examples / "richards.toml").read_text())

# %%

fit = bayes_grpo.fit(bayes_grpo.example_run(), examples / "richards.toml", seed=0)
summary = bayes_grpo.summarise(fit)
for name in ("plateau", "timescale", "shape"):
    row = summary["parameters"][name]
    print(f"{name:10s} {row['median']:.3g} (90 % interval {row['lower']:.3g} to {row['upper']:.3g})")
print("converged:", summary["converged"], "by", richards.Richards.__name__)

# %%

figure = bayes_grpo.plot_fit(fit)

# %%
# On the command line: ``bayes-grpo --law richards.py fit RUN --model richards.toml``. The file is executed, so name
# only files that you would run.
