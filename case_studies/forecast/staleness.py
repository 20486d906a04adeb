"""Do staleness, effective sample size or the KL weight foretell jumps and collapses? Runs of the laboratory tell.

python -m case_studies.forecast.staleness

The later laboratory varies the refresh interval and the KL weight and logs the effective sample size where rollouts are
used again; the runs that were made to fail vary the refresh interval. Whole settings are left out, all seeds of them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.collapses import STEPS
from bayes_grpo.analysis.forecast.regimes import happened, state_of
from bayes_grpo.runs.dataset import one_run
from case_studies.forecast.regimes import LEAST_ROWS, ORIGINS, left_out

FOLDER = Path(__file__).parents[1]
LOGS = {
    "later laboratory": FOLDER / "trl_lab" / "second_lab.nc",
    "runs that fail": FOLDER / "diagnosis" / "trl_failures.nc",
}
#: What is known of every look, and what is tried.
KNOWN = ("share seen", "momentum")
TRIED = ("log K", "KL weight", "log ESS", "log ESS, lowest", "variance of the log ratio")
#: Rewards of a run, at least.
LEAST_REWARDS = 50


def looks(path: Path) -> Iterator[dict[str, Any]]:
    """What is known at each look, what is tried, and what happened within the next steps."""
    dataset = bayes_grpo.read_run(path)
    for name in dataset["run"].values:
        run = one_run(dataset, str(name))
        steps = run["optimizer_step"].values
        seen = np.isfinite(run["reward"].values)
        rewards, at = run["reward"].values[seen], steps[seen]
        for origin in ORIGINS if rewards.size >= LEAST_REWARDS else ():
            rows = max(round(origin * rewards.size), 10)
            soon = (at > at[rows - 1]) & (at <= at[rows - 1] + STEPS)
            if soon.sum() < LEAST_ROWS:
                continue
            state = state_of(rewards[:rows], float(origin))
            jump, collapse = happened(state, rewards[soon])
            # Updates between two batches log no reward, and are those at which the ratios move.
            recent = run.isel(step=(steps > at[max(rows - 1 - state.window, 0)]) & (steps <= at[rows - 1]))
            yield {
                "setting": re.sub(r"-?seed\d+", "", str(name)),
                "share seen": state.seen,
                "momentum": state.momentum / 3,
                "jump": jump,
                "collapse": collapse,
                "log K": float(np.log(run["refresh_interval"])),
                "KL weight": float(run["kl_weight"]) if "kl_weight" in run else np.nan,
                **_ratios(recent),
            }


def _ratios(recent: xr.Dataset) -> dict[str, float]:
    """What the importance ratios of the recent updates were like; NaN where they are not logged."""
    out = dict.fromkeys(TRIED[2:], np.nan)
    for name, statistic in zip(TRIED[2:], (np.mean, np.min, np.mean), strict=True):
        column = "log_ratio_variance" if name == TRIED[4] else "effective_sample_share"
        values = recent[column].values if column in recent else np.zeros(0)
        values = values[np.isfinite(values)]
        if values.size:
            out[name] = float(statistic(values if column == "log_ratio_variance" else np.log(values)))
    return out


def skill(rows: list[dict[str, Any]], event: str, names: tuple[str, ...]) -> float:
    """Brier skill of a logistic regression on these covariates over the rate, both without the setting."""
    happenings = np.array([row[event] for row in rows], float)
    settings, weight = np.array([row["setting"] for row in rows]), np.ones(len(rows))
    values = np.array([[row[name] for name in names] for row in rows])
    values = (values - values.mean(0)) / np.maximum(values.std(0), 1e-9)
    ones = np.ones((len(rows), 1))
    said = left_out(settings, np.hstack([ones, values]), happenings, weight)
    rate = left_out(settings, ones, happenings, weight)
    return float(1 - ((said - happenings) ** 2).sum() / ((rate - happenings) ** 2).sum())


def main() -> None:
    for about, path in LOGS.items():
        every = list(looks(path))
        for tried in TRIED:
            rows = [row for row in every if np.isfinite(row[tried])]
            if not rows:
                continue
            for event in ("jump", "collapse"):
                count = sum(row[event] for row in rows)
                cells = f"{about}, {event} by {tried}: {len(rows)} looks, {count} happened"
                if count >= 2:
                    values = skill(rows, event, KNOWN), skill(rows, event, (*KNOWN, tried))
                    cells += "; Brier skill {:.3f} without it, {:.3f} with it".format(*values)
                print(cells)


if __name__ == "__main__":
    main()
