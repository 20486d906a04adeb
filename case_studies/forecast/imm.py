"""Interacting multiple models: a level with the regimes steady, jump and collapse, beside the hazard alone.

    python -m case_studies.forecast.imm ../shared/data                  # P(jump) and P(collapse) within 100 steps
    python -m case_studies.forecast.imm ../shared/data --scores scores  # and the filter as persistence in the mixture

The filter is `bayes_grpo.analysis.switching`, with the rates of the other repositories. Its probabilities are
counted over paths from its state, by the definition that the hazard has; and the probability that a jump has begun is
given to the hazard as a covariate. Durations of regimes are chosen without the repository that is scored.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.special import logit

from bayes_grpo.analysis.forecast.regimes import (
    LEAST_RISEN,
    State,
    covariates,
    least_fall,
    least_rise,
    state_of,
)
from bayes_grpo.analysis.switching import Rates, load_rates, paths, regimes_of
from case_studies.forecast.bands import DRAWS, told
from case_studies.forecast.level import inputs, local_level, scores, shares_without, variant
from case_studies.forecast.regimes import Look, Table, left_out, looks

#: Mean lengths of jumps and collapses that were tried (steps), and paths that probabilities are counted over.
DURATIONS, PATHS = (10.0, 20.0, 30.0, 50.0), 400


def counted(state: State, rewards: np.ndarray) -> tuple[float, float]:
    """Shares of paths of rewards (path, row) that jump and that collapse, by the hazard's definition."""
    window = min(state.window, rewards.shape[1])
    summed = np.cumsum(np.pad(rewards, ((0, 0), (1, 0))), axis=1)
    means = (summed[:, window:] - summed[:, :-window]) / window
    jumped, collapsed = means.max(1) - state.level, state.level - means.min(1)
    return float((jumped > least_rise(state, window)).mean()), float((collapsed > least_fall(state, window)).mean())


def foretold(look: Look, rates: Rates, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """P(jump) and P(collapse) over paths, and the probability of each regime now."""
    model, now = regimes_of(look.steps, look.rewards, look.state.gain, rates)
    rng = np.random.default_rng(seed)
    levels = paths(now, model, look.gaps, PATHS, rng)
    noisy = levels + model.scatter * rng.standard_normal(levels.shape)
    return np.array(counted(look.state, noisy)), now.probability


def skill(said: np.ndarray, event: np.ndarray, rate: np.ndarray) -> float:
    """Brier skill over a rate."""
    return float(1 - ((said - event) ** 2).sum() / ((rate - event) ** 2).sum())


def judge(rows: list[Look]) -> None:
    """Skills, and how often it happened in fifths of what was said."""
    table = Table.of(rows)
    repositories, events, weight, plain = table
    versions: dict[str, dict[float, np.ndarray]] = {"jump": {}, "jump, covariate": {}, "collapse": {}, "begun": {}}
    before = np.array([covariates(look.state, np.zeros(3))[:3] for look in rows])
    for duration in DURATIONS:
        pairs = [foretold(each, r, i) for i, (each, r) in enumerate(zip(rows, table.rates(duration), strict=True))]
        over_paths, now = (np.array(part) for part in zip(*pairs, strict=True))
        odds = logit(np.clip(now, LEAST_RISEN, 1 - LEAST_RISEN)) / 3
        versions["jump"][duration], versions["collapse"][duration] = over_paths.T
        known = np.column_stack([before, odds[:, 1]])
        versions["jump, covariate"][duration] = left_out(repositories, known, events[:, 0], weight)
        known = np.column_stack([before[:, :1], odds[:, 2]])
        versions["begun"][duration] = left_out(repositories, known, events[:, 1], weight)
    for name, said in versions.items():
        kind = int(not name.startswith("jump"))
        event, rate = events[:, kind], plain[:, kind]
        brier = np.array([(part - event) ** 2 for part in said.values()])
        chosen = np.empty(event.size)
        for home in np.unique(repositories):
            here = repositories == home
            best = DURATIONS[int(np.argmin(np.average(brier[:, ~here], axis=1, weights=weight[~here])))]
            chosen[here] = said[best][here]
            print(f"{name}: without {home} {best:g} steps")
        each = ", ".join(f"{duration:g} {skill(part, event, rate):.3f}" for duration, part in said.items())
        parts = np.array_split(np.argsort(chosen, kind="stable"), 5)
        fifths = ", ".join(f"{chosen[part].mean():.3f} {event[part].mean():.3f}" for part in parts)
        print(f"{name}: Brier skill by duration {each}; chosen {skill(chosen, event, rate):.3f}; fifths {fifths}")
        if name == "jump, covariate":
            alone = left_out(repositories, before, event, weight)
            ahead = (alone - event) ** 2 - (chosen - event) ** 2
            sums = {home: ahead[repositories == home].sum() for home in np.unique(repositories)}
            error = np.sqrt(len(sums)) * np.std(list(sums.values()), ddof=1)
            print(
                f"  without it {skill(alone, event, rate):.3f}; Brier sums less by {ahead.sum():.1f} (se {error:.1f})"
            )
            print("  " + ", ".join(f"{home} {value:.2f}" for home, value in sums.items()))


def switching_level(
    steps: np.ndarray, past: np.ndarray, ahead: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paths of the filter in the place of persistence."""
    model, now = regimes_of(steps, past, state_of(past, 1.0).gain, load_rates())
    return paths(now, model, np.diff(ahead, prepend=steps[-1]), 2 * DRAWS, rng), np.array([[model.scatter]])


def level_and_regimes(
    steps: np.ndarray, past: np.ndarray, ahead: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Persistence as it is, moved by the jumps and collapses of the filter's paths."""
    expected, noise = local_level(steps, past, ahead, rng)
    model, now = regimes_of(steps, past, state_of(past, 1.0).gain, load_rates())
    still = now._replace(mean=np.zeros(3), variance=np.zeros(3))
    return expected + paths(still, model, np.diff(ahead, prepend=steps[-1]), len(expected), rng), noise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    parser.add_argument("--scores", type=Path, help="folder of the benchmark, with draws")
    options = parser.parse_args()
    judge(looks(options.data))
    if options.scores is None:
        return
    given = inputs(options.scores, options.data)
    for persistence in (local_level, switching_level, level_and_regimes):
        drawn = variant(given.chosen, given.cases, given.logs, persistence)
        told(persistence.__name__, given.chosen, scores(drawn, shares_without(drawn, given.repositories)))


if __name__ == "__main__":
    main()
