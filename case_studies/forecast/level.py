"""How persistence should move: variants of its constants, judged as a member of the mixture.

    python -m case_studies.forecast.level scores ../shared/data

The benchmark must have kept the draws of persistence, `s_curve` and `wandering_level`. Persistence is drawn anew for
each variant. Shares are learned without the repository that is scored, and so is the choice of a variant, by the mean
CRPS on the other repositories.
"""

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from bayes_grpo.analysis.forecast import level
from bayes_grpo.inference.layout import RESOLUTION
from benchmarks.curves.contract import Forecast
from benchmarks.curves.scores import predicted
from benchmarks.curves.series import all_series
from case_studies.forecast import mixture
from case_studies.forecast.bands import DRAWS, MEMBERS, Look, interval_scores, looks, told

#: What was tried: share of the log, spans that the level goes on moving for, and the prior median of its change.
SHARES, SPANS, CHANGES = (0.25, 1 / 3, 0.5), ((1.0, 1.0), (1.0, 3.0), (1.0, 10.0)), (0.25, 0.5, 1.0)
#: Least shares of the wandering level, on top of the shares that are learned.
FLOORS = (0.0, 0.025, 0.05, 0.1, 0.15)
#: The rule for a least share: this coverage of 90 % intervals, in each kind, on the other repositories.
LEAST_COVERAGE = 0.87


