"""Which failure is it: posterior over healthy training and four failures, from all logged channels at once.

One generative model: a hypothesis and an onset row are drawn; given both, the channels are independent, each settling and
fluctuating as `bayes_grpo.analysis.diagnosis.evidence` says, and doing what `bayes_grpo.analysis.diagnosis.joint` says, with the probabilities in
`bayes_grpo.analysis.diagnosis.effects`. The onset and all else are summed or integrated out. A channel that is not logged drops out.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.diagnosis.channels import extract_channels
from bayes_grpo.analysis.diagnosis.effects import ANSWERS, DECISIVE, FAILURES, PRIOR
from bayes_grpo.analysis.diagnosis.joint import channel_factors, given_failure, joint_posterior
from bayes_grpo.analysis.intervals import INTERVAL_PROB, LEVELS
from bayes_grpo.errors import InputError
from bayes_grpo.runs.dataset import index_of, one_run

#: Onset rows summed over, and rows looked from; of longer runs so many, evenly.
MOST_ONSETS, MOST_SEEN = 80, 50
#: Probability of some failure, as seen at a row, that counts as seen.
ALARM = 0.9


def diagnose(runs: xr.Dataset, *, run: str | None = None, prior: Mapping[str, float] | None = None) -> xr.Dataset:
    """Probabilities of healthy training and of four failures.

    Parameters
    ----------
    runs : xarray.Dataset
        From `bayes_grpo.read_run` or `bayes_grpo.make_run`.
    run : str, optional
        Label of the run; needed where there are several.
    prior : mapping, optional
        Probability of ``healthy`` and of each failure before any row (default: `bayes_grpo.analysis.diagnosis.effects.PRIOR`).

    Returns
    -------
    xarray.Dataset
        ``probability`` (answer); ``probability_at`` (seen, answer), given the rows up to optimizer step ``seen_step`` only;
        ``onset`` (failure, onset), distribution of the row where it began, at ``onset_step``, if it is that failure;
        ``evidence`` (failure, channel), log Bayes factor against healthy, in nats, averaged over the onset;
        ``channel_value`` (row, channel) as the model sees them, at ``row_step``. Attributes: run, missing_channels, warnings.

    Raises
    ------
    InputError
        For fewer than 5 rewards, a run that is not named or not there, or priors that are none.
    """
    labels = [str(label) for label in runs["run"].values]
    one = one_run(runs, labels[index_of(run, labels, "runs")])
    chance = _checked(prior if prior is not None else PRIOR)
    channels = extract_channels(one)
    rows = channels.step.size
    onsets = _some(np.arange(1, rows), MOST_ONSETS)
    seen = _some(np.arange(rows), MOST_SEEN)
    joint, evidence = joint_posterior(channel_factors(channels, onsets, seen), chance)
    begun = np.where(onsets <= seen[:, None, None], joint, 0.0).sum(2)
    lost = {failure for failure, decisive in DECISIVE.items() if decisive not in channels.values}
    at = np.zeros((seen.size, len(ANSWERS)))
    for i, failure in enumerate(FAILURES):
        at[:, ANSWERS.index("undetermined" if failure in lost else failure)] += begun[:, i]
    at[:, 0] = 1 - at.sum(1)  # and what is yet to begin
    names = list(channels.values)
    data = {
        "probability": ("answer", at[-1]),
        "probability_at": (("seen", "answer"), at),
        "onset": (("failure", "onset_row"), given_failure(joint[-1])),
        "evidence": (("failure", "channel"), evidence, {"units": "nat"}),
        "channel_value": (("row", "channel"), np.column_stack(list(channels.values.values()))),
    }
    coords = {
        "answer": list(ANSWERS), "failure": list(FAILURES), "channel": names,
        "seen_step": ("seen", channels.step[seen], {"units": "step"}),
        "onset_step": ("onset_row", channels.step[onsets], {"units": "step"}),
        "row_step": ("row", channels.step, {"units": "step"}),
    }  # fmt: skip
    attrs = {
        "run": str(one["run"].values),
        "missing_channels": json.dumps(channels.missing),
        "warnings": json.dumps(channels.warnings),
    }
    return xr.Dataset(data, coords, attrs)


def summarise_diagnosis(found: xr.Dataset) -> dict[str, Any]:
    """What `diagnose` found, as one JSON-ready object.

    ``onset_step`` and ``first_seen_step`` (see `first_seen`) are null where no failure is more probable than not.
    """
    chances = {str(a): float(p) for a, p in zip(found["answer"].values, found["probability"].values, strict=True)}
    failure = max(FAILURES, key=lambda name: chances[name])
    failing = sum(chances[name] for name in FAILURES) > 0.5
    missing = json.loads(found.attrs["missing_channels"])
    warnings = json.loads(found.attrs["warnings"])
    lost = [f for f, decisive in DECISIVE.items() if decisive not in found["channel"].values]
    for name in lost:
        column = next(m for m in missing if m.startswith(DECISIVE[name]) or _column(DECISIVE[name]) in m)
        warnings.append(f"{name} cannot be told without {column}; its probability is in 'undetermined'")
    return {
        "run": found.attrs["run"],
        "probabilities": chances,
        "diagnosis": max(chances, key=lambda name: chances[name]),
        "onset_step": _onset_interval(found, failure) if failing else None,
        "first_seen_step": first_seen(found) if failing else None,
        "evidence": {
            str(name): {
                str(f): float(found["evidence"].sel(failure=f, channel=name)) for f in FAILURES if f not in lost
            }
            for name in found["channel"].values
        },
        "missing_channels": missing,
        "warnings": warnings,
    }


def first_seen(found: xr.Dataset, alarm: float = ALARM) -> float | None:
    """Optimizer step at which the failures together had probability ``alarm``, looked from two rows in a row; None if never."""
    failing = found["probability_at"].sel(answer=list(FAILURES)).sum("answer").values
    above = np.flatnonzero((failing[1:] >= alarm) & (failing[:-1] >= alarm)) + 1
    return float(found["seen_step"].values[above[0]]) if above.size else None


def _column(channel: str) -> str:
    return "zero_spread_share" if channel == "informative_groups" else channel


def _checked(prior: Mapping[str, float]) -> dict[str, float]:
    """The prior, if it is one."""
    faults = [f"unknown hypothesis {name!r}; known are {', '.join(PRIOR)}" for name in prior if name not in PRIOR]
    faults += [f"{name}: expected a probability, found none" for name in PRIOR if name not in prior]
    faults += [f"{n}: expected a probability between 0 and 1, found {v!r}" for n, v in prior.items() if not 0 <= v <= 1]
    if not faults and abs(sum(prior.values()) - 1) > 1e-6:
        faults.append(f"expected probabilities that sum to 1, found {sum(prior.values()):g}")
    if faults:
        raise InputError("prior", faults)
    return dict(prior)


def _some(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows, evenly, the first and the last among them."""
    picked: np.ndarray = rows[np.unique(np.linspace(0, rows.size - 1, min(most, rows.size)).round().astype(int))]
    return picked


def _onset_interval(found: xr.Dataset, failure: str) -> dict[str, Any]:
    """Median and equal-tailed interval of where a failure began."""
    mass = np.cumsum(found["onset"].sel(failure=failure).values)
    at = [int(np.argmax(mass >= min(q, mass[-1]))) for q in LEVELS]
    lower, median, upper = (float(found["onset_step"].values[i]) for i in at)
    return {"failure": failure, "median": median, "lower": lower, "upper": upper, "prob": INTERVAL_PROB}
