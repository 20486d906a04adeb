"""MiniMind's train_grpo.py: lines in the console, and the same in trackers; a row is of one step."""

from bayes_grpo.readers.contract import Trainer

TRAINER = Trainer(
    name="MiniMind",
    checked="sources of 2026",
    marks=("kl_ref", "avg response len", "adv std", "advantages_mean"),
    names={
        "optimizer_step": ("step", "_step"),
        "reward": ("reward",),
        "learning_rate": ("learning rate", "learning_rate", "lr", "actor lr", "actor_lr"),
        "kl": ("kl_ref", "kl"),
        "update_kl": ("approx kl", "approx_kl"),
        "clip_ratio": ("clipfrac",),
        "completion_length": ("avg response len", "avg_response_len"),
    },
)
