"""The channels put together: posterior of failure and onset, with slow starts and each channel's own ways summed out.

Given a failure, its onset row s and the row s' where a slow start ends (if it does), the channels are independent. With
the probabilities of `bayes_grpo.analysis.diagnosis.modes.Mode.effects` a channel does from s on what the failure makes
it do, or from a row soon after s where it ``follows``; else, with those of its ``take_off``, from s' on what the end of
a slow start makes it do; else it goes its ``own`` way, at a time of its own.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

import numpy as np

from bayes_grpo.analysis.diagnosis.channel_priors import (
    CHANNELS,
    COUNTED_FLUCTUATION,
    COUNTED_LOG_SD,
    COUNTED_OWN,
    Channel,
)
from bayes_grpo.analysis.diagnosis.channels import Channels
from bayes_grpo.analysis.diagnosis.evidence import ChannelEvidence
from bayes_grpo.analysis.diagnosis.modes import (
    FOLLOWING,
    FROM_START,
    HEALTHY,
    MODES,
    NO_SIGNAL,
    NO_SIGNAL_FACTOR,
    SLOW_START,
)
from bayes_grpo.analysis.diagnosis.rising import log_penalty

#: A slow start may end at every fourth of the rows at which a failure may begin.
_TAKE_OFF_STRIDE = 4

Logs = Mapping[str, np.ndarray]


def channel_factors(channels: Channels, onsets: np.ndarray, seen: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Of each channel, the log Bayes factor of every change against the channel's own ways, shape (seen, onset)."""
    times = onset_log_prior(onsets.size)
    out = {}
    for name, values in channels.values.items():
        counted = channels.reward_noise if name == "reward" else None
        channel = CHANNELS[name] if counted is None else _counted(CHANNELS[name], *counted)
        evidence = ChannelEvidence(channel, values, onsets, seen)
        logs = evidence.log_factors(channel.changes)
        at_any_time = {change: np.logaddexp.reduce(log + times, axis=1) for change, log in logs.items()}
        alone = mixture(at_any_time, channel.own, np.zeros(seen.size))
        out[name] = {change: log - alone[:, None] for change, log in logs.items()}
    return out


def _counted(reward: Channel, noise: float, noise_most: float) -> Channel:
    """The reward of a run whose completions are counted: its sampling noise is known."""
    return replace(
        reward,
        noise=noise,
        noise_most=noise_most,
        noise_log_sd=COUNTED_LOG_SD,
        fluctuation=COUNTED_FLUCTUATION,
        own={**reward.own, **COUNTED_OWN},
    )


def mixture(logs: Logs, weights: Mapping[str, float], otherwise: np.ndarray) -> np.ndarray:
    """Log of a weighted sum of factors; what the weights leave of 1 is the weight of ``otherwise``."""
    left = 1 - sum(weights.values())
    terms = [np.log(weight) + logs[change] for change, weight in weights.items()]
    if left > 1e-9:
        terms.append(np.log(left) + otherwise)
    mixed: np.ndarray = reduce(np.logaddexp, terms)
    return mixed


def onset_log_prior(count: int) -> np.ndarray:
    """Log probability of each row as the onset, of a failure as of a change that a channel makes on its own."""
    prior = np.full(count, (1 - FROM_START) / count)
    prior[0] += FROM_START
    return np.log(prior)


