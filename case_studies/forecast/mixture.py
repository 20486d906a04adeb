"""Learn how much each law and persistence count in a forecast, and score the mixture on repositories left out.

The benchmark must have kept its draws. The weights are a softmax over the members: an intercept and a slope in the log
of remaining over logged steps. They minimise the mean CRPS of block means (stacking, Yao et al. 2018, with weights that
depend on a covariate as in hierarchical stacking, Yao et al. 2022). A repository of n series counts as sqrt(n).
With ``--evidence`` a power of the evidence of each law, the marginal likelihood of the rewards so far, enters as well.

    python -m benchmarks.curves ../shared/data --out scores --keep-draws --models power_law,...
    python -m case_studies.forecast.mixture scores --members "last mean,power_law,..."
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.optimize import minimize

from benchmarks.curves.leaderboard import leaderboard
from benchmarks.curves.runner import draws_path, rows_of

#: Pull of the coefficients towards equal weights: standard deviations about zero of a normal prior that counts as one
#: series.
PRIOR_SD = 2.0
#: Draws of a member that enter.
DRAWS = 200


class Cases(NamedTuple):
    """What the weights are learned from, a row a series and origin.

    ``distance`` (case, member) is E|X - y| and ``between`` (case, member, member) is E|X - X'|, means over blocks;
    ``below`` (case, member, block) is P(X <= y); ``log_density`` (case, member) is the mean over rows and ``density`` a
    list of (member, row).
    """

    about: list[dict[str, Any]]
    horizon: np.ndarray
    evidence: np.ndarray
    distance: np.ndarray
    between: np.ndarray
    below: np.ndarray
    density: list[np.ndarray]
    weight: np.ndarray
    medians: np.ndarray


def load(folder: Path, members: Sequence[str], use_evidence: bool = False) -> Cases:
    """The cases that every member has been scored on; the first member is persistence, which has no evidence."""
    rows = {
        (r["label"], r["origin"], r["forecaster"]): r for r in rows_of(folder / "scores.jsonl") if "failed" not in r
    }
    keys = sorted({key[:2] for key in rows})
    keys = [key for key in keys if all((*key, member) in rows for member in members)]
    about, evidence, parts = [], [], []
    for key in keys:
        of_members = [rows[(*key, member)] for member in members]
        about.append(of_members[0])
        evidence.append([row["log_evidence"] for row in of_members[1:]])
        parts.append(_compared([np.load(draws_path(folder / "draws", row)) for row in of_members]))
    log_evidence = np.array(evidence)
    top = log_evidence.max(1, keepdims=True)
    relative = log_evidence - top - np.log(np.exp(log_evidence - top).mean(1, keepdims=True))
    relative = relative if use_evidence else np.zeros_like(relative)
    repositories = [row["repository"] for row in about]
    size = {name: len({row["label"] for row in about if row["repository"] == name}) for name in set(repositories)}
    horizon = np.log(np.array([max(row["remaining_over_logged"], 1e-9) for row in about]))
    return Cases(
        about,
        horizon,
        np.column_stack([np.zeros(len(keys)), relative]),
        *(np.array(column) for column in list(zip(*parts, strict=True))[:3]),
        [part[3] for part in parts],
        np.array([1 / np.sqrt(size[name]) for name in repositories]),
        np.array([part[4] for part in parts]),
    )


def _compared(kept: Sequence[Any]) -> tuple[np.ndarray, ...]:
    truth = kept[0]["truth"]
    draws = [np.asarray(member["blocks"], float) for member in kept]
    few = [part[np.linspace(0, len(part) - 1, DRAWS).round().astype(int)] for part in draws]
    distance = np.array([np.abs(part - truth).mean() for part in draws])
    between = np.array([[np.abs(a[:, None] - b[None]).mean() for b in few] for a in few])
    # Of one member's own draws, a draw and itself are no pair.
    between[np.diag_indices(len(few))] *= DRAWS / (DRAWS - 1)
    below = np.array([(part <= truth).mean(0) for part in draws])
    return distance, between, below, np.array([m["log_density"] for m in kept]), np.array([np.median(p) for p in draws])


def weights(place: Array | np.ndarray, horizon: Array, evidence: Array) -> Array:
    """Weights of the members, shape (case, member)."""
    members = evidence.shape[1]
    intercept, slope = (jnp.concatenate([jnp.zeros(1), part]) for part in jnp.split(jnp.asarray(place[:-1]), 2))
    power = jax.nn.sigmoid(place[-1])  # without --evidence what it multiplies is zero
    assert intercept.size == members
    return jax.nn.softmax(intercept + slope * horizon[:, None] + power * evidence, axis=1)


def _loss(place: Array, horizon: Array, evidence: Array, distance: Array, between: Array, count: Array) -> Array:
    w = weights(place, horizon, evidence)
    crps = (w * distance).sum(1) - 0.5 * jnp.einsum("ck,ckl,cl->c", w, between, w)
    prior = (place**2).sum() / (2 * PRIOR_SD**2)
    return ((crps * count).sum() + 0.02 * prior) / count.sum()


_slope = jax.jit(jax.value_and_grad(_loss))


def learn(cases: Cases, chosen: np.ndarray) -> np.ndarray:
    """Intercepts and slopes of the members after the first, and the logit of the power of the evidence."""
    given = (cases.horizon, cases.evidence, cases.distance, cases.between, cases.weight)
    given = tuple(jnp.asarray(part[chosen]) for part in given)
    start = np.zeros(2 * (cases.evidence.shape[1] - 1) + 1)

    def loss(place: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _slope(place, *given)
        return float(value), np.asarray(slope, float)

    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


def mixed(cases: Cases, place: np.ndarray, chosen: np.ndarray, name: str) -> list[dict[str, Any]]:
    """Rows of scores of the mixture, as the benchmark's."""
    w = np.asarray(weights(place, jnp.asarray(cases.horizon), jnp.asarray(cases.evidence)))
    out = []
    for i in np.flatnonzero(chosen):
        pit = w[i] @ cases.below[i]
        log = cases.density[i] + np.log(np.maximum(w[i], 1e-300))[:, None]
        top = log.max(0)
        row = {key: cases.about[i][key] for key in ("label", "repository", "kind", "origin", "remaining_over_logged")}
        row |= {
            "forecaster": name,
            "crps_blocks": float(w[i] @ cases.distance[i] - 0.5 * w[i] @ cases.between[i] @ w[i]),
            "cover_90%": float(((pit > 0.05) & (pit < 0.95)).mean()),
            "cover_50%": float(((pit > 0.25) & (pit < 0.75)).mean()),
            "pit": pit.round(3).tolist(),
            "log_score": float((top + np.log(np.exp(log - top).sum(0))).mean()),
            "seconds": 0.0,
            "weights": w[i].round(3).tolist(),
        }
        out.append(row)
    return out


