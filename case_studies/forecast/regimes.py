"""Learn how often runs jump or collapse within 100 steps, and how well that is foretold for repositories left out.

python -m case_studies.forecast.regimes ../shared/data

It also tries what else a log holds as a covariate of collapses, one by one and all together.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.optimize import minimize
from scipy.special import expit

from bayes_grpo.analysis.collapses import STEPS
from bayes_grpo.analysis.forecast.regimes import State, covariates, happened, state_of
from bayes_grpo.analysis.switching import Rates, load_rates, regimes_of
from benchmarks.curves.series import all_series

#: Shares of a run after which it is looked at, and rows that must follow within `STEPS` steps.
ORIGINS, LEAST_ROWS = np.arange(0.2, 0.95, 0.1), 5


#: Logged columns whose recent level against the level before, in its scatter, is tried as a covariate of collapses.
CHANGES = ("entropy", "kl", "grad_norm", "clip_ratio", "completion_length", "zero_spread_share", "update_kl")
#: Settings that are tried as their logarithm, and columns that are tried as they are.
SETTINGS, LEVELS = ("refresh_interval", "group_size", "prompts_per_step"), ("clip_ratio", "zero_spread_share")


class Look(NamedTuple):
    """A series at an origin: rows so far, rewards of the next `STEPS` steps and the gaps before them."""

    repository: str
    steps: np.ndarray
    rewards: np.ndarray
    state: State
    later: np.ndarray
    gaps: np.ndarray
    events: tuple[bool, bool]
    further: dict[str, float]


def looks(data: Path | None) -> list[Look]:
    """All series at all origins that are followed by enough rows."""
    out = []
    for series in all_series(data):
        rewards, steps = (series.run[name].values[0].astype(float) for name in ("reward", "optimizer_step"))
        for origin in ORIGINS:
            rows = max(round(origin * rewards.size), 10)
            soon = (steps > steps[rows - 1]) & (steps <= steps[rows - 1] + STEPS)
            if soon.sum() < LEAST_ROWS:
                continue
            state = state_of(rewards[:rows], float(origin))
            further = further_covariates(series.run.isel(run=0, step=slice(rows)), state.window)
            gaps = np.diff(steps[soon], prepend=steps[rows - 1])
            past = series.repository, steps[:rows], rewards[:rows], state
            out.append(Look(*past, rewards[soon], gaps, happened(state, rewards[soon]), further))
    return out


class Table(NamedTuple):
    """Looks as arrays: repository, events (jump, collapse), weight, and the plain rates of the other repositories."""

    repositories: np.ndarray
    events: np.ndarray
    weight: np.ndarray
    plain: np.ndarray

    @classmethod
    def of(cls, rows: list[Look]) -> "Table":
        """A row a look; a repository of n counts as sqrt(n)."""
        repositories = np.array([look.repository for look in rows])
        events = np.array([look.events for look in rows], float)
        counts = dict(zip(*np.unique(repositories, return_counts=True), strict=True))
        weight = 1 / np.sqrt(np.array([counts[name] for name in repositories]))
        ones = np.ones((len(rows), 1))
        plain = np.column_stack([left_out(repositories, ones, event, weight) for event in events.T])
        return cls(repositories, events, weight, plain)

    def rates(self, duration: float) -> list[Rates]:
        """Rates of regimes at each look, of the other repositories."""
        return [Rates(*(-np.log1p(-row) / STEPS).tolist(), duration) for row in self.plain]


def covariates_of(rows: list[Look], rates: list[Rates]) -> np.ndarray:
    """What the package's hazard depends on, shape (look, covariate)."""
    filtered = [
        regimes_of(each.steps, each.rewards, each.state.gain, r)[1] for each, r in zip(rows, rates, strict=True)
    ]
    return np.array([covariates(look.state, now.probability) for look, now in zip(rows, filtered, strict=True)])


