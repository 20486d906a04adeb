"""Exact marginal likelihoods of what one channel did: for every onset, and given the rows up to any row.

A channel is ``y_i = level + gain (1 - exp(-i / settling)) + distance b_i(s) + w_i + noise_i``: w is a stationary
first-order autoregression, ``b_i(s) = 1 - exp(-(i - s + 1) / changing)`` from the onset row s on and 0 before. Given
settling, changing, the autoregression and the standard deviation of the noise, all else is Gaussian and linear. A
scalar Kalman filter whitens y and the regressors alike; level and gain are integrated out as a regression on the
whitened rows, then the distance, whose Bayes factor needs two sums only (a generalised likelihood ratio with a prior:
Willsky & Jones 1976). The rest are sums over grids. Whitening is causal, so the same sums up to row t give what was
known at t.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bayes_grpo.analysis.diagnosis.channel_priors import (
    DRIFT,
    FLUCTUATION,
    JUMP,
    SETTLING,
    SLIDE,
    Channel,
    Noise,
    Shift,
    Still,
)

#: Prior standard deviation of a channel's level: wide on the scale of every channel.
_LEVEL_SD = 10.0
#: Grid of the noise: ratio of neighbouring values, and the smallest value over the expected one. No channel is taken to
#: be smoother than that.
_NOISE_RATIO, _NOISE_FLOOR = 1.3, 1 / 3
_LOG_TWO_PI = float(np.log(2 * np.pi))


class Sums(NamedTuple):
    """Sums of products of whitened columns over the rows up to each row in ``seen``.

    A change is a hypothetical onset with a time constant.
    """

    bb: np.ndarray  # (seen, fluctuation, change)
    yb: np.ndarray  # (seen, fluctuation, change)
    lb: np.ndarray  # (seen, fluctuation, change): with the level
    gb: np.ndarray  # (seen, fluctuation, settling, change): with the gain


def noise_grid(values: np.ndarray, expected: float) -> np.ndarray:
    """Standard deviations to sum over: from below the quietest stretch of the channel to above its loudest."""
    differences = np.abs(np.diff(values[np.isfinite(values)])) / np.sqrt(2)
    stretches = np.array_split(differences, max(1, min(4, differences.size // 8)))
    noise = np.array([np.sqrt(np.mean(np.square(stretch))) for stretch in stretches])
    low = max(expected * _NOISE_FLOOR, min(float(noise.min()) / 3, expected / 2))
    high = max(2 * low, float(noise.max()) * 1.5)
    count = int(np.ceil(np.log(high / low) / np.log(_NOISE_RATIO))) + 1
    grid: np.ndarray = np.geomspace(low, high, count)
    return grid


def whiten(columns: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Innovations of columns under every fluctuation, with noise of standard deviation 1.

    Parameters
    ----------
    columns : numpy.ndarray
        Shape (rows, c).
    observed : numpy.ndarray of bool
        Which rows are observed, shape (rows,).

    Returns
    -------
    innovation : numpy.ndarray
        Shape (rows, fluctuation, c), each over its own standard deviation; 0 in rows that are not observed.
    log_scale : numpy.ndarray
        Logarithm of that standard deviation, shape (rows, fluctuation); 0 in rows that are not observed.
    """
    phi, ratio = (np.array(part) for part in zip(*FLUCTUATION, strict=True))
    mean, variance = np.zeros((phi.size, columns.shape[1])), ratio.copy()
    out = np.zeros((len(columns), *mean.shape))
    log_scale = np.zeros((len(columns), phi.size))
    for i, row in enumerate(columns):
        if i:
            mean, variance = phi[:, None] * mean, phi**2 * variance + ratio * (1 - phi**2)
        if observed[i]:
            total = variance + 1
            error, gain = row - mean, variance / total
            out[i], log_scale[i] = error / np.sqrt(total)[:, None], np.log(total) / 2
            mean, variance = mean + gain[:, None] * error, variance * (1 - gain)
    return out, log_scale


