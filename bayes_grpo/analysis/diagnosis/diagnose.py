"""Which failure is it: posterior over healthy training and the failure modes, from all logged channels at once.

One generative model: a hypothesis and an onset row are drawn; given both, the channels are independent. Each settles
and fluctuates as `bayes_grpo.analysis.diagnosis.evidence` says, and changes as `bayes_grpo.analysis.diagnosis.joint`
says, with the probabilities of `bayes_grpo.analysis.diagnosis.modes`. The onset and all else are summed or integrated
out. A channel that is not logged drops out. Where nothing fails, the reward rises or is still.
"""

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr

from bayes_grpo.analysis.collapses import collapse_of
from bayes_grpo.analysis.diagnosis.channels import extract_channels
from bayes_grpo.analysis.diagnosis.joint import channel_factors, given_failure, joint_posterior, without_signal
from bayes_grpo.analysis.diagnosis.learning import gain, why_not
from bayes_grpo.analysis.diagnosis.modes import (
    HEALTHY,
    MODES,
    NO_SIGNAL_FACTOR,
    NOT_LEARNING,
    STILL,
    UNDETERMINED,
    answers,
)
from bayes_grpo.analysis.diagnosis.modes import prior as default_prior
from bayes_grpo.analysis.diagnosis.rising import went_on_rising
from bayes_grpo.analysis.notes import stored
from bayes_grpo.errors import InputError
from bayes_grpo.inference.draws import evenly
from bayes_grpo.runs.dataset import index_of, one_run

#: At most this many rows are tried as the onset, and at most this many get probabilities from the rows up to them. In
#: longer runs the latter are evenly spaced, and so are the stretches of which one row each is tried.
MOST_ONSETS, MOST_SEEN = 80, 50

#: Probability of not learning from which its reasons are looked for.
WORTH_A_REASON = 0.1


def diagnose(runs: xr.Dataset, *, run: str | None = None, prior: Mapping[str, float] | None = None) -> xr.Dataset:
    """Probabilities of healthy training and of each failure mode.

    Parameters
    ----------
    runs : xarray.Dataset
        From `bayes_grpo.read_run` or `bayes_grpo.make_run`.
    run : str, optional
        Label of the run; needed where there are several.
    prior : mapping, optional
        Probability of ``healthy`` and of each mode before any row; by default that of
        `bayes_grpo.analysis.diagnosis.modes.prior`.

    Returns
    -------
    xarray.Dataset
        - ``probability`` (answer): of healthy training, each mode, ``not_learning`` (nothing fails and the reward does
          not rise), and ``undetermined``, the modes that the log cannot show.
        - ``probability_at`` (seen, answer): the same, given only the rows up to optimizer step ``seen_step``.
        - ``onset`` (failure, onset_row): distribution of the row where the failure began, at ``onset_step``, if it is
          that failure.
        - ``evidence`` (failure, channel): log Bayes factor against healthy training (nat), averaged over the onset.
        - ``not_learning_evidence`` (seen): log Bayes factor of a reward that does not rise against one that does.
        - ``channel_value`` (row, channel): the channels as the model sees them, at ``row_step``.

        Attributes: run, notes, and as JSON reward_gain, from the first quarter of the rows to the last,
        why_not_learning, the likely reasons in order where that is not improbable, and unused_channels, why a channel
        that is logged tells nothing. ``collapsed`` is 1 if the reward ends in a collapse, see
        `bayes_grpo.analysis.collapses`.

    Raises
    ------
    InputError
        For fewer than 5 rewards, a run that is not named or not there, or priors that are no probabilities.

    Examples
    --------
    >>> import bayes_grpo
    >>> diagnosis = bayes_grpo.diagnose(bayes_grpo.example_run())
    >>> float(diagnosis["probability"].sel(answer="dynamical_instability")) < 0.05
    True
    """
    labels = [str(label) for label in runs["run"].values]
    single = one_run(runs, labels[index_of(run, labels, "runs")])
    chances = _checked(default_prior() if prior is None else prior)
    channels = extract_channels(single)
    rows = channels.optimizer_step.size
    onsets = _rows_to_try(channels.values, rows)
    seen = evenly(rows, MOST_SEEN)
    if channels.no_signal:
        joint, evidence = without_signal(channels, chances, seen.size, onsets.size)
        still = np.full(seen.size, np.log(NO_SIGNAL_FACTOR))
    else:
        factors = channel_factors(channels, onsets, seen)
        lost = {mode.costs for mode in MODES.values()} & channels.values.keys()
        rising = {name: went_on_rising(channels.values[name], onsets, seen) for name in lost}
        joint, evidence = joint_posterior(factors, chances, rising)
        still = factors["reward"]["still"][:, 0]
    seen_so_far = _seen_so_far(joint, onsets, seen, still, untold(list(channels.values)))
    data = {
        "probability": ("answer", seen_so_far[-1]),
        "probability_at": (("seen", "answer"), seen_so_far),
        "onset": (("failure", "onset_row"), given_failure(joint[-1])),
        "evidence": (("failure", "channel"), evidence, {"units": "nat"}),
        "not_learning_evidence": ("seen", still, {"units": "nat"}),
        "channel_value": (("row", "channel"), np.column_stack(list(channels.values.values()))),
    }
    coords = {
        "answer": list(answers()),
        "failure": list(MODES),
        "channel": list(channels.values),
        "seen_step": ("seen", channels.optimizer_step[seen], {"units": "step"}),
        "onset_step": ("onset_row", channels.optimizer_step[onsets], {"units": "step"}),
        "row_step": ("row", channels.optimizer_step, {"units": "step"}),
    }
    improbable = seen_so_far[-1, list(answers()).index(NOT_LEARNING)] < WORTH_A_REASON
    rewards = single["reward"].values
    learning = {
        "reward_gain": json.dumps(gain(single)),
        "why_not_learning": json.dumps([] if improbable else why_not(single, *channels.scale)),
        "unused_channels": json.dumps(channels.unused),
        "collapsed": int(collapse_of(rewards[np.isfinite(rewards)]) is not None),
    }
    return xr.Dataset(data, coords, {"run": str(single["run"].values), **learning, **stored(channels.notes)})


