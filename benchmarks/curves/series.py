"""The series that forecasts are learned from and scored on, each once, and what is left out together.

The logs stay outside the repository. Training rewards are taken from runs with at least `LEAST_ROWS` of them, and
evaluation rewards, where a log holds them too, from runs with at least `LEAST_EVALUATIONS`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.runs.dataset import one_run
from case_studies.common.runs import LABORATORY, runs

#: So that 20 % of a run are the ten rows that a forecast needs.
LEAST_ROWS = 50
#: Evaluations are few; a series of 40 is cut at 20 % with ten of them.
LEAST_EVALUATIONS = 40
#: What a series is, beside the repository it is from.
KINDS = ("training, 0 to 1", "training, other scale", "evaluation", "laboratory")


class Series(NamedTuple):
    """A reward curve, its label, the repository it is from, and its kind (one of `KINDS`)."""

    label: str
    repository: str
    kind: str
    run: xr.Dataset  # dims (run, step), one run, rows with a reward only


def training_series(data: Path | None) -> Iterator[Series]:
    """Training rewards of the public folder (where there is one) and of the laboratory."""
    return (series for series in all_series(data) if series.kind != "evaluation")


def all_series(data: Path | None) -> Iterator[Series]:
    """Training and evaluation rewards of the public folder (where there is one) and of the laboratory."""
    seen: set[bytes] = set()
    for source in (data, LABORATORY):
        if source is None:
            continue
        for label, dataset, name in runs(source):
            run = one_run(dataset, name)
            repository = "laboratory" if source == LABORATORY else label.split("/")[0].split("__")[0]
            for kind, curve, least in ((_kind(run, repository), run, LEAST_ROWS), *_evaluations(run, repository)):
                curve = curve.isel(step=np.flatnonzero(np.isfinite(curve["reward"].values)))
                reward = curve["reward"].values
                if reward.size < least or np.ptp(reward) == 0 or reward.tobytes() in seen:
                    continue
                seen.add(reward.tobytes())
                about = f"{label} evaluations" if kind == "evaluation" else label
                yield Series(about, repository, kind, curve.expand_dims("run"))


def _kind(run: xr.Dataset, repository: str) -> str:
    if repository == "laboratory":
        return "laboratory"
    reward = run["reward"].values
    return KINDS[0] if np.nanmin(reward) >= 0 and np.nanmax(reward) <= 1 else KINDS[1]


def _evaluations(run: xr.Dataset, repository: str) -> Iterator[tuple[str, xr.Dataset, int]]:
    """The evaluation rewards as a curve of their own: each is of one step, whatever the training rewards average."""
    if repository == "laboratory" or "evaluation_reward" not in run:
        return
    curve = run.assign(reward=run["evaluation_reward"], logging_window=1.0)
    curve = curve.drop_vars(["evaluation_reward", "group_size", "prompts_per_step"], errors="ignore")
    yield "evaluation", curve, LEAST_EVALUATIONS
