"""Preferred names of the step and the reward, and the words that tell kinds of rows apart, whoever the trainer."""

#: Names in order of preference, lower case, for logs that no trainer's key set claims.
NAMES: dict[str, tuple[str, ...]] = {
    "optimizer_step": (
        "optimizer_step",
        "global_step",
        "train/global_step",
        "global_step/max_steps",
        "step",
        "training_step",
        "train_step",
        "grpo_step",
        "current_steps",
        "iteration",
        "iter",
        "update",
        "_step",
    ),
    "reward": (
        "reward",
        "train/reward",
        "mean_reward",
        "avg_reward",
        "reward_mean",
        "average_reward",
        "train_reward",
        "rewards/mean",
        "train/reward_mean",
    ),
}

#: Names of columns that say a hyperparameter where they are the same in all rows, whoever the trainer; alone or after
#: ``train/``. ``beta`` and ``epsilon`` are not among them: they may be the optimizer's.
CONSTANTS: dict[str, tuple[str, ...]] = {
    "kl_weight": ("kl_coef", "kl_coeff", "kl_weight", "kl_loss_coef"),
    "clip_range": ("cliprange", "clip_range", "clip_eps", "clip_epsilon"),
    "group_size": ("group_size", "num_generations"),
}
#: Column of words that names the loss, and the words that say that it clips nothing.
LOSS_COLUMN, UNCLIPPED = "loss_type", ("no_clip", "noclip", "unclipped", "no_baseline", "reinforce")

#: Columns that are true in the rows of an evaluation.
FLAG_COLUMNS = ("is_eval", "is_evaluation", "is_validation", "is_test")
TRUE_WORDS = ("true", "yes", "1", "1.0")
#: Columns of words that tell kinds of rows apart, and the values that mark evaluation rows.
KIND_COLUMNS = ("type", "event", "phase", "split", "mode", *FLAG_COLUMNS)
EVALUATION_WORDS = ("eval", "evaluation", "val", "validation", "test")
#: Members of a summary at the end of a log: a row with one of these is none of training.
SUMMARY_KEYS = frozenset({"log_history", "train_runtime", "train_samples_per_second"})


def hyperparameter_of(name: str) -> str | None:
    """The hyperparameter that a column of this plain name says where it is the same in all rows; None for others."""
    return _HYPERPARAMETERS.get(name.removeprefix("train/"))


_HYPERPARAMETERS = {name: setting for setting, names in CONSTANTS.items() for name in names}
