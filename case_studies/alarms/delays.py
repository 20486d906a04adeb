"""Simulated falls with known times: how soon each test sees them, against how often it cries wolf.

    python -m case_studies.alarms.delays [../shared/data] [--figure docs/alarms_delay.png]

Beside the package's test stand a CUSUM of falls, which it had before, and two tests as rl-doctor 0.2 uses them, looked
at after every row: a scan for one level shift by cumulative sums, after a robust line is taken out, scaled by the
scatter of differences; and the Mann-Kendall test for a trend in the later half of the rows. Both are written anew here.
Each test's boundary is moved; a healthy run is alarmed if the boundary is crossed at any row. With a folder of public
runs, CUSUM and trend test are compared on the real healthy and fallen runs of `case_studies.alarms.calibrate`, too.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayes_grpo.analysis.alarms import FALSE_ALARMS, LEAST_ROWS, LEVEL_WEIGHT, Detector, boundary_for
from bayes_grpo.analysis.switching import scatter_of
from case_studies.alarms.calibrate import FALLS as FALLEN
from case_studies.alarms.calibrate import logs
from case_studies.diagnosis.labels import lost_a_third

ROWS, RUNS = 150, 120
#: What happens: nothing, a drop within three rows, or a decline over forty, by these shares of the gain.
FALLS = {"healthy": (0.0, 1), "drop": (0.7, 3), "decline": (0.7, 40)}
#: Rows of the trend test at most; real logs are longer.
MOST_ROWS = 150
#: Shares of healthy runs alarmed in their 150 rows at which tests are compared.
ALARMED = (0.05, 0.1, 0.2)
GAIN, NOISE = 0.5, 0.05


class Run(NamedTuple):
    """Rewards, the row of the switch, and the row from which on a third of the gain is lost."""

    rewards: np.ndarray
    switch: int
    third: int


def simulated(kind: str, seed: int) -> Run:
    """A rise to a plateau with a fall; a third of the runs each has white, slow and heavy-tailed noise."""
    rng = np.random.default_rng([seed, list(FALLS).index(kind)])
    lost, rows = FALLS[kind]
    switch = int(rng.integers(60, 100))
    curve = 0.2 + GAIN * (1 - np.exp(-np.arange(ROWS) / rng.uniform(8, 30)))
    fallen = lost * np.clip((np.arange(ROWS) - switch + 1) / rows, 0, 1)
    noise = rng.standard_normal(ROWS) if seed % 3 < 2 else rng.standard_t(3, ROWS) / np.sqrt(3)
    if seed % 3 == 1:
        for row in range(1, ROWS):
            noise[row] = 0.6 * noise[row - 1] + 0.8 * noise[row]
    third = int(np.argmax(fallen > 1 / 3)) if lost else ROWS
    return Run(curve - GAIN * fallen + NOISE * noise, switch, third)


def ours(rewards: np.ndarray) -> np.ndarray:
    """The package's statistic after each row, without a boundary that would set it back."""
    detector = Detector(np.inf)
    out = np.full(rewards.size, -np.inf)
    for row, reward in enumerate(rewards):
        detector.add(float(row), float(reward))
        out[row] = detector.statistic
    return out


