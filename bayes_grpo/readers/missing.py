"""What a run lacks, what that costs, and how to supply it."""

import xarray as xr

#: For each quantity: what is done without it, and the option (the same name goes into a hyperparameters file).
_WITHOUT = {
    "group_size": ("the temperature is that of the run's own groups", "--group-size N"),
    "prompts_per_step": ("the sampling noise cannot be told from the number of completions", "--prompts-per-step N"),
    "momentum": ("0.9 is assumed; mass, damping and damping ratio hold only if that is right", "--momentum N"),
    "refresh_interval": ("the lag of the rollouts is unknown", "--refresh-interval N"),
    "logging_window": (
        "each row is taken as a single step; fluctuation is underestimated if rows are means",
        "--logging-window N",
    ),
    "planned_steps": ("the last logged step is taken; priors are scaled by it", "--planned-steps N"),
    "reward_lower": (
        "bounds are guessed from the rewards; plateau is sought inside them",
        "--reward-bounds LOWER UPPER",
    ),
    "model_size": ("runs of different models cannot be told apart by size", "--model-size N"),
}
_COLUMNS = {
    "learning_rate": (
        "it is taken as constant; a decay would be mistaken for an approaching plateau",
        "log it, or add the column",
    ),
    "reward_spread": ("the noise within groups is unknown", "log it; for TRL bayes_grpo.trl.recorder.record does"),
}


def missing(run: xr.Dataset) -> dict[str, tuple[str, str]]:
    """What a run lacks: for each name what that costs, and the cure."""
    lacking = {**_WITHOUT, **_COLUMNS}
    return {name: said for name, said in lacking.items() if name not in run or not bool(run[name].notnull().any())}
