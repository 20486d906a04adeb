"""The runs that forecasts are learned from and scored on: every run with enough rewards, each once."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.runs.dataset import one_run
from case_studies.common.runs import LABORATORY, runs

#: So that 20 % of a run are the ten rows that a forecast needs.
LEAST_ROWS = 50


class Usable(NamedTuple):
    """A run, its label, and the repository it is from: what is left out together."""

    label: str
    repository: str
    run: xr.Dataset  # dims (run, step), one run, rows with a reward only


def usable(data: Path | None) -> Iterator[Usable]:
    """Runs of the public folder (where there is one) and of the laboratory."""
    seen = set()
    for source in (data, LABORATORY):
        if source is None:
            continue
        for label, dataset, name in runs(source):
            one = one_run(dataset, name)
            one = one.isel(step=np.flatnonzero(np.isfinite(one["reward"].values)))
            reward = one["reward"].values
            if reward.size < LEAST_ROWS or np.ptp(reward) == 0 or reward.tobytes() in seen:
                continue
            seen.add(reward.tobytes())
            repository = "laboratory" if source == LABORATORY else label.split("/")[0].split("__")[0]
            yield Usable(label, repository, one.expand_dims("run"))
