"""Sampled paths of the steps to come, at posterior draws of one run."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.collapses import collapse_of
from bayes_grpo.analysis.forecast.level import draw_level, level_paths
from bayes_grpo.errors import Note
from bayes_grpo.inference.draws import batch
from bayes_grpo.inference.evaluate import evaluator
from bayes_grpo.inference.layout import RESOLUTION, Prepared
from bayes_grpo.inference.quantities import Setting
from bayes_grpo.inference.reopen import reopen
from bayes_grpo.inference.timeline import build_grid
from bayes_grpo.laws.run_data import RunData
from bayes_grpo.models.spec import ModelSpec
from bayes_grpo.runs.dataset import index_of

#: Sampled paths of a forecast.
PATHS = 1000
#: What is sampled along a path.
SAMPLED = ("trend", "expected_reward", "reward")

_OWN_KEY = 2_000_000


class Basis(NamedTuple):
    """What a forecast rests on: a model, a run as it was laid out, and posterior draws (draw,) of its parameters."""

    spec: ModelSpec
    run: xr.Dataset  # dims (step)
    setting: Setting
    data: RunData
    values: dict[str, np.ndarray]


def basis_of(fit: xr.DataTree, run: str | None = None, model: str | Path | ModelSpec | None = None) -> Basis:
    """What a forecast takes from a fit; ``run`` names one of several.

    Raises
    ------
    InputError
        If the run is not among those fitted, or the model cannot be found.
    """
    spec, prepared = reopen(fit, model)
    index = index_of(run, [single["run"].values for single in prepared.runs], f"fit of {fit.attrs['run']}")
    draws = fit["posterior"].to_dataset()
    draws = draws.isel(run=index) if spec.pooled else draws
    return make_basis(spec, prepared, batch(draws, spec.parameters), index)


def make_basis(spec: ModelSpec, prepared: Prepared, values: dict[str, np.ndarray], index: int = 0) -> Basis:
    """What a forecast takes from posterior draws, shape (draw,), of one of the runs that were laid out."""
    data = prepared.data.run
    if spec.pooled:
        data = type(data)(*(entry if name == "grid" else entry[index] for name, entry in data._asdict().items()))
    return Basis(spec, prepared.runs[index], prepared.settings[index], data, values)


def sample_paths(
    basis: Basis, steps: np.ndarray, rate: np.ndarray, weight: float, seed: int, count: int = PATHS
) -> dict[str, np.ndarray]:
    """Paths at steps to come, shape (sample, step), and of each path plateau, step_95 and whether it stays.

    ``weight`` is the share of paths that stay about the level that the run has reached. Expected rewards are kept
    inside bounds that are known.
    """
    rng = np.random.default_rng([_OWN_KEY, seed])
    stays = np.zeros(count, bool)
    stays[rng.permutation(count)[: round(weight * count)]] = True
    # Where all paths stay, one tells whether the law has a plateau.
    followed = _follow_law(basis, _extended(basis.run, steps, rate), seed, 1 if stays.all() else count)
    paths = {name: np.repeat(values, count // len(values), axis=0) for name, values in followed.items()}
    staying = persistent_paths(basis.run, basis.setting, steps, int(stays.sum()), rng)
    for key in SAMPLED:
        paths[key][stays] = staying[key]
    if np.isfinite(paths["plateau"]).all():
        paths["plateau"][stays] = staying["trend"][:, 0]
        paths["step_95"][stays] = basis.run["optimizer_step"].values[np.isfinite(basis.run["reward"].values)][-1]
    if "reward_bounds" not in basis.setting.assumptions:
        known = basis.setting.values
        for key in SAMPLED:
            paths[key] = np.clip(paths[key], known["reward_lower"], known["reward_upper"])
    return paths | {"stays": stays}


def persistent_paths(
    past: xr.Dataset, setting: Setting, steps: np.ndarray, count: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Paths that stay about the level that a run has reached, shape (sample, step); see `draw_level`.

    The trend is the level itself, and the expected reward the level as it moves. ``noise_sd`` (sample,) is that of a
    logged reward.
    """
    seen = np.isfinite(past["reward"].values)
    logged, rewards = past["optimizer_step"].values[seen].astype(float), past["reward"].values[seen].astype(float)
    level = draw_level(logged, rewards, RESOLUTION * setting.values["reward_range"], count, rng)
    expected = level_paths(level, float(logged[-1]), steps, rng)
    noise = level.noise_sd[:, None] * rng.standard_normal(expected.shape)
    trend = np.repeat(level.level[:, None], steps.size, axis=1)
    return {"trend": trend, "expected_reward": expected, "reward": expected + noise, "noise_sd": level.noise_sd}


def _extended(past: xr.Dataset, steps: np.ndarray, rate: np.ndarray) -> xr.Dataset:
    """The run up to its last reward, and the rows to come without one."""
    last = int(np.flatnonzero(np.isfinite(past["reward"].values))[-1]) + 1
    kept = past.isel(step=slice(last))
    old = kept["learning_rate"].values if "learning_rate" in past else np.ones(last)
    columns = {
        "optimizer_step": np.concatenate([kept["optimizer_step"].values, steps]),
        "reward": np.concatenate([kept["reward"].values, np.full(steps.size, np.nan)]),
        "learning_rate": np.concatenate([old, rate]),
    }
    return xr.Dataset({name: ("step", values) for name, values in columns.items()}, {"run": past["run"]})


def _follow_law(basis: Basis, run: xr.Dataset, seed: int, count: int) -> dict[str, np.ndarray]:
    """Paths, plateaus and steps of 95 % of the gain under the law."""
    setting = basis.setting
    if "learning_rate" not in basis.run:  # what is to come is stated relative to the past
        setting = Setting(setting.values | {"learning_rate": 1.0}, setting.assumptions, setting.group_size_known)
    grid, rows = build_grid(run, setting)
    draws = next(iter(basis.values.values())).size
    which = np.linspace(0, draws - 1, count).round().astype(int)
    values = {name: value[which] for name, value in basis.values.items()}
    last = int(np.flatnonzero(np.isfinite(run["reward"].values))[-1])
    rng = np.random.default_rng([seed, _OWN_KEY, 1])
    drawn = evaluator(basis.spec).ahead(values, basis.data._replace(grid=grid), int(rows[last]), rng)
    to_come = rows[last + 1 :]
    out = {name: np.array(paths)[:, to_come] for name, paths in zip(SAMPLED, drawn[1:4], strict=True)}
    out["plateau"], start = np.array(drawn.plateau), values["initial_reward"][:, None]
    curve = np.asarray(drawn.curve)[:, rows]
    made = np.abs(curve - start) >= 0.95 * np.abs(out["plateau"][:, None] - start)
    first = run["optimizer_step"].values[np.argmax(made, axis=1)]
    out["step_95"] = np.where(np.isnan(out["plateau"]), np.nan, np.where(made.any(1), first, np.inf))
    return out


def collapse_note(rewards: np.ndarray) -> Note | None:
    """What to say of a run that has lost most of what it had gained; None for others."""
    collapse = collapse_of(rewards)
    if collapse is None:
        return None
    text = (
        f"the run has collapsed: its mean over {collapse.rows} rows was {collapse.best:.3g} and is "
        f"{collapse.level:.3g}; find out why before going on; the forecast takes the collapse for a fluctuation or a "
        "change of plateau, and no law here knows which"
    )
    return Note("alarm", "reward", text)
