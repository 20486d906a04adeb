"""Which key of a log row is which variable: the trainers' names, and the guess for other tables."""

import re
from collections.abc import Iterable

from bayes_grpo.errors import InputError

#: Names of each variable in order of preference, lower case: TRL (old and new), verl, and common tables.
NAMES: dict[str, tuple[str, ...]] = {
    "optimizer_step": (
        "optimizer_step",
        "global_step",
        "train/global_step",
        "step",
        "_step",
        "training_step",
        "train_step",
        "grpo_step",
        "iteration",
        "iter",
        "update",
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
    "learning_rate": ("learning_rate", "train/learning_rate", "lr", "actor/lr", "train/actor_lr", "optim/lr"),
    "reward_spread": ("reward_spread", "reward_std", "train/reward_std", "std_reward", "reward_stddev", "rewards/std"),
    "entropy": ("entropy", "train/entropy", "actor/entropy", "actor/entropy_loss", "token_entropy", "entropy/all/mean"),
    "kl": ("kl", "train/kl", "actor/kl_loss", "actor/ppo_kl", "objective/kl"),
    "completion_length": (
        "completions/mean_length",
        "train/completions/mean_length",
        "completion_length",
        "response_length/mean",
        "mean_length",
    ),
    "grad_norm": ("grad_norm", "train/grad_norm", "actor/grad_norm", "optim/grad_norm"),
    "clip_ratio": ("clip_ratio/region_mean", "clip_ratio", "cispo_clip_ratio", "actor/pg_clipfrac", "clip_fraction"),
    "zero_spread_share": ("zero_spread_share", "frac_reward_zero_std", "train/frac_reward_zero_std"),
    "evaluation_reward": ("eval_reward", "eval/reward"),
}

#: String columns that tell kinds of rows apart, and the values that mark evaluation rows.
KIND_COLUMNS = ("type", "event", "phase", "split", "mode")
EVALUATION_WORDS = ("eval", "evaluation", "val", "validation", "test")

#: Words in a column's name by which it is no mean reward of training rollouts.
_NOT_THE_MEAN = {
    "std",
    "stddev",
    "sd",
    "var",
    "variance",
    "max",
    "maximum",
    "min",
    "minimum",
    "median",
    "best",
    "count",
}
_NOT_THE_MEAN |= set(EVALUATION_WORDS)

#: Every name above: what a reader keeps of a row.
KNOWN = frozenset(name for names in NAMES.values() for name in names) | frozenset(KIND_COLUMNS)


def choose(path: str, present: Iterable[str], reward: str | None, step: str | None, notes: list[str]) -> dict[str, str]:
    """Map variables to the columns that hold them.

    Parameters
    ----------
    path : str
        Named in faults.
    present : iterable of str
        Columns that hold values.
    reward, step : str, optional
        Columns stated by the user; they win.
    notes : list of str
        Receives what was guessed.

    Raises
    ------
    InputError
        If a stated column is missing, or no step or reward column, or no single best one, can be found.
    """
    columns = list(present)
    lower = {column.lower().strip(): column for column in reversed(columns)}
    chosen = {field: next((lower[name] for name in names if name in lower), None) for field, names in NAMES.items()}
    faults = []
    for field, stated, flag in (("reward", reward, "--reward-column"), ("optimizer_step", step, "--step-column")):
        if stated is not None:
            if stated not in columns:
                faults.append(f"{flag}: no column {stated!r}; found {_listed(columns)}")
            chosen[field] = stated
    if chosen["optimizer_step"] is None:
        faults.append(f"expected a column with the optimizer step, found {_listed(columns)}; name it by --step-column")
    if chosen["reward"] is None:
        alike = [
            c for c in columns if "reward" in c.lower() and not _NOT_THE_MEAN & set(re.split("[^a-z]+", c.lower()))
        ]
        if len(alike) == 1:
            chosen["reward"] = alike[0]
        elif alike:
            faults.append(f"expected one reward column, found {_listed(alike)}; choose one by --reward-column")
        else:
            faults.append(
                f"expected a column with the mean reward, found {_listed(columns)}; name it by --reward-column"
            )
    if faults:
        raise InputError(path, faults)
    for field, stated, plain, word in (
        ("reward", reward, "reward", "reward"),
        ("optimizer_step", step, "step", "optimizer step"),
    ):
        if stated is None and chosen[field] != plain:
            others = [lower[n] for n in NAMES[field] if n in lower and lower[n] != chosen[field]]
            more = f"; other candidates: {', '.join(others)}" if others else ""
            notes.append(f"took column {chosen[field]!r} as {word}{more}")
    return {field: column for field, column in chosen.items() if column is not None}


def _listed(columns: list[str]) -> str:
    shown = ", ".join(columns[:12])
    return (shown + (f" and {len(columns) - 12} more" if len(columns) > 12 else "")) or "no columns"
