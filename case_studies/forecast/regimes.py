"""Learn how often runs jump or collapse within 100 steps, and how well that is foretold for repositories left out.

python -m case_studies.forecast.regimes ../shared/data
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from bayes_grpo.analysis.forecast.regimes import STEPS, happened, state_of
from benchmarks.curves.series import all_series

#: Shares of a run after which it is looked at, and rows that must follow within `STEPS` steps.
ORIGINS, LEAST_ROWS = np.arange(0.2, 0.95, 0.1), 5


def table(data: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Repository, covariates (1, share seen, momentum / 3) and events (jump, collapse), a row a series and origin."""
    repositories, covariates, events = [], [], []
    for series in all_series(data):
        rewards, steps = (series.run[name].values[0] for name in ("reward", "optimizer_step"))
        for origin in ORIGINS:
            rows = max(round(origin * rewards.size), 10)
            soon = (steps > steps[rows - 1]) & (steps <= steps[rows - 1] + STEPS)
            if soon.sum() < LEAST_ROWS:
                continue
            state = state_of(rewards[:rows], float(origin))
            repositories.append(series.repository)
            covariates.append((1.0, state.seen, state.momentum / 3))
            events.append(happened(state, rewards[soon]))
    return np.array(repositories), np.array(covariates), np.array(events, float)


def learn(covariates: np.ndarray, event: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Logistic regression; slopes are pulled to zero by a normal prior of standard deviation 2."""

    def loss(place: np.ndarray) -> float:
        score = covariates @ place
        return float(weight @ (np.logaddexp(0, score) - event * score) + (place[1:] ** 2).sum() / 8)

    return np.asarray(minimize(loss, np.zeros(covariates.shape[1])).x)


def left_out(repositories: np.ndarray, covariates: np.ndarray, event: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Probability of the event in each row, learned without its repository."""
    out = np.zeros(event.size)
    for name in np.unique(repositories):
        here = repositories == name
        out[here] = expit(covariates[here] @ learn(covariates[~here], event[~here], weight[~here]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    options = parser.parse_args()
    repositories, covariates, events = table(options.data)
    names, counts = np.unique(repositories, return_counts=True)
    weight = 1 / np.sqrt(np.array([dict(zip(names, counts, strict=True))[name] for name in repositories]))
    for number, kind in enumerate(("jump", "collapse")):
        event = events[:, number]
        said = left_out(repositories, covariates, event, weight)
        rate = left_out(repositories, covariates[:, :1], event, weight)
        skill = 1 - ((said - event) ** 2).mean() / ((rate - event) ** 2).mean()
        print(f"{kind}: {event.sum():.0f} of {event.size}; Brier skill over the rate of the others {skill:.3f}")
        for part in np.array_split(np.argsort(said), 5):
            print(f"  said {said[part].mean():.3f}, happened {event[part].mean():.3f}")
        print(
            "  all:",
            learn(covariates, event, weight).round(2),
            "rate:",
            learn(covariates[:, :1], event, weight).round(2),
        )


if __name__ == "__main__":
    main()
