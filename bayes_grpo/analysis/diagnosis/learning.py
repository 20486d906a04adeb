"""Why a run may not learn: the likely reasons in order, from what the log holds beside the reward.

Whether it learns at all is told by `bayes_grpo.analysis.diagnosis.diagnose`. A reason here is a fact of the log that
would be enough to keep a reward from rising; it is not proved to be the cause.
"""

from collections.abc import Callable
from typing import NamedTuple, TypedDict

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL_PROB, LEVELS
from bayes_grpo.laws.normal import normal_quantile
from bayes_grpo.runs.dataset import hyperparameters_of

#: Fewer groups with a signal than this are few.
FEW_GROUPS = 0.5
#: Other group sizes for which the share with a signal is foretold.
GROUP_SIZES = (4, 8, 16)
#: Learning rates below the first are too small whatever is trained; with a KL below the second the policy has not left
#: the reference (nat a token; runs that learn reach some hundredths).
SMALL_RATE, STILL_KL = 1e-8, 1e-3
#: A rate below this share of its peak is spent.
SPENT = 0.02
#: This close to the upper bound, as a share of the range, nothing is left to gain.
AT_BOUND = 0.05
#: The noise hides a gain where the 90 % interval of the gain reaches this share of the range.
HIDDEN = 0.05


class Reason(TypedDict):
    """A likely reason: ``few_groups``, ``learning_rate``, ``at_bound`` or ``noise``, and the sentence that says it."""

    reason: str
    text: str


class Seen(NamedTuple):
    """What the reasons look at: the run, its rewards in order, the hyperparameters, the scale, and whether known."""

    run: xr.Dataset
    reward: np.ndarray
    known: dict[str, float]
    low: float
    high: float
    bounded: bool

    def column(self, name: str, start: float = 0.0) -> np.ndarray:
        """Values of a column from this share of the rows on; none where it is not logged."""
        values = self.run[name].values if name in self.run else np.zeros(0)
        values = values[int(start * values.size) :]
        logged: np.ndarray = values[np.isfinite(values)]
        return logged

    @property
    def at_bound(self) -> bool:
        """Whether nothing is left to gain."""
        return self.bounded and self.high - float(self.reward.mean()) <= AT_BOUND * (self.high - self.low)


class Gain(TypedDict):
    """What the mean reward of the last quarter of the rows lies above that of the first, with its interval."""

    median: float
    lower: float
    upper: float
    prob: float


def why_not(run: xr.Dataset, low: float, high: float, bounded: bool) -> list[Reason]:
    """The likely reasons why the reward of a single run does not rise, the likeliest first.

    Parameters
    ----------
    run : xarray.Dataset
        As from `bayes_grpo.runs.dataset.one_run`.
    low, high : float
        The scale of the reward.
    bounded : bool
        Whether these are the bounds of the reward function.
    """
    reward = run["reward"].values
    seen = Seen(run, reward[np.isfinite(reward)], hyperparameters_of(run), low, high, bounded)
    told = ((name, say(seen)) for name, say in REASONS.items())
    return [Reason(reason=name, text=text) for name, text in told if text]


