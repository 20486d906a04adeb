"""The trade of entropy for reward, ``R = b - a exp(H)`` (arXiv 2505.22617), learned from the rows of a log.

The residual is a stationary first-order autoregression plus noise that is independent from row to row: runs stay above
or below the trade for a while. Prior of b and a: flat; of the residual's standard deviation: flat in its logarithm; of
the autoregression's time constant and of its share of the variance: equal weights on a grid. Given those two, b, a and
the standard deviation have a closed form (Zellner 1971, chapter 3), so that the posterior is a sum over the grid.
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


class Trade(NamedTuple):
    """Draws, shape (draw,): ``ceiling`` is b - a, the reward at no entropy, and ``price`` is a."""

    ceiling: np.ndarray
    price: np.ndarray


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
    reward, spent = _blocks(reward), _blocks(np.exp(_smoothed(entropy)))
    rows = reward.size
    # Coordinates in which the ceiling is the first coefficient and the price the second.
    design = np.column_stack([np.ones(rows), 1 - spent])
    cells = [cell for tau in np.geomspace(1, rows, TIME_CONSTANTS) for cell in _cells(design, reward, tau)]
    log_weight = np.array([cell[0] for cell in cells])
    weight = np.exp(log_weight - log_weight.max())
    chosen = rng.choice(len(cells), draws, p=weight / weight.sum())
    free = rows - 2
    sd = np.sqrt(free / rng.chisquare(free, draws))
    normal = rng.standard_normal((draws, 2))
    middle = np.array([cell[1] for cell in cells])[chosen]
    root = np.array([cell[2] for cell in cells])[chosen]
    coefficients = middle + sd[:, None] * np.einsum("dij,dj->di", root, normal)
    return Trade(coefficients[:, 0], coefficients[:, 1])


def _cells(design: np.ndarray, reward: np.ndarray, tau: float) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """At a time constant, for each share: log marginal likelihood, coefficients, and a root of their covariance."""
    rows = np.arange(reward.size)
    spectrum, basis = np.linalg.eigh(np.exp(-np.abs(rows[:, None] - rows) / tau))
    x, y = basis.T @ design, basis.T @ reward
    out = []
    for share in SHARES:
        variance = 1 - share + share * np.maximum(spectrum, 0.0)
        weighted = x / variance[:, None]
        information = x.T @ weighted
        middle = np.linalg.solve(information, weighted.T @ y)
        rest = float(((y - x @ middle) ** 2 / variance).sum())
        free = reward.size - 2
        log_weight = -0.5 * (np.log(variance).sum() + np.linalg.slogdet(information)[1] + free * np.log(rest))
        root = np.linalg.cholesky(np.linalg.inv(information) * rest / free)
        out.append((float(log_weight), middle, root))
    return out


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
