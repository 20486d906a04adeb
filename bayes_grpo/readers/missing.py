"""What a run lacks, what that costs, how to supply it, and which command could do more with it."""

from typing import NamedTuple

import xarray as xr


class Gap(NamedTuple):
    """What is done without a quantity, how to supply it, and what commands could do with it."""

    cost: str
    cure: str
    gains: dict[str, str]


#: Settings of a run; the option's name goes into a hyperparameters file too.
_SETTINGS = {
    "group_size": Gap(
        "the temperature is that of the run's own groups",
        "--group-size N",
        {"diagnose": "counts the groups that carry a signal", "fit": "gives the noise of other group sizes"},
    ),
    "prompts_per_step": Gap(
        "the sampling noise cannot be told from the number of completions",
        "--prompts-per-step N",
        {"fit": "tells sampling noise from the run's own", "diagnose": "knows how much rewards scatter by chance"},
    ),
    "momentum": Gap(
        "0.9 is assumed; mass, damping and damping ratio hold only if that is right",
        "--momentum N",
        {"fit": "gives the mass"},
    ),
    "refresh_interval": Gap(
        "the lag of the rollouts is unknown",
        "--refresh-interval N",
        {"threshold": "compares it with the largest safe one"},
    ),
    "logging_window": Gap(
        "each row is taken as a single step; fluctuation is underestimated if rows are means",
        "--logging-window N",
        {"fit": "takes rows as means", "oscillation": "sees what the mean hides"},
    ),
    "planned_steps": Gap(
        "the last logged step is taken; priors are scaled by it",
        "--planned-steps N",
        {"forecast": "goes to the run's end, and knows where a decay of the learning rate ends"},
    ),
    "reward_lower": Gap(
        "bounds are guessed from the rewards; priors are scaled by them",
        "--reward-bounds LOWER UPPER",
        {
            "fit": "keeps the plateau inside them, or says where it is not",
            "diagnose": "tells a solved task from a stalled one",
        },
    ),
    "model_size": Gap(
        "runs of different models cannot be told apart by size",
        "--model-size N",
        {"invariance": "compares models of different size"},
    ),
}
#: Columns of a run.
_COLUMNS = {
    "learning_rate": Gap(
        "it is taken as constant; a decay would be mistaken for an approaching plateau",
        "log it, or add the column",
        {"forecast": "goes on with its schedule", "fit": "measures time in learning, not in steps"},
    ),
    "reward_spread": Gap(
        "the noise within groups is unknown",
        "log it; for TRL bayes_grpo.trl.recorder.record does",
        {"invariance": "tests whether noise follows the spread", "diagnose": "sees groups lose their spread"},
    ),
    "zero_spread_share": Gap(
        "how many groups give no gradient is unknown",
        "log the share of groups whose rewards are all equal",
        {"diagnose": "tells advantage degeneracy, and too few groups with a signal"},
    ),
    "evaluation_reward": Gap(
        "a reward that is gamed looks like one that is earned",
        "log the true metric on held-out prompts, or name its column by --column evaluation_reward=NAME",
        {"diagnose": "tells reward hacking"},
    ),
    "entropy": Gap(
        "the entropy of the policy is unknown",
        "log it",
        {
            "diagnose": "tells the causes of a fall apart, and sees some sooner",
            "entropy-ceiling": "says which reward the entropy leaves to be had",
        },
    ),
    "step_time": Gap(
        "steps cannot be told in hours", "log the seconds a step takes", {"forecast": "says how long it will take"}
    ),
}


def missing(run: xr.Dataset) -> dict[str, Gap]:
    """What a run (as from `bayes_grpo.runs.dataset.one_run`) lacks, by the quantity's name."""
    lacking = {**_SETTINGS, **_COLUMNS}
    return {name: gap for name, gap in lacking.items() if name not in run or not bool(run[name].notnull().any())}