def gain(run: xr.Dataset) -> Gain:
    """What the reward of a single run gained from the first quarter of its rows to the last.

    The rewards within a quarter are taken to scatter with the correlation that neighbours have about a straight line.
    """
    reward = run["reward"].values
    reward = reward[np.isfinite(reward)]
    quarter = max(reward.size // 4, 1)
    rows = np.arange(reward.size)
    left = reward - np.polyval(np.polyfit(rows, reward, 1), rows)
    variance = float(left @ left) / max(reward.size - 2, 1)
    correlation = float(left[1:] @ left[:-1] / (left @ left)) if variance > 0 else 0.0
    correlation = min(max(correlation, 0.0), 0.95)
    error = float(np.sqrt(2 * variance / quarter * (1 + correlation) / (1 - correlation)))
    middle = float(reward[-quarter:].mean() - reward[:quarter].mean())
    lower, median, upper = (float(middle + error * sd) for sd in normal_quantile(np.array(LEVELS)))
    return Gain(median=median, lower=lower, upper=upper, prob=INTERVAL_PROB)


def signal_share(mean: float, size: float, precision: float = np.inf) -> float:
    """Expected share of groups of a size whose 0/1 rewards differ.

    Parameters
    ----------
    mean : float
        Mean reward x.
    size : float
        Completions a group.
    precision : float
        The prompts' chances are Beta-distributed about the mean with this sum of parameters; infinite for prompts that
        are all alike, where the share is ``1 - x^G - (1 - x)^G``.
    """
    counted = np.arange(round(size))
    alike = 1.0
    for chance in (mean, 1 - mean):
        if np.isinf(precision):
            alike -= chance**size
        else:
            alike -= float(np.prod((chance * precision + counted) / (precision + counted)))
    return alike


def precision_of(mean: float, size: float, share: float) -> float:
    """How alike the prompts are, so that the expected share of groups with a signal is the one seen."""
    if share >= signal_share(mean, size):
        return float(np.inf)
    grid = np.geomspace(1e-3, 1e4, 400)
    shares = np.array([signal_share(mean, size, precision) for precision in grid])
    return float(np.interp(share, shares, grid))


def _few_groups(seen: Seen) -> str:
    """Groups whose rewards are all equal move nothing; at the bound that is as it should be."""
    if seen.at_bound:
        return ""
    dead, size = seen.column("zero_spread_share"), seen.known.get("group_size")
    mean = float(np.clip((seen.reward.mean() - seen.low) / (seen.high - seen.low), 0, 1))
    expected = signal_share(mean, size) if size and seen.bounded else None
    share = float(1 - dead.mean()) if dead.size else expected
    if share is None or share >= FEW_GROUPS:
        return ""
    of_size = f" at the group size of {size:g}" if size else ""
    text = f"too few groups with a signal: {share:.2f} of them{of_size}" + ("" if dead.size else ", as expected")
    if size is None or expected is None or not 0 < mean < 1:
        return text
    precision = precision_of(mean, size, share)
    others = ", ".join(f"{signal_share(mean, G, precision):.2f} at {G}" for G in GROUP_SIZES if size != G)
    alike = "alike (1 - x^G - (1 - x)^G)" if np.isinf(precision) else "as different as this share tells"
    return f"{text}; for 0/1 rewards at mean reward {mean:.2g}, of prompts {alike}, it would be {others}"


def _learning_rate(seen: Seen) -> str:
    """The rate, and what it has moved."""
    rate = seen.run["learning_rate"].values if "learning_rate" in seen.run else np.zeros(0)
    where = np.flatnonzero(np.isfinite(rate))
    kl = seen.column("kl", 0.5)
    still = bool(kl.size) and 0 < kl.mean() < STILL_KL
    moved = ""
    if still:
        moved = f"the KL from the reference is {kl.mean():.2g} in the second half: the policy has hardly moved"
    if where.size:
        peak = float(rate[where].max())
        after = where[where > where[np.argmax(rate[where])]]
        spent = after[rate[after] < SPENT * peak]
        if peak <= SMALL_RATE:
            return f"learning rate too small: {peak:.2g} at most" + (f"; {moved}" if moved else "")
        if spent.size > where.size / 4:
            step = float(seen.run["optimizer_step"].values[spent[0]])
            return f"learning rate spent: below {SPENT:.0%} of its peak of {peak:.2g} from step {step:g} on"
        if moved:
            return f"learning rate too small ({peak:.2g} at most): {moved}"
    return f"learning rate too small: {moved}" if moved else ""


def _at_bound(seen: Seen) -> str:
    """Nothing is left to gain."""
    return f"already at the bound: a mean reward of {seen.reward.mean():.3g} of {seen.high:g}" if seen.at_bound else ""


def _noise(seen: Seen) -> str:
    """What could have been gained without anyone seeing it."""
    seen_gain = gain(seen.run)
    hidden = max(seen_gain["upper"], seen_gain["upper"] - seen_gain["median"])
    if hidden < HIDDEN * (seen.high - seen.low):
        return ""
    return f"noise that would hide a gain of {hidden:.2g}: rows scatter by {np.std(seen.reward):.2g}"


#: The reasons in the order of their likelihood.
REASONS: dict[str, Callable[[Seen], str]] = {
    "few_groups": _few_groups,
    "learning_rate": _learning_rate,
    "at_bound": _at_bound,
    "noise": _noise,
}