def level_shift(rewards: np.ndarray) -> np.ndarray:
    """Size of a downward level shift in the rows so far, in scatters of differences."""
    out = np.zeros(rewards.size)
    for count in range(LEAST_ROWS, rewards.size + 1):
        y, x = rewards[:count], np.arange(count)
        first, second = np.triu_indices(count, 1)
        slope = np.median((y[second] - y[first]) / (second - first))
        rest = y - slope * x - np.median(y - slope * x)
        scatter = 1.4826 * np.median(np.abs(np.diff(rest) - np.median(np.diff(rest)))) / np.sqrt(2)
        edge = max(count // 10, 3)
        inside = np.arange(edge, count - edge)
        place = inside[np.argmax(np.abs(np.cumsum(rest - rest.mean())[inside]))]
        out[count - 1] = max(0.0, (np.median(rest[:place]) - np.median(rest[place:])) / max(scatter, 1e-9))
    return out


def falling_trend(rewards: np.ndarray) -> np.ndarray:
    """Mann-Kendall z of a fall in the later half of the rows so far."""
    out = np.zeros(rewards.size)
    for count in range(LEAST_ROWS, rewards.size + 1):
        part = rewards[:count][-min(max(count // 2, 8), MOST_ROWS) :]
        n = part.size
        score = float(np.triu(np.sign(part[None, :] - part[:, None]), 1).sum())
        out[count - 1] = max(0.0, -score / np.sqrt(n * (n - 1) * (2 * n + 5) / 18))
    return out


def cusum(rewards: np.ndarray) -> np.ndarray:
    """Falls below the best running mean, beyond 1.5 scatters and at most 4, added up (Page 1954)."""
    out = np.zeros(rewards.size)
    total, level, best = 0.0, float(rewards[:LEAST_ROWS].mean()), -np.inf
    for row in range(LEAST_ROWS, rewards.size):
        best = max(best, level)
        fall = (best - rewards[row]) / scatter_of(np.abs(np.diff(rewards[:row])))
        total = max(0.0, total + max(min(fall, 4.0) - 1.5, -5.5))
        level += LEVEL_WEIGHT * (float(rewards[row]) - level)
        out[row] = total
    return out


TESTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bayes_grpo": ours,
    "CUSUM of falls": cusum,
    "level shift (CUSUM scan)": level_shift,
    "Mann-Kendall, later half": falling_trend,
}


class Seen(NamedTuple):
    """Of runs that fall: shares alarmed before the switch, after it, before a third is lost; median delay (rows)."""

    before: float
    after: float
    early: float
    delay: float


def seen(statistics: list[np.ndarray], runs: list[Run], boundary: float) -> Seen:
    """What a boundary does to runs that fall; a run alarmed before its switch is not seen."""
    first = np.array([np.argmax(s > boundary) if (s > boundary).any() else ROWS for s in statistics])
    switch, third = (np.array([run[i] for run in runs]) for i in (1, 2))
    good = (first >= switch) & (first < ROWS)
    delay = float(np.median((first - switch)[good])) if good.any() else np.nan
    return Seen(float((first < switch).mean()), float(good.mean()), float((good & (first < third)).mean()), delay)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    if options.data:
        on_real_runs(options.data)
    runs = {kind: [simulated(kind, seed) for seed in range(RUNS)] for kind in FALLS}
    curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name, test in TESTS.items():
        statistics = {kind: [test(run.rewards) for run in part] for kind, part in runs.items()}
        highest = np.sort([s.max() for s in statistics["healthy"]])
        for kind in ("drop", "decline"):
            for share in ALARMED:
                boundary = float(highest[int(np.ceil((1 - share) * RUNS)) - 1])
                found = seen(statistics[kind], runs[kind], boundary)
                print(
                    f"{name}, {kind}, {share:.0%} of healthy runs alarmed: before the switch {found.before:.2f}, "
                    f"seen {found.after:.2f}, before a third is lost {found.early:.2f}, delay {found.delay:.0f} rows"
                )
            places = [(1 - i / RUNS, seen(statistics[kind], runs[kind], float(highest[i]))) for i in range(0, RUNS, 4)]
            curves[name, kind] = [(share, found.delay) for share, found in places if found.after >= 0.5]
    for kind in ("drop", "decline"):
        print(f"bayes_grpo, {kind}: {recovered(runs[kind])}")
    errors = [error for kind in ("drop", "decline") for run in runs[kind] if (error := error_of(run)) is not None]
    print(f"the step that the alarm names as the begin is off by {np.median(np.abs(errors)):.0f} rows (median)")
    if options.figure:
        draw(curves, options.figure)


def recovered(runs: list[Run]) -> str:
    """How well the filter finds a switch, where a collapse counts as begun once it is more probable than not."""
    before, late = 0, []
    for run in runs:
        begun = ours(run.rewards) > 0
        before += bool(begun[: run.switch].any())
        if begun[run.switch :].any():
            late.append(int(np.argmax(begun[run.switch :])))
    return (
        f"found in {len(late) / len(runs):.2f} of the runs, {np.median(late):.0f} rows after the switch (median), "
        f"and before it in {before / len(runs):.2f}"
    )


def on_real_runs(data: Path) -> None:
    """What the package's test and the trend test see of real falls, where they alarm as many healthy runs."""
    everything = list(logs(data))
    healthy, fallen = ([log for log in everything if (log.kind in FALLEN) == fell] for fell in (False, True))
    healthy = [log for log in healthy if log.kind == "healthy"]
    for name in ("bayes_grpo", "CUSUM of falls", "Mann-Kendall, later half"):
        quiet = np.sort([TESTS[name](log.rewards).max() for log in healthy])
        statistics = [TESTS[name](log.rewards) for log in fallen]
        for share in ALARMED:
            boundary = quiet[int(np.ceil((1 - share) * quiet.size)) - 1]
            told = [(log, s) for log, s in zip(fallen, statistics, strict=True) if s.max() > boundary]
            early = [log.steps[np.argmax(s > boundary)] <= lost_a_third(log.steps, log.rewards) for log, s in told]
            print(
                f"real runs, {name}, {share:.0%} of {len(healthy)} healthy runs alarmed: of {len(fallen)} that fell "
                f"{len(told) / len(fallen):.2f} seen, {sum(early) / len(fallen):.2f} before a third is lost"
            )


def error_of(run: Run) -> int | None:
    """Rows between the switch and what the first alarm after it says; None without one."""
    detector = Detector(boundary_for(FALSE_ALARMS))
    for row, reward in enumerate(run.rewards):
        alarm = detector.add(float(row), float(reward))
        if alarm is not None and row >= run.switch:
            return int(alarm.since) - run.switch
    return None


def draw(curves: dict[tuple[str, str], list[tuple[float, float]]], path: Path) -> None:
    """Median delay against the share of healthy runs alarmed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2), ("drop", "decline"), strict=True):
        for name in TESTS:
            points = np.array(curves[name, kind]).reshape(-1, 2)
            axes.plot(points[:, 0], points[:, 1], ".-", label=name, linewidth=1)
        axes.set(title=f"{kind} of the reward", xlabel="healthy runs alarmed", ylabel="rows of delay (median)")
        axes.set_xlim(0, 0.5)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
