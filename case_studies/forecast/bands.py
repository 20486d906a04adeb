"""Bands that hold jumps and collapses: what further members and a least share of the wandering level would change.

    python -m case_studies.forecast.bands scores ../shared/data

The benchmark must have kept the draws of the members. All shares are learned without the repository that is scored.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayes_grpo.analysis.collapses import CHANGE_ERRORS, recent
from bayes_grpo.analysis.forecast.regimes import state_of
from benchmarks.curves.contract import ORIGINS, cut
from benchmarks.curves.runner import draws_path, rows_of
from benchmarks.curves.scores import BLOCKS, block_of, kept_rows, mixed_density
from benchmarks.curves.series import all_series
from case_studies.forecast import mixture

#: The mixture's members; the last is the level that wanders. Draws of each further member.
MEMBERS, DRAWS = ("persistence", "s_curve", "wandering_level"), 200
#: Least shares of the wandering level that were tried.
FLOORS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


class Look(NamedTuple):
    """A series at an origin: what is scored, and what a further member needs of its past (all rewards over ``sd``)."""

    label: str
    repository: str
    kind: str
    origin: float
    draws: list[np.ndarray]  # a member each, shape (draw, block)
    densities: list[np.ndarray]
    truth: np.ndarray
    later: np.ndarray
    level: float
    noise: float
    gain: float


#: Gives draws of the expected block means of a look; the looks of other repositories are what may be learned from.
Further = Callable[[Look, list[Look], np.random.Generator], np.ndarray]


def looks(scores: Path, data: Path | None) -> list[Look]:
    """All that the members have been scored on."""
    rows = {(r["label"], r["origin"], r["forecaster"]): r for r in rows_of(scores / "scores.jsonl")}
    out = []
    for series in all_series(data):
        for origin in ORIGINS:
            wanted = [rows.get((series.label, origin, member), {"failed": ""}) for member in MEMBERS]
            if any("failed" in row for row in wanted):
                continue
            kept = [np.load(draws_path(scores / "draws", row)) for row in wanted]
            case, later = cut(series, origin)
            sd = float(series.run["reward"].values.std())
            state, last = state_of(case.rewards / sd, origin), recent(case.rewards / sd)
            places = np.linspace(0, len(kept[0]["blocks"]) - 1, DRAWS).round().astype(int)
            out.append(
                Look(
                    *(series.label, series.repository, series.kind, origin),
                    [np.asarray(each["blocks"], float)[places] for each in kept],
                    [each["log_density"] for each in kept],
                    np.asarray(kept[0]["truth"], float),
                    later / sd,
                    last.mean,
                    max(last.sd, 1e-3),
                    max(state.gain, CHANGE_ERRORS * state.error),
                )
            )
    return out


def broken(look: Look, others: list[Look], rng: np.random.Generator) -> np.ndarray:
    """Paths of `s_curve` that break once, at any time, by 0.2 to 1 of the gain so far, up or down."""
    when = rng.uniform(0, BLOCKS, (DRAWS, 1))
    size = rng.choice([-1, 1], (DRAWS, 1)) * rng.uniform(0.2, 1.0, (DRAWS, 1)) * look.gain
    return look.draws[1] + np.clip(np.arange(1, BLOCKS + 1) - when, 0, 1) * size


def changed(look: Look, others: list[Look], rng: np.random.Generator) -> np.ndarray:
    """The changes that other repositories' runs went through from this origin on, by the gain so far."""
    pool = [other for other in others if other.origin == look.origin]
    sizes = {name: sum(other.repository == name for other in pool) for name in {other.repository for other in pool}}
    weight = np.array([1 / np.sqrt(sizes[other.repository]) for other in pool])
    chosen = rng.choice(len(pool), DRAWS, p=weight / weight.sum())
    changes = np.array([(pool[i].truth - pool[i].level) / pool[i].gain for i in chosen])
    return look.level + look.gain * np.clip(changes, -3, 3)


def drifted(look: Look, others: list[Look], rng: np.random.Generator) -> np.ndarray:
    """The recent level, which moves by a Student-t share of the gain that grows with the root of the time."""
    size = 0.1 * look.gain * rng.standard_t(3, (DRAWS, 1))
    return look.level + size * np.sqrt(np.arange(1, BLOCKS + 1) / BLOCKS)


