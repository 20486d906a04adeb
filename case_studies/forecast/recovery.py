"""Count how often runs recovered from a collapse, by repository.

    python -m case_studies.forecast.recovery ../shared/data

A collapse is what `case_studies.forecast.regimes` counts as one: of the looks at a curve, the first that is followed by
a collapse within 100 steps. It is complete with the first window that lies as low. A run counts once, by its training
rewards or, where only these collapsed, by its evaluations, and only if at least five rows follow within 100 steps of
the collapse. It recovers where the mean over a window has taken back more than half of what was lost by then, and four
standard errors.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

import bayes_grpo
from bayes_grpo.analysis.collapses import CHANGE_ERRORS, CHANGE_SHARE, STEPS, new_rate
from bayes_grpo.analysis.forecast.regimes import State, happened, least_fall, state_of
from bayes_grpo.runs.dataset import one_run
from benchmarks.curves.series import LEAST_ROWS as LEAST_REWARDS
from benchmarks.curves.series import all_series
from case_studies.common.runs import LABORATORY
from case_studies.forecast.regimes import LEAST_ROWS, ORIGINS

#: Runs of the laboratory that no other study of the forecast uses.
FURTHER = {
    "TRL runs that were made to fail": Path(__file__).parents[1] / "diagnosis" / "trl_failures.nc",
    "later laboratory": LABORATORY.with_name("second_lab.nc"),
}


class Fate(NamedTuple):
    """What became of a run after its collapse: whether it recovered within 100 steps, ever, and at the end."""

    soon: bool
    ever: bool
    kept: bool


def collapsed_at(steps: np.ndarray, rewards: np.ndarray) -> tuple[State, int, int] | None:
    """State at the look before a run's first collapse, the rows logged when it is complete, and the window."""
    for origin in ORIGINS:
        rows = max(round(origin * rewards.size), 10)
        soon = (steps > steps[rows - 1]) & (steps <= steps[rows - 1] + STEPS)
        state = state_of(rewards[:rows], float(origin))
        if soon.sum() < LEAST_ROWS or not happened(state, rewards[soon])[1]:
            continue
        window = min(state.window, int(soon.sum()))
        means = np.convolve(rewards[soon], np.full(window, 1 / window), "valid")
        first = int(np.argmax(state.level - means > least_fall(state, window)))
        return state, rows + first + window, window
    return None


def fate_of(steps: np.ndarray, rewards: np.ndarray) -> Fate | None:
    """What became of a run that collapsed; None of one that did not, or whose log ends too soon."""
    found = collapsed_at(steps, rewards)
    if found is None:
        return None
    state, rows, window = found
    soon = steps[rows:] <= steps[rows - 1] + STEPS
    if soon.sum() < LEAST_ROWS:
        return None
    means = np.convolve(rewards[rows - window :], np.full(window, 1 / window), "valid")
    lowest = np.minimum.accumulate(means)
    error = state.error * np.sqrt(state.window / window)
    back = means - lowest > np.maximum(CHANGE_SHARE * (state.level - lowest), CHANGE_ERRORS * np.sqrt(2) * error)
    return Fate(bool(back[1:][soon].any()), bool(back.any()), bool(back[-1]))


def fates(data: Path | None) -> dict[str, list[Fate]]:
    """By repository, of every run that collapsed."""
    out: dict[str, list[Fate]] = defaultdict(list)
    counted = set()
    for series in all_series(data):
        run = series.label.removesuffix(" evaluations")
        steps, rewards = (series.run[name].values[0] for name in ("optimizer_step", "reward"))
        fate = fate_of(steps, rewards)
        if fate is not None and run not in counted:
            counted.add(run)
            out[series.repository].append(fate)
    for repository, path in FURTHER.items():
        runs = bayes_grpo.read_run(path)
        for name in map(str, runs["run"].values):
            single = one_run(runs, name)
            there = np.isfinite(single["reward"].values)
            if there.sum() >= LEAST_REWARDS:
                fate = fate_of(single["optimizer_step"].values[there], single["reward"].values[there])
                out[repository] += [] if fate is None else [fate]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    options = parser.parse_args()
    found = {name: np.array(part, int) for name, part in fates(options.data).items() if part}
    for name, part in found.items():
        soon, ever, kept = part.sum(0)
        print(f"{name}: {len(part)} collapsed, {soon} recovered within {STEPS} steps, {ever} ever, {kept} at the end")
    runs = np.array([len(part) for part in found.values()])
    public = np.array([name not in FURTHER for name in found])
    for title, chosen in (("all", np.ones(runs.size, bool)), ("public alone", public)):
        for column, kind in enumerate((f"within {STEPS} steps", "ever", "at the end")):
            events = np.array([part[:, column].sum() for part in found.values()])
            mean, low, high = new_rate(events[chosen], runs[chosen])
            counts = f"{events[chosen].sum()} of {runs[chosen].sum()}"
            print(f"{title}, {kind}: {counts}, {mean:.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
