"""Set the boundary of alarms on healthy runs, and count what it does on runs that collapsed.

Healthy are public runs, runs of the laboratory and TRL runs that the rule of ``case_studies/diagnosis`` labels so; the
rule knows nothing of alarms. The logarithm of the rate of alarms is nearly linear in the boundary, which is in log
odds; a line is fitted to it, a repository of n runs counting as sqrt(n). The counts are of runs whose whole
repository was left out of the line.

    python -m case_studies.alarms.calibrate ../shared/data
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.alarms import Boundary, alarms
from bayes_grpo.runs.dataset import one_run
from case_studies.common.runs import LABORATORY
from case_studies.diagnosis import bench
from case_studies.diagnosis.labels import label_of, lost_a_third
from case_studies.diagnosis.public_runs import runs_of

BOUNDARIES = np.arange(-4.0, 3.5, 0.5)
RATES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
FALLS = ("collapsed", "dynamical_instability")


class Log(NamedTuple):
    repository: str
    kind: str
    steps: np.ndarray
    rewards: np.ndarray


def logs(data: Path | None) -> Iterator[Log]:
    """Every run with at least 20 rewards, labelled; TRL runs that were made to fail by what was done to them."""
    for label, dataset, name in runs_of(data) if data else ():
        yield from _log(one_run(dataset, name), label.split("__")[0])
    laboratory = bayes_grpo.read_run(LABORATORY)
    for name in laboratory["run"].values:
        yield from _log(one_run(laboratory, str(name)), "laboratory")
    failing = bayes_grpo.read_run(Path(bench.__file__).with_name("trl_failures.nc"))
    for name in map(str, failing["run"].values):
        yield from _log(one_run(failing, name), "trl_failures", name.rsplit("-", 1)[0])


def _log(run: xr.Dataset, repository: str, kind: str | None = None) -> Iterator[Log]:
    there = np.isfinite(run["reward"].values)
    steps, rewards = run["optimizer_step"].values[there], run["reward"].values[there]
    entropy = run["entropy"].values if "entropy" in run else np.zeros(0)
    if rewards.size >= 20:
        yield Log(repository, kind or label_of(rewards, entropy[np.isfinite(entropy)]), steps, rewards)


def counted(log: Log) -> np.ndarray:
    """Alarms at each of `BOUNDARIES`."""
    return np.array([len(alarms(log.steps, log.rewards, boundary)) for boundary in BOUNDARIES])


def line_of(healthy: list[Log], counts: np.ndarray) -> Boundary:
    """The line through the logarithm of alarms per 1,000 rows, from counts (run, boundary)."""
    names = [log.repository for log in healthy]
    weight = np.array([1 / np.sqrt(names.count(name)) for name in names])
    rate = 1000 * (weight @ counts) / (weight @ np.array([log.rewards.size for log in healthy]))
    used = rate > 0
    slope, intercept = np.polyfit(BOUNDARIES[used], np.log(rate[used]), 1, w=np.sqrt(counts.sum(0)[used]))
    return Boundary(float(intercept), float(-slope), float(rate.max()), 0.01)


def report(everything: list[Log]) -> Iterator[str]:
    healthy = [log for log in everything if log.kind == "healthy"]
    fallen = [log for log in everything if log.kind in FALLS]
    counts = np.array([counted(log) for log in healthy])
    yield f"{len(healthy)} healthy runs, {sum(log.rewards.size for log in healthy)} rows; {len(fallen)} that fell"
    home = np.array([log.repository for log in healthy])
    without = {
        name: line_of([log for log in healthy if log.repository != name], counts[home != name])
        for name in {log.repository for log in everything}
    }
    for rate in RATES:
        quiet, found = (
            [(log, alarms(log.steps, log.rewards, without[log.repository].at(rate))) for log in part]
            for part in (healthy, fallen)
        )
        raised = 1000 * sum(len(told) for _, told in quiet) / sum(log.rewards.size for log in healthy)
        shares = {name: np.mean([bool(told) for log, told in quiet if log.repository == name]) for name in set(home)}
        worst = max(shares, key=lambda name: shares[name])
        early = [bool(told) and told[0].step <= lost_a_third(log.steps, log.rewards) for log, told in found]
        yield f"{rate:g} per 1,000 rows asked: {raised:.3f} raised"
        alarmed = np.mean([bool(told) for _, told in quiet])
        yield f"  healthy runs alarmed {alarmed:.3f}, worst {worst} {shares[worst]:.2f}"
        yield f"  fallen runs alarmed {np.mean([bool(told) for _, told in found]):.2f}, {np.mean(early):.2f} early"
    yield f"boundary of all: {line_of(healthy, counts)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    options = parser.parse_args()
    for line in report(list(logs(options.data))):
        print(line, flush=True)


if __name__ == "__main__":
    main()
