"""How persistence should move: variants of its constants, judged as a member of the mixture.

    python -m case_studies.forecast.level scores ../shared/data

The benchmark must have kept the draws of persistence, `s_curve` and `wandering_level`. Persistence is drawn anew for
each variant. Shares are learned without the repository that is scored, and so is the choice of a variant, by the mean
CRPS on the other repositories.
"""

import argparse
from itertools import product
from pathlib import Path
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


def variant(chosen: list[Look], cases: mixture.Cases, logs: dict[str, tuple[np.ndarray, np.ndarray]]) -> mixture.Cases:
    """The cases with persistence drawn anew, by the constants of its module as they are."""
    distance, between = cases.distance.copy(), cases.between.copy()
    below, densities = cases.below.copy(), []
    for i, look in enumerate(chosen):
        steps, rewards = logs[look.label]
        seen = rewards.size - look.later.size
        rng = np.random.default_rng(i)
        past = rewards[:seen]
        drawn = level.draw_level(steps[:seen], past, RESOLUTION * np.ptp(past), 2 * DRAWS, rng)
        paths = level.level_paths(drawn, float(steps[seen - 1]), steps[seen:], rng)
        forecast = predicted(Forecast(paths, drawn.noise_sd[:, None]), look.later, i)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, help="folder of the benchmark, with draws")
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    options = parser.parse_args()
    chosen = sorted(looks(options.scores, options.data), key=lambda look: (look.label, look.origin))
    cases = mixture.load(options.scores, MEMBERS)
    assert [(row["label"], row["origin"]) for row in cases.about] == [(look.label, look.origin) for look in chosen]
    repositories = np.array([look.repository for look in chosen])
    labels = {look.label for look in chosen}
    logs = {
        each.label: (each.run["optimizer_step"].values[0].astype(float), each.run["reward"].values[0].astype(float))
        for each in all_series(options.data)
        if each.label in labels
    }
    logs = {label: (steps, rewards / rewards.std()) for label, (steps, rewards) in logs.items()}
    rows: dict[str, list[dict[str, float]]] = {}
    for share, spans, change in product(SHARES, SPANS, CHANGES):
        with patch.multiple(level, LEVEL_SHARE=share, SPANS=spans, CHANGE_MEDIAN=change):
            drawn = variant(chosen, cases, logs)
        name = f"share {share:.2f}, spans {spans[0]:g} to {spans[1]:g}, change {change:g}"
        rows[name] = scores(drawn, shares_without(drawn, repositories))
        told(name, chosen, rows[name])
    crps = np.array([[row["crps_blocks"] for row in part] for part in rows.values()])
    best: list[dict[str, float]] = [{}] * len(chosen)
    for name in np.unique(repositories):
        others = repositories != name
        pick = list(rows)[int(np.argmin(np.average(crps[:, others], axis=1, weights=cases.weight[others])))]
        print(f"without {name}: {pick}")
        for i in np.flatnonzero(~others):
            best[i] = rows[pick][i]
    told("chosen without the repository", chosen, best)
    shares = shares_without(cases, repositories)
    for floor in FLOORS:
        lifted = raised(shares, floor)
        told(f"least share {floor:g} of the wandering level", chosen, scores(cases, lifted))
        print(f"  interval score {np.mean([interval_scores(*pair) for pair in zip(chosen, lifted, strict=True)]):.3f}")
    print(f"least share by the rule: {least_share(chosen, cases, repositories)}")


if __name__ == "__main__":
    main()
