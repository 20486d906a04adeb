"""What a diagnosis says, as numbers: the answer, when it began, when it was seen, and what speaks for it."""

import json
from typing import TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.collapses import Recovery, recovery
from bayes_grpo.analysis.diagnosis.channel_priors import CHANNELS
from bayes_grpo.analysis.diagnosis.diagnose import untold
from bayes_grpo.analysis.diagnosis.learning import Gain, Reason
from bayes_grpo.analysis.diagnosis.modes import MODES, NOT_LEARNING
from bayes_grpo.analysis.intervals import INTERVAL_PROB, LEVELS
from bayes_grpo.analysis.notes import Noted, noted, stored_notes
from bayes_grpo.errors import Note

#: Probability of some failure, as seen at a row, that counts as seen.
ALARM = 0.9


class Onset(TypedDict):
    """The most probable failure, and median and interval of the optimizer step at which it began."""

    failure: str
    median: float
    lower: float
    upper: float
    prob: float


class DiagnosisSummary(Noted):
    """What `summarise_diagnosis` says; see there."""

    run: str
    probabilities: dict[str, float]
    diagnosis: str
    onset_step: Onset | None
    first_seen_step: float | None
    recovery: Recovery | None
    evidence: dict[str, dict[str, float]]
    missing_channels: list[str]
    unused_channels: dict[str, str]
    reward_gain: Gain
    why_not_learning: list[Reason]


def summarise_diagnosis(result: xr.Dataset, fit: xr.DataTree | None = None) -> DiagnosisSummary:
    """Summary of a diagnosis, ready for JSON.

    Parameters
    ----------
    result : xarray.Dataset
        From `bayes_grpo.diagnose`.
    fit : xarray.DataTree, optional
        Not used, for a diagnosis needs no fit; accepted so that all summaries are called alike.

    Returns
    -------
    dict
        - ``run``: label of the run.
        - ``probabilities``: of each answer; ``diagnosis`` is the most probable one.
        - ``onset_step``: the most probable failure, and ``median``, ``lower`` and ``upper`` of the optimizer step at
          which it began; None where no failure is more probable than not.
        - ``first_seen_step``: see `first_seen`, from the lower end of the onset on; None in the same case.
        - ``recovery``: how often runs recover from a collapse, see `bayes_grpo.analysis.collapses.Recovery`; None
          unless the reward ends in one and a failure is more probable than not.
        - ``evidence``: by channel, what it says for each failure against healthy training (nat), and of the reward what
          it says for not learning.
        - ``missing_channels``: what is not logged and would have told more.
        - ``unused_channels``: by channel, why it tells nothing although it is logged: it is constant, or in few rows.
        - ``reward_gain``: ``median``, ``lower`` and ``upper`` of what the mean reward of the last quarter of the rows
          lies above that of the first.
        - ``why_not_learning``: the likely reasons in order, where that the run does not learn is not improbable.
        - ``warnings``, ``notes``: what a reader should know, as sentences and as data.

    Examples
    --------
    >>> import bayes_grpo
    >>> summary = bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(bayes_grpo.example_run()))
    >>> summary["run"], "kl" in summary["missing_channels"]
    ('arithmetic_grpo', True)
    """
    channels = [str(name) for name in result["channel"].values]
    failures = [str(name) for name in result["failure"].values]
    probabilities = {
        str(a): float(p) for a, p in zip(result["answer"].values, result["probability"].values, strict=True)
    }
    failure = max(failures, key=lambda name: probabilities[name])
    failing = sum(probabilities[name] for name in failures) > 0.5
    hidden, unused = untold(channels), json.loads(result.attrs["unused_channels"])
    onset = _onset(result, failure) if failing else None
    return {
        "run": result.attrs["run"],
        "probabilities": probabilities,
        "diagnosis": max(probabilities, key=lambda name: probabilities[name]),
        "onset_step": onset,
        "first_seen_step": first_seen(result, since=onset["lower"]) if onset else None,
        "recovery": recovery() if failing and result.attrs["collapsed"] else None,
        "evidence": {channel: _evidence(result, channel, hidden) for channel in channels},
        "reward_gain": json.loads(result.attrs["reward_gain"]),
        "why_not_learning": json.loads(result.attrs["why_not_learning"]),
        "missing_channels": [_supply(name) for name in CHANNELS if name not in channels and name not in unused],
        "unused_channels": unused,
        **noted(
            [
                *_uncalled(result, failing),
                *stored_notes(result),
                *_earlier(result, onset),
                *(_untold_note(name, unused) for name in hidden),
            ]
        ),
    }


def _evidence(result: xr.Dataset, channel: str, hidden: list[str]) -> dict[str, float]:
    """What a channel says for each answer that can be told, against healthy training."""
    said = result["evidence"].sel(channel=channel)
    evidence = {name: float(said.sel(failure=name)) for name in MODES if name not in hidden}
    if channel == "reward" and "not_learning_evidence" in result:
        evidence[NOT_LEARNING] = float(result["not_learning_evidence"][-1])
    return evidence


def first_seen(result: xr.Dataset, alarm: float = ALARM, since: float = -np.inf) -> float | None:
    """Step at which the failures together first had probability ``alarm`` for two looks in a row; None if never.

    Looks before step ``since`` do not count.
    """
    failing = result["probability_at"].sel(answer=result["failure"].values).sum("answer").values
    steps = result["seen_step"].values[1:]
    above = np.flatnonzero((failing[1:] >= alarm) & (failing[:-1] >= alarm) & (steps >= since))
    return float(steps[above[0]]) if above.size else None


def _earlier(result: xr.Dataset, onset: Onset | None) -> list[Note]:
    """That a failure was seen before the one of the answer began, and had passed."""
    seen = first_seen(result)
    if onset is None or seen is None or seen >= onset["lower"]:
        return []
    text = (
        f"a failure was seen at step {seen:g} already; it had passed before the one that began at {onset['median']:g}"
    )
    return [Note("limit", "first_seen_step", text)]


def _uncalled(result: xr.Dataset, failing: bool) -> list[Note]:
    """That the reward ends in a collapse, see `collapse_of`, where no failure is more probable than not."""
    if failing or not result.attrs["collapsed"]:
        return []
    text = (
        "the reward has lost most of what it had gained, although no failure is more probable than not: look at the "
        "curve"
    )
    return [Note("limit", "diagnosis", text)]


def _supply(channel: str) -> str:
    """What would supply a channel that is not logged."""
    return CHANNELS[channel].supply or channel


def _untold_note(name: str, unused: dict[str, str]) -> Note:
    channel = MODES[name].decisive
    why = f": {channel} is {unused[channel]}" if channel in unused else f" without {_supply(channel)}"
    return Note("limit", name, f"{name} cannot be told{why}; its probability is in 'undetermined'")


def _onset(result: xr.Dataset, failure: str) -> Onset:
    """Median and equal-tailed interval of where a failure began."""
    mass = np.cumsum(result["onset"].sel(failure=failure).values)
    at = [int(np.argmax(mass >= min(level, mass[-1]))) for level in LEVELS]
    lower, median, upper = (float(result["onset_step"].values[i]) for i in at)
    return {"failure": failure, "median": median, "lower": lower, "upper": upper, "prob": INTERVAL_PROB}