def cases_of(chosen: list[Look], cases: mixture.Cases, further: Further | None, left_out: str) -> mixture.Cases:
    """The cases with a further member, which knows nothing of the repository left out."""
    if further is None:
        return cases
    known = [look for look in chosen if look.repository != left_out]
    members = len(MEMBERS)
    distance, between = np.zeros((len(chosen), members + 1)), np.zeros((len(chosen), members + 1, members + 1))
    distance[:, :members], between[:, :members, :members] = cases.distance, cases.between
    below, density = np.zeros((len(chosen), members + 1, BLOCKS)), []
    below[:, :members] = cases.below
    for i, look in enumerate(chosen):
        rng = np.random.default_rng(i)
        expected = further(look, [other for other in known if other.repository != look.repository], rng)
        block, kept = block_of(look.later.size), kept_rows(look.later.size)
        draws = expected + look.noise / np.sqrt(np.bincount(block)) * rng.standard_normal(expected.shape)
        distance[i, members] = np.abs(draws - look.truth).mean()
        pairs = [np.abs(draws[:, None] - part[None]).mean() for part in (*look.draws, draws)]
        pairs[members] *= DRAWS / (DRAWS - 1)
        between[i, members], between[i, :, members] = pairs, pairs
        below[i, members] = (draws <= look.truth).mean(0)
        single = mixed_density(expected[:, block[kept]], np.full((DRAWS, 1), look.noise), look.later[kept])
        density.append(np.array([*look.densities, single]))
    return cases._replace(
        evidence=np.zeros((len(chosen), members + 1)), distance=distance, between=between, below=below, density=density
    )


def interval_scores(look: Look, weights: np.ndarray) -> float:
    """Mean score of the mixture's 90 % intervals of block means; less is better (Gneiting and Raftery 2007)."""
    draws, weight = np.concatenate(look.draws), np.repeat(weights / DRAWS, DRAWS)
    total = 0.0
    for block in range(BLOCKS):
        order = np.argsort(draws[:, block])
        reached = np.minimum(np.searchsorted(np.cumsum(weight[order]), (0.05, 0.95)), order.size - 1)
        low, high = draws[order[reached], block]
        truth = look.truth[block]
        total += high - low + 20 * max(low - truth, 0.0) + 20 * max(truth - high, 0.0)
    return total / BLOCKS


def told(name: str, chosen: list[Look], rows: list[dict[str, float]]) -> None:
    """Print CRPS, coverage and log score by origin, of all series and of the evaluation curves."""
    for group in ("all", "evaluation"):
        cells = []
        for origin in ORIGINS:
            here = [
                row
                for look, row in zip(chosen, rows, strict=True)
                if look.origin == origin and group in ("all", look.kind)
            ]
            means = [np.mean([row[key] for row in here]) for key in ("crps_blocks", "cover_90%", "log_score")]
            cells.append("{:.3f} {:.2f} {:.2f}".format(*means))
        print(f"{name}, {group}: CRPS, coverage, log score | " + " | ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, help="folder of the benchmark, with draws")
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    options = parser.parse_args()
    chosen = sorted(looks(options.scores, options.data), key=lambda look: (look.label, look.origin))
    cases = mixture.load(options.scores, MEMBERS)
    named = [(row["label"], row["origin"]) for row in cases.about]
    chosen = [look for look in chosen if (look.label, look.origin) in named]
    assert named == [(look.label, look.origin) for look in chosen]
    repositories = np.array([look.repository for look in chosen])
    floored: dict[float, list[dict[str, float]]] = {floor: [{}] * len(chosen) for floor in FLOORS}
    intervals = np.zeros((len(FLOORS), len(chosen)))
    for title, further in {"mixture": None, "broken": broken, "changed": changed, "drifted": drifted}.items():
        rows: list[dict[str, float]] = [{}] * len(chosen)
        given = cases_of(chosen, cases, further, "")
        for name in np.unique(repositories):
            here = repositories == name
            given = cases_of(chosen, cases, further, str(name)) if further is changed else given
            place = mixture.learn(given, ~here)
            for i, row in zip(np.flatnonzero(here), mixture.mixed(given, place, here, title), strict=True):
                rows[i] = row
        told(title, chosen, rows)
        if further is None:
            shares = np.array([row["weights"] for row in rows])
    for number, floor in enumerate(FLOORS):
        raised = (1 - floor) * shares + floor * np.eye(len(MEMBERS))[-1]
        for i, look in enumerate(chosen):
            w, pit = raised[i], raised[i] @ cases.below[i]
            log = cases.density[i] + np.log(np.maximum(w, 1e-300))[:, None]
            floored[floor][i] = {
                "crps_blocks": float(w @ cases.distance[i] - 0.5 * w @ cases.between[i] @ w),
                "cover_90%": float(((pit > 0.05) & (pit < 0.95)).mean()),
                "log_score": float(np.logaddexp.reduce(log).mean()),
            }
            intervals[number, i] = interval_scores(look, w)
        told(f"least share {floor:g} of the wandering level", chosen, floored[floor])
    print("least share that gives the best score of 90 % intervals on the other repositories:")
    for name in np.unique(repositories):
        others = repositories != name
        mean = np.average(intervals[:, others], axis=1, weights=cases.weight[others])
        print(f"  without {name}: {FLOORS[int(np.argmin(mean))]:g} ({', '.join(f'{value:.2f}' for value in mean)})")


if __name__ == "__main__":
    main()