class ChannelEvidence:
    """What one channel says of its changes.

    Parameters
    ----------
    channel : Channel
        Its priors.
    values : numpy.ndarray
        Shape (rows,), NaN where not logged.
    onsets : numpy.ndarray of int
        Rows at which a change may begin.
    seen : numpy.ndarray of int
        Each answer is given for the rows up to each of these.
    """

    def __init__(self, channel: Channel, values: np.ndarray, onsets: np.ndarray, seen: np.ndarray) -> None:
        self.channel, self.values, self.onsets, self.seen = channel, values, onsets, seen
        self.noise = noise_grid(values, channel.noise)
        self.observed = np.isfinite(values)
        rows = np.arange(values.size)
        age = np.maximum(rows[:, None] - onsets + 1, 0)
        self.constants = (JUMP, max(3.0, SLIDE * rows.size), max(5.0, DRIFT * rows.size))
        changes = np.concatenate([1 - np.exp(-age / tau) for tau in self.constants], axis=1)
        settle = 1 - np.exp(-rows[:, None] / np.array(SETTLING))
        centre = values[self.observed][0]
        y = np.where(self.observed, values, centre) - centre
        white, log_scale = whiten(np.column_stack([y, np.ones(rows.size), settle, changes]), self.observed)
        at, n = seen, 2 + settle.shape[1]
        self.y, self.level, self.gain = white[:, :, 0], white[:, :, 1], white[:, :, 2:n]
        self.log_scale, b = log_scale, white[:, :, n:]
        self.sums = Sums(
            np.cumsum(b * b, axis=0)[at],
            np.cumsum(b * white[:, :, :1], axis=0)[at],
            np.cumsum(b * white[:, :, 1:2], axis=0)[at],
            np.stack([np.cumsum(b * white[:, :, 2 + k, None], axis=0)[at] for k in range(n - 2)], axis=2),
        )
        self.residual, self.log_evidence = self._static()
        self.total = _log_sum(self.log_evidence[seen].reshape(seen.size, -1), 1)

    def log_factor(self, change: Shift | Noise | Still) -> np.ndarray:
        """Log Bayes factor of a change against none, shape (seen, onset); 0 where the onset is still to come."""
        if isinstance(change, Still):
            return self._still(change)
        return self._shifts([change])[0] if isinstance(change, Shift) else self._noise(change)

    def _still(self, still: Still) -> np.ndarray:
        """Against settling that takes at least a row, for a gain before the second row is none that anybody saw.

        The same for every onset, for a channel is still from the first row on.
        """
        channel = replace(self.channel, settle_mean=0.0, settle_sd=still.sd)
        other = ChannelEvidence(channel, self.values, self.onsets[:1], self.seen)
        slow = np.array(SETTLING) >= 1
        rises = _log_sum(self.log_evidence[self.seen][:, :, slow].reshape(self.seen.size, -1), 1) - np.log(slow.mean())
        log: np.ndarray = np.repeat((other.total - rises)[:, None], self.onsets.size, axis=1)
        return log

    def _posterior(self, at: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, ...]:
        """Level and gain given the rows up to ``at``, for each noise: 3 entries of a covariance, 2 of a right side."""
        y, level, gain = self.y, self.level, self.gain

        def upto(product: np.ndarray) -> np.ndarray:
            summed: np.ndarray = np.cumsum(product, axis=0)[at][..., None]
            return summed

        square = noise**2
        sd, mean = self.channel.settle_sd, self.channel.settle_mean
        m11 = _LEVEL_SD**-2 + upto((level * level)[..., None]) / square
        m12 = upto(level[..., None] * gain) / square
        m22 = sd**-2 + upto(gain * gain) / square
        r1, r2 = upto((y * level)[..., None]) / square, mean * sd**-2 + upto(y[..., None] * gain) / square
        determinant = m11 * m22 - m12**2
        return m22 / determinant, -m12 / determinant, m11 / determinant, r1, r2

    def _static(self) -> tuple[np.ndarray, np.ndarray]:
        """Standardised one-step residuals, and log evidence up to each row, (rows, fluctuation, settling, noise)."""
        v11, v12, v22, r1, r2 = self._posterior(np.arange(self.y.shape[0]), self.noise)
        sd, mean = self.channel.settle_sd, self.channel.settle_mean
        first = [np.zeros_like(v[:1]) for v in (v11, v12, v22, r1, r2)]
        first = [first[0] + _LEVEL_SD**2, first[1], first[2] + sd**2, first[3], first[4] + mean / sd**2]
        w11, w12, w22, q1, q2 = (
            np.concatenate([f, v[:-1]]) for f, v in zip(first, (v11, v12, v22, r1, r2), strict=True)
        )
        level, gain = self.level[:, :, None, None], self.gain[..., None]
        expected = level * (w11 * q1 + w12 * q2) + gain * (w12 * q1 + w22 * q2)
        scale = np.sqrt(self.noise**2 + level**2 * w11 + 2 * level * gain * w12 + gain**2 * w22)
        residual = (self.y[:, :, None, None] - expected) / scale
        terms = -0.5 * (_LOG_TWO_PI + residual**2) - np.log(scale) - self.log_scale[:, :, None, None]
        evidence = np.cumsum(np.where(self.observed[:, None, None, None], terms, 0.0), axis=0)
        return residual, evidence + self._log_prior()[:, None]

    def _log_prior(self) -> np.ndarray:
        """Of fluctuation and noise, up to a constant, shape (fluctuation, noise)."""
        ratio = np.array([ratio for _, ratio in FLUCTUATION])[:, None]
        noise = -0.5 * (np.log(self.noise / self.channel.noise) / self.channel.noise_log_sd) ** 2
        noise = noise - 0.5 * (np.log(np.maximum(self.noise / self.channel.noise_most, 1.0)) / 0.1) ** 2
        log: np.ndarray = noise - 0.5 * ratio * (self.noise / self.channel.fluctuation) ** 2
        return log

    def log_factors(self, changes: Mapping[str, Shift | Noise | Still]) -> dict[str, np.ndarray]:
        """As `log_factor`, of several changes: shifts share what they need of the channel."""
        shifts = {name: change for name, change in changes.items() if isinstance(change, Shift)}
        shifted = dict(zip(shifts, self._shifts(list(shifts.values())), strict=True))
        return {name: shifted[name] if name in shifted else self.log_factor(change) for name, change in changes.items()}

    def _shifts(self, shifts: Sequence[Shift]) -> list[np.ndarray]:
        parts: list[list[np.ndarray]] = [[] for _ in shifts]
        count = len(self.constants)
        for j, noise in enumerate(self.noise):
            v11, v12, v22, r1, r2 = self._posterior(self.seen, np.array([noise]))
            q1, q2 = self.sums.lb[:, :, None] / noise**2, self.sums.gb / noise**2
            p1, p2 = v11 * q1 + v12 * q2, v12 * q1 + v22 * q2
            s = np.maximum(self.sums.bb[:, :, None] / noise**2 - q1 * p1 - q2 * p2, 0.0)
            r = self.sums.yb[:, :, None] / noise**2 - p1 * r1 - p2 * r2
            evidence = self.log_evidence[self.seen][..., j, None]
            for part, shift in zip(parts, shifts, strict=True):
                mean, variance = shift.mean, shift.sd**2
                factor = 0.5 * (
                    (r + mean / variance) ** 2 / (s + 1 / variance) - mean**2 / variance - np.log1p(variance * s)
                )
                split = (factor + evidence).reshape(self.seen.size, -1, self.onsets.size)
                part.append(_log_sum(split, 1) - np.log(count))
        return [_log_sum(np.stack(part, 1), 1) - self.total[:, None] for part in parts]

    def _noise(self, change: Noise) -> np.ndarray:
        rows = np.flatnonzero(self.observed)
        u = self.residual[rows]
        u1, u2 = (np.concatenate([np.zeros_like(u[:n]), u[:-n]]) for n in (1, 2))
        first, last = np.searchsorted(rows, self.onsets), np.searchsorted(rows, self.seen, side="right")
        span = (self.seen.size, self.onsets.size)
        weight = self.log_evidence[self.seen].reshape(self.seen.size, 1, -1)
        variants = []
        for ring in change.rings:
            a1, a2 = (0.0, 0.0) if ring is None else (2 * ring[1] * np.cos(2 * np.pi / ring[0]), -(ring[1] ** 2))
            if ring is not None and ring[0] == 2.0:
                a1, a2 = -ring[1], 0.0
            for f in change.factors:
                more = -0.5 * (np.log(f) + (u - a1 * u1 - a2 * u2) ** 2 / f - u**2)
                total = np.concatenate([np.zeros_like(more[:1]), np.cumsum(more, axis=0)]).reshape(len(u) + 1, -1)
                later = last[:, None] > first
                gained = np.where(later[..., None], total[last][:, None] - total[first], 0.0)
                variants.append(_log_sum(gained + weight, 2).reshape(span))
        log: np.ndarray = _log_sum(np.stack(variants), 0) - np.log(len(variants)) - self.total[:, None]
        return log


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    """Logarithm of a sum of exponentials along an axis."""
    most = np.max(values, axis=axis, keepdims=True)
    out: np.ndarray = np.log(np.sum(np.exp(values - most), axis=axis)) + np.squeeze(most, axis)
    return out
