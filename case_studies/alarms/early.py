"""Do effective sample size and the variance of the log ratio fall before the reward? Real runs that become unstable.

    python -m case_studies.alarms.early --runs early_runs --seeds 8

The runs of ``case_studies/diagnosis/trl_failures.py`` that are made unstable, and healthy ones, with seeds that no
other study uses and with the recorder's columns of the importance ratios. From a known row on the learning rate is 10
to 50 times as high. The test of `bayes_grpo.analysis.alarms` looks at the reward, at the logarithm of the effective
sample share and at minus the logarithm of the log ratio's variance, a row a batch of rollouts. Resumable.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import bayes_grpo
from bayes_grpo.analysis.alarms import Detector, boundary_for
from bayes_grpo.runs.dataset import one_run
from case_studies.diagnosis.labels import lost_a_third
from case_studies.diagnosis.trl_failures import make

#: Seeds from here on are of this study alone.
FIRST_SEED = 100
MODES = ("dynamical_instability", "healthy")
#: Asked for, per 1,000 rows.
RATES = (0.3, 1.0)


class Made(NamedTuple):
    """A run, a row a batch of rollouts: its channels, which fall when something is wrong, and the row of the onset."""

    name: str
    channels: dict[str, np.ndarray]
    onset: int
    third: int


def made(root: Path) -> Iterator[Made]:
    """What is finished."""
    for done in sorted(root.glob("*/done.json")):
        run = one_run(bayes_grpo.read_run(done.parent / "bayes_grpo.jsonl"))
        names = ("reward", "effective_sample_share", "log_ratio_variance", "clip_ratio", "grad_norm", "kl")
        rows = pd.DataFrame({name: run[name].values for name in names if name in run})
        rows = rows.groupby(np.isfinite(run["reward"].values).cumsum()).mean()
        channels = {"reward": rows["reward"].to_numpy()}
        if "effective_sample_share" in rows:
            channels["log ESS"] = np.log(np.clip(rows["effective_sample_share"].to_numpy(), 1e-6, 1))
            channels["-log variance"] = -np.log(rows["log_ratio_variance"].to_numpy() + 1e-8)
        settings = json.loads(done.read_text(encoding="utf-8"))
        fallen = settings["mode"] != "healthy"
        third = int(lost_a_third(np.arange(len(rows)), channels["reward"])) if fallen else len(rows)
        yield Made(done.parent.name, channels, settings["onset"] if fallen else len(rows), third)


def first_alarms(values: np.ndarray, boundary: float, onset: int) -> tuple[int, int | None]:
    """Alarms before the onset, and rows from it to the first alarm after it."""
    detector = Detector(boundary)
    raised = [row for row, value in enumerate(values) if detector.add(float(row), float(value)) is not None]
    after = [row - onset for row in raised if row >= onset]
    return sum(row < onset for row in raised), after[0] if after else None


def report(runs: list[Made]) -> Iterator[str]:
    """For each channel and rate: false alarms, what is seen, how soon, and before a third of the gain is lost."""
    unstable = [run for run in runs if run.onset < run.channels["reward"].size]
    quiet = sum(run.onset for run in runs)
    yield f"{len(unstable)} unstable and {len(runs) - len(unstable)} healthy runs, {quiet} rows before an onset"
    for rate in RATES:
        for channel in ("reward", "log ESS", "-log variance"):
            boundary = boundary_for(rate)
            false = [first_alarms(r.channels[channel], boundary, r.onset)[0] for r in runs if channel in r.channels]
            pairs = [(run, first_alarms(run.channels[channel], boundary, run.onset)[1]) for run in unstable]
            seen = [(run, delay) for run, delay in pairs if delay is not None]
            early = sum(run.onset + delay <= run.third for run, delay in seen)
            delays = sorted(delay for _, delay in seen)
            yield (
                f"{rate:g} asked, {channel}: {sum(false)} alarms before an onset ({1000 * sum(false) / quiet:.1f} per "
                f"1,000 rows), {len(seen)} of {len(unstable)} seen, {early} before a third is lost, delays {delays}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("early_runs"), help="folder for the runs")
    parser.add_argument("--seeds", type=int, default=0, help="runs of each mode to make")
    options = parser.parse_args()
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        for mode in MODES:
            print(make(mode, seed, options.runs, attempts=3), flush=True)
    for line in report(list(made(options.runs))):
        print(line)


if __name__ == "__main__":
    main()
