"""Names under which logs hold each variable, where no trainer's key set claims them."""

#: Names of each variable in order of preference, lower case, for logs that no trainer's key set claims.
NAMES: dict[str, tuple[str, ...]] = {
    "optimizer_step": (
        "optimizer_step",
        "global_step",
        "train/global_step",
        "step",
        "training_step",
        "train_step",
        "grpo_step",
        "iteration",
        "iter",
        "update",
        "_step",
    ),
    "reward": (
        "reward",
        "train/reward",
        "critic/rewards/mean",
        "mean_reward",
        "avg_reward",
        "reward_mean",
        "average_reward",
        "train_reward",
        "rewards/mean",
        "train/reward_mean",
        "train/rollout/reward_mean",
        "critic/score/mean",
        "scores",
    ),
    "learning_rate": (
        "learning_rate",
        "train/learning_rate",
        "lr",
        "actor/lr",
        "train/actor_lr",
        "optim/lr",
        "train/lr",
    ),
    "reward_spread": ("reward_spread", "reward_std", "train/reward_std", "std_reward", "reward_stddev", "rewards/std"),
    "entropy": ("entropy", "train/entropy", "actor/entropy", "actor/entropy_loss", "token_entropy"),
    "kl": ("kl", "train/kl", "actor/kl_loss", "objective/kl"),
    "completion_length": (
        "completions/mean_length",
        "train/completions/mean_length",
        "completion_length",
        "train/completion_length",
        "response_length/mean",
        "mean_length",
        "avg_response_token_length",
    ),
    "grad_norm": ("grad_norm", "train/grad_norm", "actor/grad_norm", "optim/grad_norm"),
    "clip_ratio": (
        "clip_ratio/region_mean",
        "train/clip_ratio/region_mean",
        "clip_ratio",
        "cispo_clip_ratio",
        "actor/pg_clipfrac",
        "clip_fraction",
    ),
    "update_kl": ("update_kl", "approx_kl", "train/approx_kl", "ppo_kl", "actor/ppo_kl", "policy/approx_kl"),
    "zero_spread_share": ("zero_spread_share", "frac_reward_zero_std", "train/frac_reward_zero_std"),
    "evaluation_reward": ("evaluation_reward", "eval_reward", "eval/reward"),
    "step_time": ("step_time", "train/step_time", "timing_s/step"),
    "rollout_age": ("rollout_age", "staleness", "staleness_mean", "off_policy/mean"),
}

#: Columns of words that tell kinds of rows apart, and the values that mark evaluation rows.
KIND_COLUMNS = ("type", "event", "phase", "split", "mode")
EVALUATION_WORDS = ("eval", "evaluation", "val", "validation", "test")