def left_out(cases: Cases, key: str = "repository", name: str = "mixture") -> list[dict[str, Any]]:
    """Scores of every case with weights that were learned without all cases of its repository (or kind)."""
    groups = np.array([row[key] for row in cases.about])
    rows: list[dict[str, Any]] = []
    for group in np.unique(groups):
        rows += mixed(cases, learn(cases, groups != group), groups == group, name)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scores", type=Path, help="folder of the benchmark, with draws")
    parser.add_argument("--members", required=True, help="forecasters by comma; the first is persistence")
    parser.add_argument("--evidence", action="store_true", help="let the evidence of each law count")
    options = parser.parse_args()
    members = options.members.split(",")
    cases = load(options.scores, members, options.evidence)
    rows = [row for row in rows_of(options.scores / "scores.jsonl") if row["forecaster"] not in members[1:]]
    known = {(row["label"], row["origin"]) for row in cases.about}
    rows = [row for row in rows if (row["label"], row["origin"]) in known]
    for row in rows:
        row.setdefault("error_last_fifth", float("nan"))
    print(leaderboard([*rows, *left_out(cases), *left_out(cases, "kind", "mixture, kind left out")]))
    place = learn(cases, np.ones(len(cases.about), bool))
    half = (place.size - 1) // 2
    print("\nweights of all series, against persistence:")
    for member, intercept, slope in zip(members[1:], place[:half], place[half:-1], strict=True):
        print(f"{member}: intercept {intercept:.2f}, slope {slope:.2f}")
    if options.evidence:
        print(f"power of the evidence: {1 / (1 + np.exp(-place[-1])):.2f}")


if __name__ == "__main__":
    main()
