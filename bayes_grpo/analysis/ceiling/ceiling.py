"""The entropy ceiling of a run: the reward at which its entropy would be used up."""

import numpy as np
import xarray as xr

from bayes_grpo.analysis.ceiling.trade import learn_trade
from bayes_grpo.analysis.notes import stored
from bayes_grpo.errors import InputError, Note
from bayes_grpo.runs.dataset import check_varies, hyperparameters_of, index_of, one_run

#: Draws, and rows with reward and entropy without which there is no answer.
DRAWS, LEAST_ROWS = 2000, 10
#: Level and entropy of today are means over this share of the rows, and at least so many.
RECENT_SHARE, RECENT_LEAST = 0.1, 5
#: Entropy above this many nat is none of a token: vocabularies have fewer than exp(20) entries.
MOST_ENTROPY = 20.0
#: The stated largest reward cuts the posterior off, if at least this share of it is below.
LEAST_BELOW = 0.01
#: Probability of a ceiling above 1 from which the bounds are asked for, where all rewards lie between 0 and 1.
BEYOND = 0.05

#: What the answer rests on, and how far it held: docs/entropy.md.
_LIMIT = (
    "the ceiling holds if entropy goes on buying reward at the price so far: 6 of 26 public runs later went above the "
    "interval that 30 % of them had given, 1 of 26 above that of 50 %, and none above that of 70 %"
)


def entropy_ceiling(source: xr.Dataset, *, run: str | None = None, seed: int = 0) -> xr.Dataset:
    """Learn the reward that is left to be had before the entropy is used up.

    Rewards and entropy of many runs follow ``R = b - a exp(H)``: entropy is given up for reward, and none is left at
    the reward ``b - a``. The law is let to bend a little, see `bayes_grpo.analysis.ceiling.trade`.

    Parameters
    ----------
    source : xarray.Dataset
        A log with dims (run, step), from `bayes_grpo.read_run`, with entropy in nat per token.
    run : str, optional
        Label of the run, where there are several.
    seed : int
        Of the draws.

    Returns
    -------
    xarray.Dataset
        Dims (sample, logged_row):

        - ``ceiling`` (reward): at no entropy; a stated largest reward bounds it.
        - ``price`` (reward): a; entropy buys reward where it is positive.
        - ``exponent``: how the law bends; 1 is that of the paper.
        - ``left`` (reward): the ceiling less the level of today.
        - ``logged_reward``, ``logged_entropy`` (logged_row): the rows that it was learned from.

        Attributes: run, rows, level (mean reward of the last tenth of the rows), first_entropy and last_entropy (means
        of the first and the last tenth, nat per token), notes.

    Raises
    ------
    InputError
        If entropy is not logged, is none of a token or constant, the rewards are constant, or there are fewer than 10
        rows with both.

    References
    ----------
    Cui et al. 2025, The entropy mechanism of reinforcement learning for reasoning language models, arXiv 2505.22617.

    Examples
    --------
    >>> import bayes_grpo
    >>> import numpy as np
    >>> steps, entropy = np.arange(40), np.linspace(0.9, 0.2, 40)
    >>> reward = 0.8 - 0.4 * (np.exp(entropy) - 1) + 0.01 * np.sin(7 * steps)
    >>> log = bayes_grpo.make_run("run", {"optimizer_step": steps, "reward": reward, "entropy": entropy})
    >>> ceiling = bayes_grpo.entropy_ceiling(log)
    >>> round(float(ceiling["ceiling"].median()), 1)
    0.8
    """
    single = one_run(source, str(source["run"].values[index_of(run, source["run"].values, "entropy ceiling")]))
    check_varies(single)
    reward, entropy = _columns(single)
    rng = np.random.default_rng(seed)
    trade = learn_trade(reward, entropy, DRAWS, rng)
    count = max(RECENT_LEAST, round(RECENT_SHARE * reward.size))
    last = reward[-count:]
    kept, notes = _below_bound(trade.ceiling, hyperparameters_of(single).get("reward_upper"), rng)
    notes += _bound_unknown(single, reward, trade.ceiling)
    ceiling = trade.ceiling[kept]
    level = last.mean() + last.std(ddof=1) / np.sqrt(count) * rng.standard_normal(ceiling.size)
    units = {"units": "reward"}
    return xr.Dataset(
        {
            "ceiling": ("sample", ceiling, units),
            "price": ("sample", trade.price[kept], units),
            "exponent": ("sample", trade.exponent[kept], {"units": "1"}),
            "left": ("sample", ceiling - level, units),
            "logged_reward": ("logged_row", reward, units),
            "logged_entropy": ("logged_row", entropy, {"units": "nat/token"}),
        },
        attrs={
            "run": str(single["run"].values),
            "rows": reward.size,
            "level": float(last.mean()),
            "first_entropy": float(entropy[:count].mean()),
            "last_entropy": float(entropy[-count:].mean()),
            **stored([*notes, Note("limit", "ceiling", _LIMIT)]),
        },
    )


def _columns(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and entropies of the rows that have both."""
    where = str(run["source"].values) or str(run["run"].values)
    if "entropy" not in run:
        raise InputError(
            where,
            "entropy: expected a column with the policy's entropy, found none; log it, or name its column by --column "
            "entropy=NAME",
        )
    both = np.isfinite(run["reward"].values) & np.isfinite(run["entropy"].values)
    reward, entropy = run["reward"].values[both], run["entropy"].values[both]
    if reward.size < LEAST_ROWS:
        raise InputError(
            where, f"entropy: expected at least {LEAST_ROWS} rows with reward and entropy, found {both.sum()}"
        )
    if entropy.max() > MOST_ENTROPY:
        raise InputError(
            where,
            f"entropy: expected nat per token, below {MOST_ENTROPY:g}, found {entropy.max():g}; is it a sum over "
            "tokens?",
        )
    if np.ptp(entropy) == 0:
        raise InputError(
            where, f"entropy: expected values that vary, found {entropy[0]:g} in all rows: nothing was given up"
        )
    return reward, entropy


def _below_bound(ceiling: np.ndarray, upper: float | None, rng: np.random.Generator) -> tuple[np.ndarray, list[Note]]:
    """Which draws to keep, as many as there were: those below the largest reward that was stated, some repeatedly."""
    below = np.flatnonzero(ceiling <= (np.inf if upper is None else upper))
    if below.size == ceiling.size:
        return below, []
    if below.size < LEAST_BELOW * ceiling.size:
        text = f"the trade so far leads above the largest possible reward, {upper:g}: it will not hold to the end"
        return np.arange(ceiling.size), [Note("limit", "reward_upper", text)]
    return rng.choice(below, ceiling.size), []


def _bound_unknown(run: xr.Dataset, reward: np.ndarray, ceiling: np.ndarray) -> list[Note]:
    """What to say where rewards lie between 0 and 1, and nobody has stated that they cannot be larger."""
    if "reward_upper" in hyperparameters_of(run) or reward.min() < 0 or reward.max() > 1:
        return []
    beyond = float((ceiling > 1).mean())
    if beyond < BEYOND:
        return []
    text = (
        f"all rewards lie between 0 and 1, and the ceiling is above 1 with probability {beyond:.2f}: if 1 is the "
        "largest possible reward, state --reward-bounds 0 1"
    )
    return [Note("assumption", "reward_upper", text)]
