"""The trade of entropy for reward, learned from the rows of a log.

The law is ``R = c - a (exp(p H) - 1) / p``: at no entropy the reward is the ceiling c. With p = 1 it is
``R = b - a exp(H)`` (arXiv 2505.22617), whose ceiling is b - a; the exponent p lets real runs bend a little, which
matters where much entropy is left. The residual is a stationary first-order autoregression plus noise that is
independent from row to row: runs stay above or below the trade for a while.

Prior of c and a: flat; of the residual's standard deviation: flat in its logarithm; of the exponent: normal about 1; of
the autoregression's time constant and of its share of the variance: equal weights on a grid. Given the last three, the
others have a closed form (Zellner 1971, chapter 3), so that the posterior is a sum over the grid.
"""

from typing import NamedTuple

import numpy as np

#: Rows at most that enter; a longer log enters as means over blocks of rows.
MOST_ROWS = 300
#: Logged entropy scatters about that of the policy, which would flatten the trade: it enters as a running mean over
#: this share of the rows, and at least so many.
SMOOTH_SHARE, SMOOTH_LEAST = 0.05, 5
#: Time constants of the autoregression on the grid, from one row to the whole log, and its shares of the variance.
TIME_CONSTANTS, SHARES = 10, (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 0.99)
#: Exponents on the grid; 0 is a trade that is linear in the entropy. Prior: the published law's, give or take so much.
EXPONENTS, EXPONENT_SD = np.linspace(0, 2, 9), 0.3


class Trade(NamedTuple):
    """Draws, shape (draw,): ``ceiling`` is the reward at no entropy, ``price`` is a, ``exponent`` is p."""

    ceiling: np.ndarray
    price: np.ndarray
    exponent: np.ndarray


class _Cell(NamedTuple):
    """A point of the grid: its weight, coefficients (ceiling, price), and a root of their covariance."""

    log_weight: float
    middle: np.ndarray
    root: np.ndarray
    exponent: float


def learn_trade(reward: np.ndarray, entropy: np.ndarray, draws: int, rng: np.random.Generator) -> Trade:
    """Posterior draws of the trade.

    Parameters
    ----------
    reward, entropy : numpy.ndarray
        Shape (rows,), without gaps, in order, at least five; entropy in nat per token.
    draws : int
        How many.
    rng : numpy.random.Generator
        Source of randomness.
    """
    smooth = _smoothed(entropy)
    remaining = {float(exponent): _blocks(left(smooth, float(exponent))) for exponent in EXPONENTS}
    reward = _blocks(reward)
    rows = np.arange(reward.size)
    cells: list[_Cell] = []
    for tau in np.geomspace(1, reward.size, TIME_CONSTANTS):
        spectrum, basis = np.linalg.eigh(np.exp(-np.abs(rows[:, None] - rows) / tau))
        for exponent, unspent in remaining.items():
            cells += _cells(spectrum, basis, unspent, reward, exponent)
    log_weight = np.array([cell.log_weight for cell in cells])
    weight = np.exp(log_weight - log_weight.max())
    chosen = rng.choice(len(cells), draws, p=weight / weight.sum())
    free = reward.size - 2
    sd = np.sqrt(free / rng.chisquare(free, draws))
    normal = rng.standard_normal((draws, 2))
    middle = np.array([cell.middle for cell in cells])[chosen]
    root = np.array([cell.root for cell in cells])[chosen]
    coefficients = middle + sd[:, None] * np.einsum("dij,dj->di", root, normal)
    return Trade(coefficients[:, 0], coefficients[:, 1], np.array([cell.exponent for cell in cells])[chosen])


def _cells(
    spectrum: np.ndarray, basis: np.ndarray, unspent: np.ndarray, reward: np.ndarray, exponent: float
) -> list[_Cell]:
    """At a time constant and an exponent, a cell for each share of the autoregression."""
    scale = unspent.std()  # the prior is flat in the price of a typical change, whatever the exponent
    x, y = basis.T @ np.column_stack([np.ones(reward.size), -unspent / scale]), basis.T @ reward
    free = reward.size - 2
    out = []
    for share in SHARES:
        variance = 1 - share + share * np.maximum(spectrum, 0.0)
        weighted = x / variance[:, None]
        information = x.T @ weighted
        middle = np.linalg.solve(information, weighted.T @ y)
        rest = float(((y - x @ middle) ** 2 / variance).sum())
        log_weight = -0.5 * (np.log(variance).sum() + np.linalg.slogdet(information)[1] + free * np.log(rest))
        log_weight -= 0.5 * ((exponent - 1) / EXPONENT_SD) ** 2
        units = np.array([1.0, 1.0 / scale])
        root = np.linalg.cholesky(np.linalg.inv(information) * rest / free)
        out.append(_Cell(float(log_weight), middle * units, root * units[:, None], exponent))
    return out


def left(entropy: np.ndarray, exponent: float | np.ndarray) -> np.ndarray:
    """The entropy that is left, on the scale on which reward is linear in it; 0 at no entropy.

    Parameters
    ----------
    entropy : numpy.ndarray
        In nat per token.
    exponent : float or numpy.ndarray
        Of a shape that broadcasts; 0 gives the entropy itself.
    """
    some = np.where(exponent == 0, 1.0, exponent)
    scaled: np.ndarray = np.where(exponent == 0, entropy, np.expm1(some * entropy) / some)
    return scaled


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Running mean, over fewer values towards the ends."""
    width = max(SMOOTH_LEAST, round(SMOOTH_SHARE * values.size))
    kernel = np.ones(width)
    smoothed: np.ndarray = np.convolve(values, kernel, "same") / np.convolve(np.ones(values.size), kernel, "same")
    return smoothed


def _blocks(values: np.ndarray) -> np.ndarray:
    """Means over blocks of equally many rows, up to one, so that at most `MOST_ROWS` are left."""
    parts = np.array_split(values, min(values.size, MOST_ROWS))
    return np.array([part.mean() for part in parts])
