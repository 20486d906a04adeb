"""Draw the oscillator's prior predictive for short and long runs and two reward scales."""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import bayes_grpo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="oscillator")
    parser.add_argument("--out", type=Path, default=Path("prior_predictive.png"))
    options = parser.parse_args()
    figure = Figure(figsize=(9, 5), layout="constrained")
    for row, (lower, upper) in zip(figure.subplots(2, 2), ((0, 1), (-5, 10)), strict=True):
        for axis, length in zip(row, (40, 5000), strict=True):
            steps = np.unique(np.linspace(1, length, 200).round())
            facts = {"group_size": 8, "momentum": 0.9, "planned_steps": length, "logging_window": 1}
            facts |= {"reward_lower": lower, "reward_upper": upper}
            # The rewards themselves are not used: any that vary will do.
            reward = np.linspace(lower, upper, steps.size)
            run = bayes_grpo.make_run("prior", {"optimizer_step": steps, "reward": reward}, facts)
            draws = bayes_grpo.prior_predictive(run, options.model, draws=20, seed=0)
            axis.plot(steps, draws["expected_reward"].values.T, lw=0.8, color="#1f5fa8", alpha=0.6)
            for bound in (lower, upper):
                axis.axhline(bound, color="0.3", ls=":", lw=1)
            span = upper - lower
            axis.set(ylim=(lower - 0.5 * span, upper + 0.5 * span), xlabel="optimizer step", ylabel="expected reward")
    figure.savefig(options.out, dpi=90)


if __name__ == "__main__":
    main()
