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

#: Columns of words that tell kinds of rows apart, and the values that mark evaluation rows.
KIND_COLUMNS = ("type", "event", "phase", "split", "mode")
EVALUATION_WORDS = ("eval", "evaluation", "val", "validation", "test")
#: Members of a summary at the end of a log: a row with one of these is none of training.
SUMMARY_KEYS = frozenset({"log_history", "train_runtime", "train_samples_per_second"})
