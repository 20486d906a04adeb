"""
May I change a prior?
=====================

A model is a text file. Copy one, or extend it and state what differs; look at what the prior says before any fit.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import bayes_grpo

# %%
# The task's ceiling is known here: a verifier that errs in 15 % of the cases allows 0.85. The default prior does not
# know it. The rise to be expected from a start near 0.25 is then some 0.55, and no more than 0.6.

model = Path(tempfile.mkdtemp()) / "known_ceiling.toml"
model.write_text("""
extends = "s_curve"
summary = "The default law, with a rise that a known ceiling limits"

[parameters.rise]
distribution = "Normal"
loc = 0.5
scale = 0.06
unit = "1"
source = "The verifier errs with probability 0.15, so no policy can expect more than 0.85."
reason = "From a start near 0.25 the rise is below 0.6 with probability 0.95."
""")

run = bayes_grpo.example_run()
prior = bayes_grpo.prior_predictive(run, model, draws=40, seed=0)

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot(run["optimizer_step"][0], prior["expected_reward"].values.reshape(-1, 380).T, lw=0.5, color="tab:blue")
axes.set(xlabel="optimizer step", ylabel="expected reward", title="What the prior holds possible", ylim=(-0.5, 2))
plt.show()

# %%
# Most curves rise by some 0.5. Now and then one leaves the picture: the prior of the fluctuation has heavy tails, which
# the new file has taken over from the default.
#
# Now the fits. Knowledge that is stated narrows the plateau; the file is stored with the fit, so that a reader sees it.

for name in ("s_curve", model):
    fit = bayes_grpo.fit(run, name, seed=0)
    plateau = bayes_grpo.summarise(fit)["parameters"]["plateau"]
    lower, median, upper = (plateau[end] for end in ("lower", "median", "upper"))
    print(f"{fit.attrs['model']:14s} {median:.3f} (90 % interval {lower:.3f} to {upper:.3f})")

# %%
# How much a posterior moves with its prior: ``bayes-grpo summary FIT --sensitivity``. The form of the files:
# :doc:`/model_files`.
