"""How often may a batch of rollouts be used?

Lag, sample size and clipping set limits, and each refresh interval earns its reward.

Lag: the linear threshold of `threshold`. Sample size: importance ratios spread until the batch is worth half its
completions. Starvation: clipping removes drive and leaves the reference's pull, until half of the gain is gone
(`bayes_grpo.laws.balance`).
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayes_grpo.analysis.stability.conditions import CLIP_RANGE, Conditions
from bayes_grpo.analysis.stability.law_error import LAW_DISCREPANCY, Seen
from bayes_grpo.errors import InputError
from bayes_grpo.laws import reuse

#: Refresh intervals that are compared.
INTERVALS = (1, 2, 4, 8, 16, 32, 64, 128)
#: Share of the batch that its effective sample size may fall to, and of the gain that starvation may take.
LEAST_SHARE, LOST_SHARE = 0.5, 0.5
#: Standard deviation of the logarithm of the growth, between what one run shows and what it is at another refresh
#: interval: in the laboratory it scattered by 0.13 to 0.28 over K = 4 to 64 (case_studies/trl_lab/refresh_interval.md).
DISCREPANCY = 0.35
_BLOCKS = 8
_LONGEST = 4096


def growth_draws(
    run: xr.Dataset, known: Mapping[str, float], count: int, seed: int = 0
) -> tuple[np.ndarray | None, list[str]]:
    """Draws of the growth of the log ratio per update, and the channels that they rest on; None where no channel tells.

    Every channel's mean over the second half of the run gives an estimate, with the error of means over eight blocks.
    The clip ratio is taken alone where it is logged and not zero. Else estimates are pooled by their precision; their
    scatter, and `DISCREPANCY`, widen the result.
    """
    interval = round(known.get("refresh_interval", 1.0))
    estimates, names = [], []
    channels = reuse.growth_channels(interval, known.get("clip_range", CLIP_RANGE)) if interval > 1 else {}
    for name, growth in channels.items():
        values = run[name].values.ravel() if name in run else np.zeros(0)
        values = values[np.isfinite(values)]
        values = values[len(values) // 2 :]
        if len(values) < _BLOCKS:
            continue
        means = np.array([block.mean() for block in np.array_split(values, _BLOCKS)])
        centre = float(growth(np.array(values.mean())))
        each = growth(means)
        if np.isfinite(centre) and centre > 0:
            spread = np.log(np.clip(each, centre / 10, centre * 10)).std(ddof=1) / _BLOCKS**0.5
            estimates.append((np.log(centre), max(float(spread), 0.05)))
            names.append(name)
    if not estimates:
        return None, []
    if (
        "clip_ratio" in names
    ):  # clipping stops the spread that the other channels measure, so that they understate the growth
        estimates, names = [estimates[names.index("clip_ratio")]], ["clip_ratio"]
    centres, errors = np.array(estimates).T
    precision = errors**-2
    centre = float((precision * centres).sum() / precision.sum())
    between = float(centres.std(ddof=1)) if len(centres) > 1 else 0.0
    width = np.sqrt(1 / precision.sum() + between**2 / len(centres) + DISCREPANCY**2)
    return np.exp(np.random.default_rng(seed).normal(centre, width, size=count)), names


def limits(growth: np.ndarray | None, conditions: Conditions | None, clip_range: float) -> dict[str, np.ndarray]:
    """Draws of the refresh interval, and of the staleness, at which sample size and starvation bind.

    Infinite where they never do.
    """
    if growth is None:
        return {}
    out = {"ess": np.maximum(reuse.effective_share_limit(growth, clip_range, LEAST_SHARE), 1.0)}
    out["stale_ess"] = out["ess"]
    if conditions is None or conditions.clip_range >= 1 or not (conditions.kl > 0).any():
        out["starvation"] = np.full(growth.size, np.inf)
        out["stale_starvation"] = out["starvation"]
        return out
    shares = np.linspace(0, 0.5, 26)
    ends = np.stack(
        [conditions.reward(conditions.paths(np.full(growth.size, share))[0][:, -1]) for share in shares], axis=1
    )
    gain = ends - conditions.reward(conditions.start)[:, None]
    lost = gain <= (1 - LOST_SHARE) * gain[:, :1]
    critical = np.where(lost.any(1), shares[lost.argmax(1)], np.inf)
    out["starvation"], out["stale_starvation"] = (
        _first_interval(growth, critical, conditions.clip_range, stale) for stale in (False, True)
    )
    return out


def _first_interval(growth: np.ndarray, critical: np.ndarray, clip_range: float, stale: bool) -> np.ndarray:
    """Smallest number of updates (mean over a batch's, or constant age) at which the clip share is critical.

    It is computed for growth 1, then scaled.
    """
    unit = np.geomspace(1e-3, 1e3, 600)
    share = reuse.clipped_at_age(1.0, unit, clip_range)
    if not stale:
        share = np.concatenate([[0.0], np.cumsum((share[1:] + share[:-1]) / 2 * np.diff(unit)) / unit[1:]])
    spread = np.interp(critical, share, unit, right=np.inf)
    out = np.where(critical < share[-1], spread / growth, np.inf)
    return np.where(out > _LONGEST, np.inf, np.maximum(out, 1.0))


def interval_table(
    growth: np.ndarray,
    conditions: Conditions,
    batches: float,
    generation: float | None,
    update: float | None,
    seen: Seen,
) -> xr.Dataset:
    """For each refresh interval: plateau; updates, batches and hours to 95 % of the way; reward within the budget.

    Parameters
    ----------
    growth : numpy.ndarray
        Draws of the log ratio's growth per update.
    conditions : Conditions
        Of the same draws.
    batches : float
        Rollout batches of the budget; its hours are those of the run at its own refresh interval.
    generation, update : float or None
        Seconds that drawing a batch and making an update take.
    seen : Seen
        What the run shows at its own refresh interval. At others the law may be off by more, `LAW_DISCREPANCY`.

    Returns
    -------
    xarray.Dataset
        Dims (sample, refresh_interval).
    """
    columns: dict[str, list[np.ndarray]] = {
        name: [] for name in ("plateau", "updates", "batches", "hours", "per_batch", "per_hour")
    }
    known = generation is not None and update is not None
    # All other intervals have the same draws of the discrepancy, from another stream than the growth's.
    further = LAW_DISCREPANCY * np.random.default_rng([0, 1]).standard_normal(growth.size)
    spread = reuse.effective_share_limit(growth, conditions.clip_range, LEAST_SHARE)
    budget = batches * ((generation or 0.0) + (update or 0.0))
    for interval in INTERVALS:
        if own := interval == seen.interval:
            share = np.full(growth.size, seen.clipped)
        else:
            share = reuse.clipped_share(growth, interval, np.full(growth.size, conditions.clip_range))
        z, time = conditions.paths(share)
        reward = conditions.reward(z)
        start, end = reward[:, 0], reward[:, -1]
        reached = np.argmax(reward >= (start + 0.95 * (end - start))[:, None], axis=1)
        updates = time[np.arange(len(time)), reached]
        seconds = (generation or 0.0) / interval + (update or 0.0)
        overfitted = interval > spread
        shift = seen.offset + (0.0 if own else further)
        columns["plateau"].append(np.where(overfitted, start, conditions.reward(z[:, -1] + shift)))
        columns["updates"].append(updates)
        columns["batches"].append(updates / interval)
        columns["hours"].append(updates * seconds / 3600 if known else np.full_like(updates, np.nan))
        columns["per_batch"].append(np.where(overfitted, start, _after(time, reward, batches * interval)))
        columns["per_hour"].append(
            np.where(overfitted, start, _after(time, reward, budget / seconds))
            if known
            else np.full_like(start, np.nan)
        )
    out = xr.Dataset({n: (("sample", "refresh_interval"), np.stack(v, axis=1)) for n, v in columns.items()})
    return out.assign_coords(refresh_interval=list(INTERVALS))


def _after(time: np.ndarray, reward: np.ndarray, updates: float) -> np.ndarray:
    """Reward after so many updates, along the path of each draw."""
    return np.array([np.interp(updates, t, r) for t, r in zip(time, reward, strict=True)])


def check_seconds(generation: float | None, update: float | None) -> None:
    """Refuse durations that are impossible, all at once."""
    named = {"generation_seconds": generation, "update_seconds": update}
    faults = [f"{n}: expected a number above 0, found {v:g}" for n, v in named.items() if v is not None and not v > 0]
    if faults:
        raise InputError("threshold", faults)