def joint_posterior(
    factors: Mapping[str, Logs], prior: Mapping[str, float], rising: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of failure and onset given the rows up to each row in ``seen``, and what each channel says.

    Parameters
    ----------
    factors : mapping
        From `channel_factors`.
    prior : mapping
        Probability of ``healthy`` and of each failure.
    rising : mapping
        Of reward and evaluation, as far as logged, the probability that it went on rising after each onset, shape
        (seen, onset), from `bayes_grpo.analysis.diagnosis.rising.went_on_rising`.

    Returns
    -------
    joint : numpy.ndarray
        Shape (seen, failure, onset); what is left of 1 is healthy.
    evidence : numpy.ndarray
        Shape (failure, channel), in nats: log Bayes factor against the channel's own ways, averaged over the onset.
    """
    rows, count = next(iter(next(iter(factors.values())).values())).shape
    started = {name: _started(logs, CHANNELS[name].take_off, rows) for name, logs in factors.items()}
    slow = started[next(iter(started))].shape[1] - 1
    ends = np.log([1 - SLOW_START, *[SLOW_START / slow] * slow])
    with np.errstate(divide="ignore"):
        log_prior = {name: np.log(prior[name]) for name in (HEALTHY, *MODES)}
    healthy = log_prior[HEALTHY] + np.logaddexp.reduce(ends + sum(started.values()), axis=1)
    log = np.zeros((rows, len(MODES), count))
    alone = np.zeros((len(MODES), len(factors), count))
    for i, (failure, mode) in enumerate(MODES.items()):
        total = np.broadcast_to(ends, (rows, count, slow + 1)).copy()
        for c, (name, logs) in enumerate(factors.items()):
            weights = mode.effects.get(name, {})
            later = mode.follows.get(name, 0.0) if len(factors) > 1 else 0.0
            changes = {change: _followed(logs[change], later)[..., None] for change in weights}
            term = mixture(changes, weights, started[name][:, None, :])
            total += term
            alone[i, c] = np.broadcast_to(term, total.shape)[-1, :, 0]
        log[:, i] = log_prior[failure] + onset_log_prior(count) + np.logaddexp.reduce(total, axis=2)
        if mode.costs in rising and mode.decisive in factors:
            log[:, i] += log_penalty(rising[mode.costs])
    most = np.maximum(log.max(axis=(1, 2)), healthy)
    weight = np.exp(log - most[:, None, None])
    joint = weight / (weight.sum(axis=(1, 2)) + np.exp(healthy - most))[:, None, None]
    return joint, (given_failure(joint[-1])[:, None] * alone).sum(-1)


def without_signal(
    channels: Channels, prior: Mapping[str, float], seen: int, onsets: int
) -> tuple[np.ndarray, np.ndarray]:
    """What `joint_posterior` is where no row carries a signal.

    No group has one, from the first row on, or all solved.
    """
    explains = HEALTHY if channels.solved else NO_SIGNAL
    weight = {name: chance * (NO_SIGNAL_FACTOR if name == explains else 1.0) for name, chance in prior.items()}
    joint, evidence = np.zeros((seen, len(MODES), onsets)), np.zeros((len(MODES), len(channels.values)))
    for i, name in enumerate(MODES):
        joint[:, i, 0] = weight[name] / sum(weight.values())
        if name == explains:
            evidence[i, list(channels.values).index("informative_groups")] = np.log(NO_SIGNAL_FACTOR)
    return joint, evidence


def given_failure(joint: np.ndarray) -> np.ndarray:
    """Distribution of the onset, given each failure; shape (failure, onset)."""
    total = joint.sum(1, keepdims=True)
    onset: np.ndarray = np.where(total > 0, joint / np.where(total > 0, total, 1), 1 / joint.shape[1])
    return onset


def _followed(log: np.ndarray, later: float) -> np.ndarray:
    """Log factor of a change that begins at the onset, or with a probability at one of the next rows; (seen, onset).

    Of rows beyond the last onset nothing is seen yet.
    """
    if later == 0:
        return log
    count = log.shape[1]
    most = max(1, round(FOLLOWING * count))
    after = np.pad(log, ((0, 0), (0, most)))
    rows = np.stack([after[:, lag : lag + count] for lag in range(1, most + 1)])
    mixed: np.ndarray = np.logaddexp(np.log1p(-later) + log, np.log(later / most) + np.logaddexp.reduce(rows, axis=0))
    return mixed


def _started(logs: Logs, take_off: Mapping[str, float], rows: int) -> np.ndarray:
    """Log factor of no slow start (first column), or of one that ends at a row; shape (seen, 1 + ends)."""
    some = {change: log[:, ::_TAKE_OFF_STRIDE] for change, log in logs.items()}
    ends = next(iter(some.values())).shape[1]
    ended = mixture(some, take_off, np.zeros((rows, ends)))
    return np.concatenate([np.zeros((rows, 1)), ended], axis=1)
