"""Every public run in the optional data folder is read, but for those listed with the reason."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, read_run

DATA = Path(__file__).parents[1].parent / "shared" / "data"
STATED = {
    "reward_curves_125_steps.csv": {"reward_column": "twinkle_reward"},
    "grpo_learning_rate_eval_points.csv": {"run_column": "label"},
}
#: Logs that hold no reward curve, and what is said of them.
EXCEPTIONS = {
    "batch32_metrics.csv": "expected a column with the optimizer step",
}


def index() -> list[dict[str, str]]:
    if not (DATA / "index.csv").is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the public runs are missing: expected them at {DATA}")
        pytest.skip(f"no public runs at {DATA}")
    with (DATA / "index.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_public_run_is_read_or_listed() -> None:
    read = 0
    for row in index():
        log = DATA / row["run"] / row["file"]
        if log.name in EXCEPTIONS:
            with pytest.raises(InputError, match=EXCEPTIONS[log.name]):
                read_run(log)
            continue
        runs = read_run(log, **STATED.get(log.name, {}))
        for name in runs["run"].values:
            run = runs.sel(run=name)
            step = run["optimizer_step"].values
            step = step[np.isfinite(step)]
            assert (np.diff(step) >= 0).all(), log
            assert np.isfinite(run["reward"].values).sum() >= 5, log
        read += 1
    assert read >= 100
