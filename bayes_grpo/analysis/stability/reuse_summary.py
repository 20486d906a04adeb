"""What limits the reuse of a batch, as one JSON-ready object."""

import json
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import interval_row
from bayes_grpo.analysis.notes import noted
from bayes_grpo.analysis.stability.breakdown import broke_down
from bayes_grpo.analysis.stability.conditions import CLIP_RANGE, INFERRED, conditions_of
from bayes_grpo.analysis.stability.dynamics import DRAWS
from bayes_grpo.analysis.stability.law_error import Seen, law_offset
from bayes_grpo.analysis.stability.reuse import (
    check_seconds,
    growth_draws,
    interval_table,
    limits,
)
from bayes_grpo.errors import Note
from bayes_grpo.inference.attributes import quantities, runs_of

#: Said wherever nothing but the lag is known.
ONLY_LAG = (
    "only the lag is known here, and on networks training broke at refresh intervals 5 to 10 times below the lag's "
    "limit: clipping and the spread of importance ratios bind first; log clip ratio, KL to the rollout policy or "
    "effective sample size of a run that uses its batches more than once (bayes_grpo.trl.record does) to have their "
    "limits"
)
#: The limits by name, and in words.
LIMITS = {"lag": "lag", "ess": "sample size", "starvation": "starvation by clipping"}
#: No refresh interval is recommended.
_NO_BEST: dict[str, Any] = {
    "per_batch": None,
    "per_hour": None,
    "probability_best": {"per_batch": None, "per_hour": None},
}


def reuse_summary(
    fit: xr.DataTree,
    thresholds: xr.Dataset,
    *,
    run: str | None = None,
    generation_seconds: float | None = None,
    update_seconds: float | None = None,
) -> dict[str, Any]:
    """The limits of reuse side by side, which binds, and the refresh interval that earns most.

    Parameters
    ----------
    fit : xarray.DataTree
        Of a law with a plateau.
    thresholds : xarray.Dataset
        From `bayes_grpo.threshold`; what was stated to it counts here.
    run : str, optional
        Of a fit of several runs, the one asked about.
    generation_seconds, update_seconds : float, optional
        Seconds that drawing a batch and making an update take; else from the log's step times, where a batch is used
        more than once.

    Returns
    -------
    dict
        - ``limit``: by name (lag, ess, starvation) median, lower, upper and probability_exceeded; None where unknown.
        - ``staleness``: the same for rollouts that are a constant number of updates old.
        - ``binding``: name of the limit that is lowest most often.
        - ``probability_beyond_limit``: that the refresh interval is beyond the lowest limit; None where it is unknown.
          ``probability_unstable`` is the same.
        - ``intervals``: a row a refresh interval; None where nothing but the lag is known.
        - ``best``: refresh interval with the most reward within the run's batches (per_batch) and hours (per_hour),
          with probability_best; None for a run that broke down, whose own interval contradicts them.
        - ``rests_on``: channels that gave the growth of the log ratio.
        - ``warnings``, ``notes``: assumptions and limits, as sentences and as data.

    Raises
    ------
    InputError
        If a duration is not above 0.

    Examples
    --------
    >>> import bayes_grpo
    >>> fit = bayes_grpo.fit(bayes_grpo.example_run(), "overdamped", draws=50, tune=100, chains=2)
    >>> summary = bayes_grpo.reuse_summary(fit, bayes_grpo.threshold(fit, hyperparameters={"kl_weight": 0.04}))
    >>> summary["binding"], summary["limit"]["starvation"]  # it used each batch once: nothing but the lag is known
    ('lag', None)
    """
    check_seconds(generation_seconds, update_seconds)
    known, draws = quantities(fit, run) | json.loads(thresholds.attrs["hyperparameters"]), _draws(fit, run)
    rows = runs_of(fit)
    rows = rows.sel(run=run) if run is not None else rows.isel(run=0)
    growth, channels = growth_draws(rows, known, draws.sizes["sample"])
    conditions, notes = conditions_of(draws, known, known.get("clipped", 0.0)) if growth is not None else (None, [])
    draws_of = {"lag": thresholds["exact"].values, "stale_lag": thresholds["delay"].values}
    draws_of |= limits(growth, conditions, known.get("clip_range", CLIP_RANGE))
    out: dict[str, Any] = {
        **_limits(draws_of, float(thresholds.attrs["refresh_interval"])),
        "rests_on": channels,
        "intervals": None,
        "best": _NO_BEST,
    }
    if growth is None:
        notes.append(Note("limit", "reuse", ONLY_LAG))
    if growth is not None and conditions is not None:
        generation, update = _seconds(rows, generation_seconds, update_seconds)
        batches = max(known["planned_steps"] / known.get("refresh_interval", 1.0), 1.0)
        clipped = known.get("clipped", 0.0)
        offset = law_offset(conditions, draws["plateau"].values, clipped)
        seen = Seen(known.get("refresh_interval", 1.0), clipped, offset)
        table = interval_table(growth, conditions, batches, generation, update, seen)
        best = _best(table) if broke_down(fit, run) is None else _NO_BEST
        out |= {"intervals": _rows(table), "best": best, "batches": batches}
        if generation is None:
            text = (
                "seconds of drawing a batch and of an update are unknown: nothing per hour; state --generation-seconds "
                "and --update-seconds"
            )
            notes.append(Note("limit", "step_time", text))
    return out | noted(notes)


