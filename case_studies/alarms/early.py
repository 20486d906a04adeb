"""Do effective sample size and the variance of the log ratio fall before the reward? Real runs that become unstable.

    python -m case_studies.alarms.early --runs early_runs --seeds 8

The runs of ``case_studies/diagnosis/trl_failures.py`` that are made unstable, and healthy ones, with seeds that no
other study uses and with the recorder's columns of the importance ratios. From a known row on the learning rate is 10
to 50 times as high. The test of `bayes_grpo.analysis.alarms` looks at the reward, at the logarithm of the effective
sample share and at minus the logarithm of the log ratio's variance, a row a batch of rollouts. Resumable.
False alarms are counted on the healthy runs of the later laboratory, too, which reuse their rollouts and log both.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.alarms import Detector, boundary_for
from bayes_grpo.runs.dataset import one_run
from case_studies.common.runs import LABORATORY
from case_studies.diagnosis.labels import label_of, lost_a_third
from case_studies.diagnosis.trl_failures import make

#: Seeds from here on are of this study alone.
FIRST_SEED = 100
MODES = ("dynamical_instability", "healthy")
#: Asked for, per 1,000 rows.
RATES = (0.3, 1.0)
#: Columns of a log, and rewards of a run of the laboratory at least.
NAMES, LEAST_ROWS = ("reward", "effective_sample_share", "log_ratio_variance"), 30


class Made(NamedTuple):
    """A run, a row a batch of rollouts: its channels, which fall when something is wrong, and the row of the onset."""

    name: str
    channels: dict[str, np.ndarray]
    onset: int
    third: int


def made(root: Path) -> Iterator[Made]:
    """What is finished."""
    for done in sorted(root.glob("*/done.json")):
        channels = channels_of(one_run(bayes_grpo.read_run(done.parent / "bayes_grpo.jsonl")))
        rows = channels["reward"].size
        settings = json.loads(done.read_text(encoding="utf-8"))
        fallen = settings["mode"] != "healthy"
        third = int(lost_a_third(np.arange(rows), channels["reward"])) if fallen else rows
        yield Made(done.parent.name, channels, settings["onset"] if fallen else rows, third)


def laboratory() -> Iterator[Made]:
    """Healthy runs of the later laboratory that reuse their rollouts and log the ratios."""
    runs = bayes_grpo.read_run(LABORATORY.with_name("second_lab.nc"))
    for name in map(str, runs["run"].values):
        run = one_run(runs, name)
        rewards = run["reward"].values[np.isfinite(run["reward"].values)]
        if float(run.get("refresh_interval", 1)) < 2 or rewards.size < LEAST_ROWS:
            continue
        channels = channels_of(run)
        if label_of(rewards, np.zeros(0)) == "healthy" and "log ESS" in channels:
            yield Made(name, channels, rewards.size, rewards.size)


def channels_of(run: xr.Dataset) -> dict[str, np.ndarray]:
    """Reward and channels of the ratios, means over the updates on a batch of rollouts; constant ones are left out."""
    rows = pd.DataFrame({name: run[name].values for name in NAMES if name in run})
    rows = rows.groupby(np.isfinite(run["reward"].values).cumsum()).mean()
    channels = {"reward": rows["reward"].to_numpy()}
    if "effective_sample_share" in rows and np.ptp(rows["effective_sample_share"].dropna()) > 0:
        channels["log ESS"] = np.log(np.clip(rows["effective_sample_share"].to_numpy(), 1e-6, 1))
        channels["-log variance"] = -np.log(rows["log_ratio_variance"].to_numpy() + 1e-8)
    return channels


def first_alarms(values: np.ndarray, boundary: float, onset: int) -> tuple[int, int | None]:
    """Alarms before the onset, and rows from it to the first alarm after it."""
    detector = Detector(boundary)
    raised = [row for row, value in enumerate(values) if detector.add(float(row), float(value)) is not None]
    after = [row - onset for row in raised if row >= onset]
    return sum(row < onset for row in raised), after[0] if after else None


def report(runs: list[Made]) -> Iterator[str]:
    """For each channel and rate: false alarms, what is seen, how soon, and before a third of the gain is lost."""
    unstable = [run for run in runs if run.onset < run.channels["reward"].size]
    yield f"{len(unstable)} unstable and {len(runs) - len(unstable)} healthy runs"
    for rate in RATES:
        for channel in ("reward", "log ESS", "-log variance"):
            boundary = boundary_for(rate)
            logged = [run for run in runs if channel in run.channels]
            false = [first_alarms(run.channels[channel], boundary, run.onset)[0] for run in logged]
            pairs = [(run, first_alarms(run.channels[channel], boundary, run.onset)[1]) for run in unstable]
            seen = [(run, delay) for run, delay in pairs if delay is not None]
            early = sum(run.onset + delay <= run.third for run, delay in seen)
            yield (
                f"{rate:g} asked, {channel}: {sum(false)} alarms in {sum(run.onset for run in logged)} rows before an "
                f"onset, in {sum(map(bool, false))} of {len(false)} runs; {len(seen)} of {len(unstable)} seen, {early} "
                f"before a third is lost, delays {sorted(delay for _, delay in seen)}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("early_runs"), help="folder for the runs")
    parser.add_argument("--seeds", type=int, default=0, help="runs of each mode to make")
    options = parser.parse_args()
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        for mode in MODES:
            print(make(mode, seed, options.runs, attempts=3), flush=True)
    for line in (*report(list(made(options.runs))), "later laboratory:", *report(list(laboratory()))):
        print(line)


if __name__ == "__main__":
    main()
