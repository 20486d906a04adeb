"""
From the first log to a decision
================================

One run, from its log to the decision whether to go on, and to the next run: each step with its output, and with what
that output means and does not mean.
"""

# %%
# You need the package (``pip install bayes-grpo``, or ``make setup`` in a checkout) and a log. The log here is that
# of the real TRL run that comes with the package, cut after 260 of 380 steps, as if it were still being trained.

import json
import tempfile
from pathlib import Path

import numpy as np

import bayes_grpo
from bayes_grpo.analysis.posterior.figure_checks import plot_leave_one_out
from bayes_grpo.readers import EXAMPLE

folder = Path(tempfile.mkdtemp()) / "my_run"
folder.mkdir()
state = json.loads((EXAMPLE / "trainer_state.json").read_text())
state["log_history"] = state["log_history"][:260]
(folder / "trainer_state.json").write_text(json.dumps(state))

# %%
# 1. Read it, and look at what was read
# -------------------------------------
#
# Formats and columns are recognised by content. What a log does not hold is stated: TRL's log knows neither the bounds
# of the reward nor the number of completions. A file beside the log says so for all commands.

(folder / "hyperparameters.toml").write_text("""
group_size = 8           # completions per prompt
prompts_per_step = 16    # prompts per optimizer step
momentum = 0.9           # Adam's beta1
planned_steps = 380      # length the run was planned for
reward_lower = 0         # bounds of the reward function
reward_upper = 1
trl_version = "1.16.0"   # tells what TRL's reward_std means
""")

run = bayes_grpo.read_run(folder)
print(f"{run.sizes['step']} rows")
for name, values in run.data_vars.items():
    if values.dims == ("run", "step"):
        print(f"{name:20s} from {np.nanmin(values):.3g} to {np.nanmax(values):.3g}")

# %%
# Is ``reward`` the column that you mean, and do its numbers look like your reward? Then go on. ``bayes-grpo inspect
# PATH`` shows the same in a terminal, with where each column came from.
#
# 2. Fit it
# ---------

fit = bayes_grpo.fit(run, seed=0)
summary = bayes_grpo.summarise(fit)
print(f"{fit.attrs['model']}, converged: {summary['converged']}")
for note in summary["warnings"]:
    print("-", note)

# %%
# 3. Is the fit to be trusted?
# ----------------------------
#
# Two questions. Did the sampler find the posterior? ``converged`` says so; where it is false, believe no number below.
# And does the law describe the rewards? Dots should lie about the blue curve without pattern.

figure = bayes_grpo.plot_fit(fit)

# %%
# A check of the second: where each reward lies in its prediction from all others. If the law is right, these places are
# spread evenly: the curve stays at zero, inside the band, and the p-value is not small.

figure_places = plot_leave_one_out(fit)

# %%
# 4. Where will it plateau?
# -------------------------

plateau, now = summary["parameters"]["plateau"], float(run["reward"][0, -26:].mean())
print(f"The last tenth of the log has the mean {now:.2f}.")
print(f"The plateau is {plateau['median']:.2f} (90 % interval {plateau['lower']:.2f} to {plateau['upper']:.2f}).")

# %%
# It means: if training goes on as it did, the expected reward settles in this interval with probability 0.9. It does
# not mean that the run gets there by the planned end, and the law knows of no ceiling but what you state. An interval
# that reaches above the highest possible reward says that the log does not yet show the bend's end.
#
# 5. What will the rest bring?
# ----------------------------

ahead = bayes_grpo.forecast(run, until=380, seed=0)
forecast = bayes_grpo.summarise_forecast(ahead)
end = {name: round(forecast["mean"][name][-1], 3) for name in ("lower", "median", "upper")}
print("At step 380 the expected reward is", end)
figure_ahead = bayes_grpo.plot_forecast(ahead)

# %%
# The forecast mixes the law with a level that stays and one that wanders, for so other runs were forecast best. So
# its median may lie below the plateau of the fit. Jumps and collapses are outside the bands: their rates are stated
# instead.

print({name: round(forecast[name], 2) for name in ("probability_jump", "probability_collapse")})