def further_covariates(past: xr.Dataset, window: int) -> dict[str, float]:
    """What else a log says, on scales that runs have in common; what is not logged is left out."""
    out = {f"log {name}": float(np.log(past[name])) for name in SETTINGS if name in past}
    for name in CHANGES:
        values = past[name].values[np.isfinite(past[name].values)] if name in past else np.zeros(0)
        if values.size < 2 * window + 2:
            continue
        recent, before = values[-window:], values[:-window]
        scatter = max(float(np.std(np.diff(values))) / np.sqrt(2 * window), 1e-9)
        out[f"change of {name}"] = float(np.clip((recent.mean() - before[-window:].mean()) / scatter, -6, 6)) / 3
        if name in LEVELS:
            out[name] = float(recent.mean())
        if name == "entropy":
            out["entropy left"] = float(
                np.clip(np.log(max(recent.mean(), 1e-6) / max(values[:window].mean(), 1e-6)), -4, 2)
            )
    return out


def with_further(further: list[dict[str, float]], names: list[str]) -> np.ndarray:
    """Intercept, each named covariate about its mean (0 where it is not logged), and whether it is logged."""
    columns = [np.ones(len(further))]
    for name in names:
        values = np.array([row.get(name, np.nan) for row in further])
        logged = np.isfinite(values)
        scale = max(float(values[logged].std()), 1e-9)
        columns += [np.where(logged, (values - values[logged].mean()) / scale, 0.0), logged.astype(float)]
    return np.column_stack(columns)


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


def draw(diagrams: dict[str, list[tuple[float, float, int]]], path: Path) -> None:
    """Reliability diagram: how often it happened against what was said, with two binomial standard errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    for axes, (kind, points) in zip(figure.subplots(1, 2), diagrams.items(), strict=True):
        said, came, count = np.array(points).T
        error = 2 * np.sqrt(np.maximum(said * (1 - said), 1e-9) / count)
        top = 1.1 * max(said.max(), (came + error).max())
        axes.plot([0, top], [0, top], color="0.6", linewidth=1)
        axes.errorbar(said, came, error, fmt="o", color="#1f5fa8", capsize=3)
        axes.set(title=f"{kind} within {STEPS} steps", xlabel="said", ylabel="happened", xlim=(0, top), ylim=(0, top))
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    parser.add_argument("--figure", type=Path, help="reliability diagram")
    options = parser.parse_args()
    rows = looks(options.data)
    repositories, events, weight, plain = Table.of(rows)
    further = [look.further for look in rows]
    known = covariates_of(rows, Table.of(rows).rates(load_rates().duration))
    print("rates of all repositories:", [float(learn(known[:, :1], event, weight)[0]) for event in events.T])
    diagrams: dict[str, list[tuple[float, float, int]]] = {"jump": [], "collapse": []}
    for number, kind in enumerate(diagrams):
        event = events[:, number]
        said = left_out(repositories, known, event, weight)
        rate = plain[:, number]
        skill = 1 - ((said - event) ** 2).mean() / ((rate - event) ** 2).mean()
        print(f"{kind}: {event.sum():.0f} of {event.size}; Brier skill over the rate of the others {skill:.3f}")
        for part in np.array_split(np.argsort(said), 5):
            print(f"  said {said[part].mean():.3f}, happened {event[part].mean():.3f}")
            diagrams[kind].append((float(said[part].mean()), float(event[part].mean()), part.size))
        print(
            "  all:",
            learn(known, event, weight).round(2),
            "rate:",
            learn(known[:, :1], event, weight).round(2),
        )
    if options.figure:
        draw(diagrams, options.figure)
    collapse = events[:, 1]
    rate = plain[:, 1]
    names = sorted({name for row in further for name in row})
    for chosen in ([name] for name in names), [names]:
        for tried in chosen:
            logged = np.array([all(name in row for name in tried) for row in further])
            said = left_out(repositories, with_further(further, tried), collapse, weight)
            skill = 1 - ((said - collapse) ** 2).sum() / ((rate - collapse) ** 2).sum()
            where = np.unique(repositories[logged & (collapse > 0)])
            label = tried[0] if len(tried) == 1 else "all together"
            print(
                f"collapse by {label}: logged in {logged.mean():.0%} of the looks, at {collapse[logged].sum():.0f} of "
                f"{collapse.sum():.0f} collapses ({', '.join(where)}); Brier skill {skill:.3f}",
            )


if __name__ == "__main__":
    main()
