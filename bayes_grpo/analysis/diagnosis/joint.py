"""The channels put together: posterior of failure and onset, with the onset of a slow start and each channel's own ways summed out.

Given a failure, its onset row s and the row s' where a slow start ends (if it does), channels are independent. A channel does, with the
probabilities of `bayes_grpo.analysis.diagnosis.effects.EFFECTS`, what the failure makes it do from s on; else, by ``TAKE_OFF``, what the end of
a slow start makes it do from s' on; else it goes its own way (``OWN``), at a time of its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

import numpy as np

from bayes_grpo.analysis.diagnosis.channels import Channels
from bayes_grpo.analysis.diagnosis.effects import EFFECTS, FAILURES, FROM_START, OWN, OWN_COUNTED, SLOW_START, TAKE_OFF
from bayes_grpo.analysis.diagnosis.evidence import ChannelEvidence
from bayes_grpo.analysis.diagnosis.priors import CHANNELS, COUNTED_FLUCTUATION, COUNTED_LOG_SD

#: Rows at which a slow start may end: every so many of the onsets.
_TAKE_OFF_STRIDE = 4

Logs = Mapping[str, np.ndarray]


def channel_factors(channels: Channels, onsets: np.ndarray, seen: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Of each channel, the log Bayes factor of every change against the channel's own ways, shape (seen, onset)."""
    out = {}
    for name, values in channels.values.items():
        channel, ways = CHANNELS[name], OWN[name]
        if name == "reward" and channels.reward_noise is not None:
            channel = replace(
                channel,
                noise=channels.reward_noise[0],
                noise_most=channels.reward_noise[1],
                noise_log_sd=COUNTED_LOG_SD,
                fluctuation=COUNTED_FLUCTUATION,
            )
            ways = ways | OWN_COUNTED
        said = ChannelEvidence(channel, values, onsets, seen)
        logs = {change: said.log_factor(shape) for change, shape in channel.changes.items()}
        times = onset_log_prior(onsets.size)
        at_own_time = {change: np.logaddexp.reduce(log + times, axis=1) for change, log in logs.items()}
        own = mixture(at_own_time, ways, np.zeros(seen.size))
        out[name] = {change: log - own[:, None] for change, log in logs.items()}
    return out


def mixture(logs: Logs, weights: Mapping[str, float], otherwise: np.ndarray) -> np.ndarray:
    """Log of a weighted sum of factors, what is left of the weight on ``otherwise``."""
    left = 1 - sum(weights.values())
    terms = [np.log(weight) + logs[change] for change, weight in weights.items()]
    if left > 1e-9:
        terms.append(np.log(left) + otherwise)
    mixed: np.ndarray = reduce(np.logaddexp, terms)
    return mixed


def onset_log_prior(count: int) -> np.ndarray:
    """Of each onset row, given that there is a failure; and of a change that a channel makes on its own."""
    prior = np.full(count, (1 - FROM_START) / count)
    prior[0] += FROM_START
    return np.log(prior)


def joint_posterior(factors: Mapping[str, Logs], prior: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of failure and onset as of every row looked from, and what each channel says.

    Parameters
    ----------
    factors : mapping
        From `channel_factors`.
    prior : mapping
        Probability of ``healthy`` and of each failure.

    Returns
    -------
    joint : numpy.ndarray
        Shape (seen, failure, onset); what is left of 1 is healthy.
    evidence : numpy.ndarray
        Shape (failure, channel), in nats: log Bayes factor against the channel's own ways, averaged over the onset.
    """
    rows, count = next(iter(next(iter(factors.values())).values())).shape
    started = {name: _started(logs, TAKE_OFF.get(name, {}), rows) for name, logs in factors.items()}
    slow = started[next(iter(started))].shape[1] - 1
    ends = np.log([1 - SLOW_START, *[SLOW_START / slow] * slow])
    with np.errstate(divide="ignore"):
        chances = {name: np.log(prior[name]) for name in ("healthy", *FAILURES)}
    healthy = chances["healthy"] + np.logaddexp.reduce(ends + sum(started.values()), axis=1)
    log = np.zeros((rows, len(FAILURES), count))
    alone = np.zeros((len(FAILURES), len(factors), count))
    for i, failure in enumerate(FAILURES):
        total = np.broadcast_to(ends, (rows, count, slow + 1)).copy()
        for c, (name, logs) in enumerate(factors.items()):
            weights = EFFECTS[failure].get(name, {})
            term = mixture({b: logs[b][..., None] for b in weights}, weights, started[name][:, None, :])
            total += term
            alone[i, c] = np.broadcast_to(term, total.shape)[-1, :, 0]
        log[:, i] = chances[failure] + onset_log_prior(count) + np.logaddexp.reduce(total, axis=2)
    most = np.maximum(log.max(axis=(1, 2)), healthy)
    weight = np.exp(log - most[:, None, None])
    joint = weight / (weight.sum(axis=(1, 2)) + np.exp(healthy - most))[:, None, None]
    return joint, (given_failure(joint[-1])[:, None] * alone).sum(-1)


def given_failure(joint: np.ndarray) -> np.ndarray:
    """Distribution of the onset, given each failure; shape (failure, onset)."""
    total = joint.sum(1, keepdims=True)
    onset: np.ndarray = np.where(total > 0, joint / np.where(total > 0, total, 1), 1 / joint.shape[1])
    return onset


def _started(logs: Logs, doing: Mapping[str, float], rows: int) -> np.ndarray:
    """Log factor of a slow start that does not happen (first column) or ends at a row; shape (rows looked from, 1 + ends)."""
    some = {change: logs[change][:, ::_TAKE_OFF_STRIDE] for change in logs}
    ends = next(iter(some.values())).shape[1]
    does = mixture(some, doing, np.zeros((rows, ends)))
    return np.concatenate([np.zeros((rows, 1)), does], axis=1)