# %%
# 6. Is it failing?
# -----------------

diagnosis = bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(run))
for name, probability in diagnosis["probabilities"].items():
    print(f"{name:22s} {probability:.2f}")

# %%
# ``undetermined`` is the probability of failures that this log could not show: no evaluation was logged, so a gamed
# reward would look like an earned one. ``policy_concentration`` is what entropy at its floor looks like. A task that
# is solved looks the same; whether it is a failure here, you know from the samples.
#
# 7. Stop, or go on?
# ------------------

advice, gain = forecast["recommendation"], forecast["gain_per_100_steps"]
print(f"{advice['action']}; the rule is: {advice['rule']}")
print(f"P(more than {gain['epsilon']:g} in the next 100 steps) = {gain['probability_above_epsilon']:.2f}")

# %%
# "Cannot tell yet" is an answer: the probability lies between the two limits of the rule, so go on and ask again. Or
# say what a gain is worth to you. If only 0.05 per 100 steps pays:

dear = bayes_grpo.summarise_forecast(ahead, epsilon=0.05)
print(dear["recommendation"]["action"], f"with P = {dear['gain_per_100_steps']['probability_above_epsilon']:.2f}")

# %%
# This run was in fact trained to the end, so the forecast can be checked:

rest = bayes_grpo.example_run()["reward"].values[0, 260:]
paths = ahead["reward"].values.mean(1)
lower, upper = np.quantile(paths, [0.05, 0.95])
verdict = "inside" if lower <= rest.mean() <= upper else "outside"
print(f"The mean of the rest came to {rest.mean():.3f}, {verdict} its 90 % interval {lower:.3f} to {upper:.3f}.")

# %%
# 8. Compare it with a second run
# -------------------------------
#
# The second run is simulated: a curve that settles at 0.70, with the same scatter.

rng = np.random.default_rng(0)
steps = np.arange(1, 261)
rewards = 0.25 + 0.45 / (1 + np.exp(-(steps - 110) / 25)) + 0.06 * rng.standard_normal(steps.size)
settings = {"group_size": 8, "prompts_per_step": 16, "momentum": 0.9, "planned_steps": 380}
settings |= {"reward_lower": 0, "reward_upper": 1}
second = bayes_grpo.make_run("second", {"optimizer_step": steps, "reward": rewards}, settings)
result = bayes_grpo.contrast({"first": [fit], "second": [bayes_grpo.fit(second, seed=0)]}, lengths=False)
compared = bayes_grpo.summarise_contrast(result, worth=0.02)
print(compared["statement"])
for note in compared["warnings"]:
    print("-", note)
figure_compared = bayes_grpo.plot_contrast(result)

# %%
# The comparison is of *configurations*, not of these two runs. With one seed a side the spread between seeds comes from
# other runs, as the notes say. Most of the doubt here is about the plateau of each run.
#
# 9. What to run next?
# --------------------
#
# What would other group sizes bring on this task for 30,000 completions, given the run just made?

setting = bayes_grpo.PlannedRun(group_size=8, prompts_per_step=16, steps=380)
planned = bayes_grpo.plan(0.25, setting, vary=("group_size", [4, 8, 16]), completions=30_000, fits=[fit])
print(bayes_grpo.summarise_plan(planned)["statement"])
figure_planned = bayes_grpo.plot_plan(planned)

# %%
# A plan rests on the balance law and on the runs that it is given. It foretells no collapse, and settings far from
# those runs are far from what it knows.
#
# 10. Keep it
# -----------
#
# The fit is a file that ArviZ, xarray and R open (:doc:`/interoperation`).

saved = bayes_grpo.save_fit(fit, folder / "fit.nc")
print(saved.name, f"{saved.stat().st_size / 1e6:.1f} MB")

# %%
# In a terminal the same way is: ``bayes-grpo inspect RUN``, ``ask RUN``, ``fit RUN``, ``forecast RUN --until 380``,
# ``diagnose RUN``, ``contrast A --against B``, ``plan``; ``report RUN...`` puts it on one page. What none of it can
# tell is collected in :doc:`/limits`.