def _limits(draws_of: dict[str, np.ndarray], asked: float) -> dict[str, Any]:
    """The limits side by side, which is the lowest, and whether the refresh interval ``asked`` is beyond it."""
    names = [name for name in LIMITS if name in draws_of]
    lowest = np.stack([draws_of[name] for name in names])
    beyond = float((lowest.min(0) <= asked).mean()) if np.isfinite(asked) else None
    return {
        "limit": {name: _row(draws_of.get(name), asked) for name in LIMITS},
        "staleness": {name: _row(draws_of.get(f"stale_{name}"), np.nan) for name in LIMITS},
        "binding": names[int(np.bincount(lowest.argmin(0), minlength=len(names)).argmax())],
        "probability_beyond_limit": beyond,
        "probability_unstable": beyond,
    }


def _draws(fit: xr.DataTree, run: str | None) -> xr.Dataset:
    """Start, plateau and stiffness at it, thinned as `fitted_dynamics` thins."""
    posterior = fit["posterior"].to_dataset()
    posterior = posterior.sel(run=run) if "run" in posterior.dims else posterior
    names = ["initial_reward", "plateau", "timescale", *(name for name in INFERRED if name in posterior)]
    draws = (
        posterior[names]
        .stack(sample=("chain", "draw"), create_index=False)
        .drop_vars(["chain", "draw", "run"], errors="ignore")
    )
    thin = np.unique(np.linspace(0, draws.sizes["sample"] - 1, DRAWS).round().astype(int))
    draws = draws.isel(sample=thin)
    return draws.assign(stiffness=1 / draws["timescale"])


def _seconds(run: xr.Dataset, generation: float | None, update: float | None) -> tuple[float | None, float | None]:
    """Seconds of drawing a batch and of an update: stated, or from times of steps with and without new rollouts."""
    if generation is not None and update is not None:
        return generation, update
    if "step_time" in run and "rollout_age" in run:
        time, age = run["step_time"].values, run["rollout_age"].values
        new, again = time[(age == 0) & np.isfinite(time)], time[(age > 0) & np.isfinite(time)]
        if new.size and again.size:
            update = update if update is not None else float(np.median(again))
            return generation if generation is not None else max(float(np.median(new)) - update, 1e-6), update
    return None, None


def _row(draws: np.ndarray | None, asked: float) -> dict[str, Any] | None:
    if draws is None:
        return None
    exceeded = float((draws <= asked).mean()) if np.isfinite(asked) else None
    return {**interval_row(draws), "probability_none": float(np.isinf(draws).mean()), "probability_exceeded": exceeded}


def _rows(table: xr.Dataset) -> list[dict[str, Any]]:
    rows = []
    for interval in table["refresh_interval"].values:
        row = table.sel(refresh_interval=interval)
        cells = {name: interval_row(row[name].values) for name in ("plateau", "updates", "batches", "hours")}
        rows.append({"refresh_interval": int(interval), **cells})
    return rows


def _best(table: xr.Dataset) -> dict[str, Any]:
    best: dict[str, Any] = {"probability_best": {}}
    for name in ("per_batch", "per_hour"):
        values = table[name].values
        if np.isnan(values).any():
            best[name] = best["probability_best"][name] = None
            continue
        share = np.bincount(values.argmax(1), minlength=values.shape[1]) / len(values)
        best[name] = int(table["refresh_interval"].values[share.argmax()])
        best["probability_best"][name] = float(share.max())
    return best