#: Gives paths of the level and the noise of a reward from steps and rewards so far and the steps to come.
Persistence = Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def local_level(
    steps: np.ndarray, past: np.ndarray, ahead: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The package's persistence, by the constants of its module as they are."""
    drawn = level.draw_level(steps, past, RESOLUTION * np.ptp(past), 2 * DRAWS, rng)
    return level.level_paths(drawn, float(steps[-1]), ahead, rng), drawn.noise_sd[:, None]


def variant(
    chosen: list[Look],
    cases: mixture.Cases,
    logs: dict[str, tuple[np.ndarray, np.ndarray]],
    persistence: Persistence = local_level,
) -> mixture.Cases:
    """The cases with persistence drawn anew."""
    distance, between = cases.distance.copy(), cases.between.copy()
    below, densities = cases.below.copy(), []
    for i, look in enumerate(chosen):
        steps, rewards = logs[look.label]
        seen = rewards.size - look.later.size
        rng = np.random.default_rng(i)
        forecast = predicted(Forecast(*persistence(steps[:seen], rewards[:seen], steps[seen:], rng)), look.later, i)
        draws = forecast.blocks[:: len(forecast.blocks) // DRAWS][:DRAWS]
        distance[i, 0] = np.abs(forecast.blocks - look.truth).mean()
        pairs = [np.abs(draws[:, None] - other[None]).mean() for other in (draws, *look.draws[1:])]
        pairs[0] *= DRAWS / (DRAWS - 1)
        between[i, 0], between[i, :, 0] = pairs, pairs
        below[i, 0] = (forecast.blocks <= look.truth).mean(0)
        densities.append(np.array([forecast.log_density, *look.densities[1:]]))
    return cases._replace(distance=distance, between=between, below=below, density=densities)


def scores(cases: mixture.Cases, shares: np.ndarray) -> list[dict[str, float]]:
    """CRPS, coverage and log score of each case by its shares."""
    rows = []
    for i, weight in enumerate(shares):
        pit = weight @ cases.below[i]
        log = cases.density[i] + np.log(np.maximum(weight, 1e-300))[:, None]
        rows.append(
            {
                "crps_blocks": float(weight @ cases.distance[i] - 0.5 * weight @ cases.between[i] @ weight),
                "cover_90%": float(((pit > 0.05) & (pit < 0.95)).mean()),
                "log_score": float(np.logaddexp.reduce(log).mean()),
            }
        )
    return rows


def shares_without(cases: mixture.Cases, repositories: np.ndarray, also: str = "") -> np.ndarray:
    """Shares of each case, learned without its repository, and without another one."""
    out = np.zeros(cases.distance.shape)
    for name in np.unique(repositories):
        here = repositories == name
        place = mixture.learn(cases, ~here & (repositories != also))
        out[here] = np.asarray(mixture.weights(place, cases.horizon, cases.evidence))[here]
    return out


def least_share(chosen: list[Look], cases: mixture.Cases, repositories: np.ndarray) -> dict[str, float]:
    """By repository, the smallest least share of the wandering level that the rule picks on the others."""
    kinds = np.array([look.kind for look in chosen])
    picked = {}
    for name in np.unique(repositories):
        shares = shares_without(cases, repositories, str(name))
        others = repositories != name
        for floor in FLOORS:
            covered = np.array([row["cover_90%"] for row in scores(cases, raised(shares, floor))])
            if min(covered[others & (kinds == kind)].mean() for kind in set(kinds[others])) >= LEAST_COVERAGE:
                break
        picked[str(name)] = floor
    return picked


def raised(shares: np.ndarray, floor: float) -> np.ndarray:
    """Shares with at least so much for the wandering level."""
    return (1 - floor) * shares + floor * np.eye(len(MEMBERS))[-1]


class Inputs(NamedTuple):
    """What variants of persistence are judged on, in the same order, and the logs by label (rewards over their sd)."""

    chosen: list[Look]
    cases: mixture.Cases
    repositories: np.ndarray
    logs: dict[str, tuple[np.ndarray, np.ndarray]]


def inputs(scores: Path, data: Path | None) -> Inputs:
    """Read the benchmark's draws and the logs."""
    chosen = sorted(looks(scores, data), key=lambda look: (look.label, look.origin))
    cases = mixture.load(scores, MEMBERS)
    assert [(row["label"], row["origin"]) for row in cases.about] == [(look.label, look.origin) for look in chosen]
    labels = {look.label for look in chosen}
    logs = {
        each.label: (each.run["optimizer_step"].values[0].astype(float), each.run["reward"].values[0].astype(float))
        for each in all_series(data)
        if each.label in labels
    }
    logs = {label: (steps, rewards / rewards.std()) for label, (steps, rewards) in logs.items()}
    return Inputs(chosen, cases, np.array([look.repository for look in chosen]), logs)


def chosen_without(given: Inputs, rows: dict[str, list[dict[str, float]]]) -> list[dict[str, float]]:
    """Scores of each look by the variant with the least mean CRPS on the other repositories; says which it is."""
    crps = np.array([[row["crps_blocks"] for row in part] for part in rows.values()])
    best: list[dict[str, float]] = [{}] * len(given.chosen)
    for name in np.unique(given.repositories):
        others = given.repositories != name
        pick = list(rows)[int(np.argmin(np.average(crps[:, others], axis=1, weights=given.cases.weight[others])))]
        print(f"without {name}: {pick}")
        for i in np.flatnonzero(~others):
            best[i] = rows[pick][i]
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, help="folder of the benchmark, with draws")
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    options = parser.parse_args()
    given = inputs(options.scores, options.data)
    chosen, cases, repositories, logs = given
    rows: dict[str, list[dict[str, float]]] = {}
    for share, spans, change in product(SHARES, SPANS, CHANGES):
        with patch.multiple(level, LEVEL_SHARE=share, SPANS=spans, CHANGE_MEDIAN=change):
            drawn = variant(chosen, cases, logs)
        name = f"share {share:.2f}, spans {spans[0]:g} to {spans[1]:g}, change {change:g}"
        rows[name] = scores(drawn, shares_without(drawn, repositories))
        told(name, chosen, rows[name])
    told("chosen without the repository", chosen, chosen_without(given, rows))
    shares = shares_without(cases, repositories)
    for floor in FLOORS:
        lifted = raised(shares, floor)
        told(f"least share {floor:g} of the wandering level", chosen, scores(cases, lifted))
        print(f"  interval score {np.mean([interval_scores(*pair) for pair in zip(chosen, lifted, strict=True)]):.3f}")
    print(f"least share by the rule: {least_share(chosen, cases, repositories)}")


if __name__ == "__main__":
    main()