def _rows_to_try(channels: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
    """Rows that are tried as the onset: of each stretch the row at which some channel makes its largest step.

    A break within one row is far from all changes that begin a row before or after it.
    """
    first = np.arange(1, rows)[evenly(rows - 1, MOST_ONSETS)]
    step = np.zeros(rows)
    for values in channels.values():
        observed = np.flatnonzero(np.isfinite(values))
        steps = np.abs(np.diff(values[observed]))
        if steps.size:
            step[observed[1:]] = np.maximum(step[observed[1:]], steps / max(float(np.median(steps)), 1e-9))
    stretches = np.split(np.arange(1, rows), first[1:] - 1)
    return np.array([1, *(stretch[np.argmax(step[stretch])] for stretch in stretches[1:])])


def untold(channels: list[str]) -> list[str]:
    """The modes that cannot be told from these channels."""
    return [name for name, mode in MODES.items() if mode.decisive not in channels]


def _seen_so_far(
    joint: np.ndarray, onsets: np.ndarray, seen: np.ndarray, still: np.ndarray, hidden: list[str]
) -> np.ndarray:
    """Probability of each answer given the rows up to each row in ``seen``, shape (seen, answer)."""
    begun = np.where(onsets <= seen[:, None, None], joint, 0.0).sum(2)
    names = list(answers())
    out = np.zeros((seen.size, len(names)))
    for i, name in enumerate(MODES):
        out[:, names.index(UNDETERMINED if name in hidden else name)] += begun[:, i]
    rest = 1 - out.sum(1)  # and what is yet to begin
    odds = STILL / (1 - STILL) * np.exp(np.minimum(still, 600.0))
    out[:, names.index(NOT_LEARNING)] = rest * odds / (1 + odds)
    out[:, names.index(HEALTHY)] = rest / (1 + odds)
    return out


def _checked(prior: Mapping[str, float]) -> dict[str, float]:
    """The prior, if it is one."""
    known = (HEALTHY, *MODES)
    faults = [f"unknown hypothesis {name!r}; known are {', '.join(known)}" for name in prior if name not in known]
    faults += [f"{name}: expected a probability, found none" for name in known if name not in prior]
    faults += [f"{n}: expected a probability between 0 and 1, found {v!r}" for n, v in prior.items() if not 0 <= v <= 1]
    if not faults and abs(sum(prior.values()) - 1) > 1e-6:
        faults.append(f"expected probabilities that sum to 1, found {sum(prior.values()):g}")
    if faults:
        raise InputError("prior", faults)
    return dict(prior)
