"""Studies of the twin; each writes a table with a row for each setting.

Figures are those of the second half of each run, means over the seeds with the standard error of that mean.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.laws.balance import fixed_point
from case_studies.trl_lab.graded import CALLED
from case_studies.trl_lab.lab import Trial
from case_studies.trl_lab.sweeps import FIRST, SWEEPS
from case_studies.trl_lab.twin import runs

BASE = Trial()
REUSE = (8, 16, 32, 4, 64)
LONG = 1920  # updates: 60 batches of rollouts at K = 32
SETTINGS = {
    "base": {},
    "clip 0.1": {"clip": 0.1},
    "clip 0.4": {"clip": 0.4},
    "no clip": {"clip": 1e6},
    "rate 5e-4": {"learning_rate": 5e-4},
    "rate 4e-3": {"learning_rate": 4e-3},
    "B 4": {"prompts": 4},
    "B 64": {"prompts": 64},
    "G 4": {"group_size": 4},
    "G 16": {"group_size": 16},
    "KL 0.2": {"kl": 0.2},
    "KL 0.8": {"kl": 0.8},
    "no KL": {"kl": 0.0},
    "frozen": {"frozen": True},
}
#: Single changes of the base setting, by name, and the refresh intervals at which each is made.
MECHANISMS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "": ({}, (1, 2, 4, 8, 16, 32, 64)),
    **{f"clip{clip}": ({"clip": clip}, (8, 16)) for clip in (0.1, 0.4, 1e6)},
    "frozen": ({"frozen": True}, (4, 8, 16)),
    "kl0": ({"kl": 0.0}, (1, 8, 16)),
    **{f"lr{rate}": ({"learning_rate": rate}, (1, 8)) for rate in (2.5e-4, 5e-4, 2e-3, 4e-3)},
    "init.1": ({"initializer": 0.1}, (1, 8)),
    **{f"B{prompts}": ({"prompts": prompts}, (8,)) for prompts in (4, 64)},
}


def summary(trial: Trial, seeds: int, updates: int, part: float = 0.5) -> dict[str, Any]:
    """Figures of one setting."""
    seen = runs(trial, seeds, updates=updates)
    late = slice(round(updates * part), None)
    each = seen["expected"][:, late].mean(1)
    share = float(seen["clip"][:, late].mean())
    p = fixed_point(trial.kl, trial.group_size, 1 / 11, trial.error, 1 - trial.error, share)
    last = seen["variance"][:, trial.refresh_interval - 1 :: trial.refresh_interval]
    return {
        "reward": float(each.mean()),
        "error": float(each.std(ddof=1) / seeds**0.5),
        "clipped": share,
        "clipped_drive": float(np.nanmean(seen["drive"][:, late])),
        "balance": float(trial.error + (1 - 2 * trial.error) * p),
        "kl": float(seen["kl"][:, late].mean()),
        "effective_share": float(seen["ess"][:, late].mean()),
        "log_ratio_variance": float(seen["variance"][:, late].mean()),
        "last_log_ratio_variance": float(last[:, last.shape[1] // 2 :].mean()),
        "logged": float(seen["reward"][:, late].mean()),
        **{
            f"after_{n}": float(seen["expected"][:, min(n * trial.refresh_interval, updates) - 1].mean())
            for n in (15, 30, 60)
        },
        "early_clipped": float(seen["clip"][:, : 15 * trial.refresh_interval].mean()),
        "early_variance": float(seen["variance"][:, : 15 * trial.refresh_interval].mean()),
        "updates": updates,
        "seeds": seeds,
    }


def check() -> Iterator[dict[str, Any]]:
    """The first laboratory's settings at its length."""
    for trial in [
        *FIRST,
        *(replace(BASE, refresh_interval=k, clip=c) for k in (2, *sorted(REUSE)) for c in (0.2, 1e6)),
    ]:
        name = trial.name.replace("-seed0", "")
        yield {"run": name} | summary(trial, 8, max(300, 12 * trial.refresh_interval))


def reuse() -> Iterator[dict[str, Any]]:
    """Every setting at every refresh interval, all of one length in updates, 60 batches at least."""
    for k in REUSE[:3]:
        for name, changes in SETTINGS.items():
            trial = replace(BASE, refresh_interval=k, **changes)
            yield {"setting": name, "refresh_interval": k} | summary(trial, 4, LONG)


def settled() -> Iterator[dict[str, Any]]:
    """Long runs at all refresh intervals and two clip ranges; 60 batches at K = 64."""
    for name in ("base", "clip 0.1"):
        for k in (1, *sorted(REUSE)):
            trial = replace(BASE, refresh_interval=k, **SETTINGS[name])
            yield {"setting": name, "refresh_interval": k} | summary(trial, 4, 2 * LONG)


def mechanisms() -> Iterator[dict[str, Any]]:
    """What tells starvation, overfitting and lag apart: single changes of the base setting at some intervals each."""
    for name, (changes, intervals) in MECHANISMS.items():
        for k in intervals:
            trial = replace(BASE, refresh_interval=k, **changes)
            yield {"setting": f"K{k} {name}".strip()} | summary(trial, 8, LONG)


def groups() -> Iterator[dict[str, Any]]:
    """Plateau against group size in runs long enough to settle."""
    for size in (2, 4, 8, 16, 32):
        yield {"group_size": size} | summary(replace(BASE, group_size=size), 8, 2400)


def graded() -> Iterator[dict[str, Any]]:
    """The second task at the settings called before it was run, at the length of the laboratory's runs."""
    for trial, _ in CALLED:
        yield {"run": trial.name.replace("-seed0", "")} | summary(trial, 8, trial.updates, part=2 / 3)


def sweeps() -> Iterator[dict[str, Any]]:
    """The sweeps of the first task at the length of the laboratory's runs, to be set beside them."""
    for name, trials in SWEEPS.items():
        for trial in trials if name not in ("first", "graded") else []:
            yield {"run": trial.name.replace("-seed0", "")} | summary(trial, 8, trial.updates, part=2 / 3)


def fluctuation() -> Iterator[dict[str, Any]]:
    """Variance of the settled expected reward against group size, under Adam and under SGD matched at G = 8."""
    for optimizer, rate, momentum in (("adamw_torch", 1e-3, 0.9), ("sgd", 0.02, 0.0)):
        for size in (8, 16, 32, 64):
            trial = replace(
                BASE, group_size=size, optimizer=optimizer, learning_rate=rate, momentum=momentum, prompts=4
            )
            seen = runs(trial, 8, first_seed=size, updates=4000)["expected"][:, 1300:]
            for seed, path in enumerate(seen):
                centred = path - path.mean()
                lags = [1, 10, 30, 100]
                again = [float((centred[lag:] * centred[:-lag]).mean() / centred.var()) for lag in lags]
                row = {"optimizer": trial.optimizer, "group_size": size, "seed": seed}
                yield (
                    row
                    | {"reward": float(path.mean()), "variance": float(path.var())}
                    | dict(zip((f"lag{lag}" for lag in lags), again, strict=True))
                )


STUDIES = {
    "settled": settled,
    "mechanisms": mechanisms,
    "reuse": reuse,
    "check": check,
    "fluctuation": fluctuation,
    "groups": groups,
    "graded": graded,
    "sweeps": sweeps,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "twin")
    options = parser.parse_args()
    use_compilation_cache()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.studies:
        with (options.out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            for count, row in enumerate(STUDIES[name]()):
                if not count:
                    table.writerow(row)
                table.writerow(f"{v:.5g}" if isinstance(v, float) else v for v in row.values())
                file.flush()


if __name__ == "__main__":
    main()
