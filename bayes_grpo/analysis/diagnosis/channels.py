"""The channels of a run on scales where a change is a number: one row a batch of rollouts."""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from bayes_grpo.analysis.diagnosis.channel_priors import CHANNELS, PROMPT_CORRELATION
from bayes_grpo.errors import InputError, Note
from bayes_grpo.runs.dataset import hyperparameters_of
from bayes_grpo.runs.fields import MIN_ROWS

#: Longer runs are averaged down to this many rows: changes within a few thousandths of a run are not of interest.
MOST_ROWS = 400
#: A channel with fewer values is not used.
FEWEST = 5
#: Deviation from both neighbours, in robust standard deviations of differences, of a row that is left out.
_SPIKE = 8.0
#: Columns that channels are made of: those of which a logarithm is taken, with what is added before, and others.
_FLOORS = {name: channel.floor for name, channel in CHANNELS.items() if channel.floor is not None}
_OTHERS = ("reward", "evaluation_reward", "zero_spread_share", "reward_spread")


@dataclass
class Channels:
    """The channels of a run.

    Parameters
    ----------
    optimizer_step : numpy.ndarray
        Step of each row, shape (rows,).
    values : dict
        Values by channel, shape (rows,), NaN where not logged.
    reward_noise : tuple or None
        Standard deviation of a row's reward, expected and at most, where its completions are counted.
    scale : tuple
        Lower and upper end of the reward's scale, and whether they are the bounds of the reward function.
    no_signal : bool
        Whether no row carries a signal: all rewards are the same, or no group ever had a spread. The informative groups
        are then a channel in any case.
    solved : bool
        Whether that is so because all rewards are the highest possible.
    unused : dict
        Of each channel that is logged and yet tells nothing, why: it is constant, or in too few rows.
    notes : list of Note
        What was assumed or left out.
    """

    optimizer_step: np.ndarray
    values: dict[str, np.ndarray]
    reward_noise: tuple[float, float] | None
    scale: tuple[float, float, bool]
    no_signal: bool
    solved: bool
    unused: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def extract_channels(run: xr.Dataset) -> Channels:
    """Channels of a single run (as from `bayes_grpo.runs.dataset.one_run`).

    The rows are those of the log that have a reward. Where a batch of rollouts serves several updates, only the first
    has one; a row then holds the mean of every other column over all these updates.

    Raises
    ------
    InputError
        With fewer than `bayes_grpo.runs.fields.MIN_ROWS` rewards.
    """
    reward = run["reward"].values
    at = np.flatnonzero(np.isfinite(reward))
    if at.size < MIN_ROWS:
        raise InputError(
            str(run["run"].values), f"reward: expected at least {MIN_ROWS} rows with a reward, found {at.size}"
        )
    at, width, notes = _batches(at)
    known = hyperparameters_of(run)
    columns = {name: _binned(run[name].values, at) for name in (*_OTHERS, *_FLOORS) if name in run}
    low, high, bounded = _range(reward[np.isfinite(reward)], known, notes)
    values = _scaled(run, columns, (low, high, bounded), known, notes)
    notes += _drop_spikes(values)
    no_signal = _without_signal(run)
    solved = no_signal and bounded and bool(np.nanmin(reward) == high)
    if no_signal:
        values["informative_groups"] = np.full(at.size, np.log(_least(known) / (1 + _least(known))))
    if no_signal and not solved:
        notes.append(Note("alarm", "informative_groups", _no_signal_text(reward, bounded)))
    always = {"reward", "informative_groups"} if no_signal else {"reward"}
    used = {
        name: column
        for name, column in values.items()
        if np.isfinite(column).sum() >= FEWEST and (np.nanmax(column) > np.nanmin(column) or name in always)
    }
    unused = {
        name: why for name, column in values.items() if name not in used and (why := _why_unused(name, column, columns))
    }
    noise = _sampling_noise(known, width) if bounded else None
    steps = run["optimizer_step"].values[at]
    return Channels(steps, used, noise, (low, high, bounded), no_signal, solved, unused, notes)


def _why_unused(name: str, values: np.ndarray, columns: dict[str, np.ndarray]) -> str:
    """Why a channel tells nothing; '' for one without a value, which counts as not logged."""
    count = int(np.isfinite(values).sum())
    if count < FEWEST:
        return f"logged in {count} row{'s' if count > 1 else ''}, fewer than {FEWEST}" if count else ""
    column = columns[next(source for source in (name, "zero_spread_share", "reward_spread") if source in columns)]
    low, high = f"{np.nanmin(column):g}", f"{np.nanmax(column):g}"
    return f"constant at {low}" if low == high else "never above 0"  # a logarithm knows no less than its floor


def _batches(at: np.ndarray) -> tuple[np.ndarray, int, list[Note]]:
    """Where the rows of a long run that are averaged begin, how many each are, and a note of that."""
    width = -(-at.size // MOST_ROWS)
    notes = []
    if width > 1:
        text = f"{at.size} rows: each {width} were averaged, so onsets are known to {width} rows at best"
        notes.append(Note("limit", "onset_step", text))
    # Means of equally many rows: a last one of few rows would look like a jump.
    bins = -(-at.size // width)
    return at[np.arange(bins) * at.size // bins], width, notes


def _scaled(
    run: xr.Dataset,
    columns: dict[str, np.ndarray],
    scale: tuple[float, float, bool],
    known: dict[str, float],
    notes: list[Note],
) -> dict[str, np.ndarray]:
    """Each channel on its scale."""
    low, high, bounded = scale
    place = (columns["reward"] - low) / (high - low)
    values = {"reward": _angle(place) if bounded else place}
    if "evaluation_reward" in columns:
        values["evaluation_reward"] = _evaluation(columns["evaluation_reward"], low, high, bounded)
    informative = _informative(run, columns, place if bounded else None, known, notes)
    if informative is not None:
        values["informative_groups"] = informative
    for name, floor in _FLOORS.items():
        if name in columns:
            values[name] = np.log(np.maximum(columns[name], 0) + floor)
    return values


def _drop_spikes(values: dict[str, np.ndarray]) -> list[Note]:
    """Leave out spikes of single rows, and say how many of each channel."""
    spikes = {name: count for name, column in values.items() if (count := _without_spikes(column))}
    if not spikes:
        return []
    listed = ", ".join(f"{count} of {name}" for name, count in spikes.items())
    return [Note("limit", ", ".join(spikes), f"isolated spikes of single rows are left out of the diagnosis: {listed}")]


def _without_signal(run: xr.Dataset) -> bool:
    """Whether every row has the same reward, or says that all groups are of one reward each."""
    reward = run["reward"].values
    if np.nanmax(reward) == np.nanmin(reward):
        return True
    if "zero_spread_share" not in run:
        return False
    dead = run["zero_spread_share"].values
    dead = dead[np.isfinite(dead)]
    return dead.size >= FEWEST and bool((dead == 1).all())


def _no_signal_text(reward: np.ndarray, bounded: bool) -> str:
    low, high = float(np.nanmin(reward)), float(np.nanmax(reward))
    if low < high:
        return "no group carries a signal: in every row all groups are of one reward each"
    text = f"no group carries a signal: the reward is {low:g} in every row"
    return text if bounded else f"{text}; if that is the highest possible, the task is solved: state --reward-bounds"


def _least(known: dict[str, float]) -> float:
    """Half a group as a share of a batch, for a count does not resolve less."""
    return 0.5 / known.get("prompts_per_step", 10.0)


def _binned(column: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Means over the rows from each of ``at`` to before the next; NaN where there is no value."""
    finite = np.isfinite(column)
    count = np.add.reduceat(finite.astype(float), at)
    total = np.add.reduceat(np.where(finite, column, 0.0), at)
    mean: np.ndarray = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean


def _range(reward: np.ndarray, known: dict[str, float], notes: list[Note]) -> tuple[float, float, bool]:
    """The lower and upper end of the reward's scale, and whether they are the bounds of the reward function."""
    if "reward_lower" in known and "reward_upper" in known:
        return known["reward_lower"], known["reward_upper"], True
    if reward.min() >= 0 and reward.max() <= 1:
        text = "reward bounds unknown: 0 to 1 assumed; state --reward-bounds LOWER UPPER"
        notes.append(Note("assumption", "reward_bounds", text))
        return 0.0, 1.0, True
    low, high = (float(q) for q in np.quantile(reward, [0.02, 0.98]))
    text = (
        "reward bounds unknown: a fall is measured against the range of the logged rewards, and prompts that are all "
        "solved cannot be told from prompts without a signal; state --reward-bounds LOWER UPPER"
    )
    notes.append(Note("assumption", "reward_bounds", text))
    middle, half = (low + high) / 2, max(high - low, 1e-9 * max(abs(high), 1e-300)) * 0.75
    return middle - half, middle + half, False


def _angle(place: np.ndarray) -> np.ndarray:
    """A share on the scale 2 asin(sqrt(x)) / pi, on which a mean of 0/1 rewards has the same noise everywhere."""
    angle: np.ndarray = 2 / np.pi * np.arcsin(np.sqrt(np.clip(place, 0, 1)))
    return angle


def _sampling_noise(known: dict[str, float], width: int) -> tuple[float, float] | None:
    """Standard deviation of a row's reward on the scale of `_angle`, expected and at most, from the completions in it.

    It is largest where all completions of a prompt are alike. Rewards of 0 or 1 vary most, so the bound holds for all
    others.
    """
    if "prompts_per_step" not in known or "group_size" not in known:
        return None
    prompts = known["prompts_per_step"] * known.get("logging_window", 1.0) * width
    share = PROMPT_CORRELATION + (1 - PROMPT_CORRELATION) / known["group_size"]
    return float(np.sqrt(share / prompts) / np.pi), float(np.sqrt(1 / prompts) / np.pi)


def _evaluation(column: np.ndarray, low: float, high: float, bounded: bool) -> np.ndarray:
    """The evaluation on the scale of the reward, or on a scale of its own where it lies outside the reward's bounds.

    What goes beyond 10 and not beyond 100 is per cent.
    """
    finite = column[np.isfinite(column)]
    if finite.size and (low, high) == (0.0, 1.0) and finite.min() >= 0 and 10 < finite.max() <= 100:
        column, finite = column / 100, finite / 100
    if not finite.size or (bounded and finite.min() >= low and finite.max() <= high):
        return _angle((column - low) / (high - low))
    place: np.ndarray = (column - finite.min()) / max(float(np.ptp(finite)) * 1.5, 1e-12)
    return place


def _informative(
    run: xr.Dataset,
    columns: dict[str, np.ndarray],
    place: np.ndarray | None,
    known: dict[str, float],
    notes: list[Note],
) -> np.ndarray | None:
    """Log of the share of groups with a signal, over that of binary rewards on prompts of one difficulty.

    A policy that solves everything is then not taken for one that has lost its signal, for there both shares vanish.
    Where only the spread within groups is logged, it is the log of the variance within groups over that of the rewards.
    """
    if "zero_spread_share" in columns:
        share, expected = 1 - columns["zero_spread_share"], np.ones(columns["zero_spread_share"].size)
        if place is not None:
            size = known.get("group_size")
            if size is None:
                size = 8.0
                text = "group_size unknown: 8 assumed for the share of groups with a signal; --group-size N"
                notes.append(Note("assumption", "group_size", text))
            x = np.clip(place, 0, 1)
            expected = 1 - x**size - (1 - x) ** size
        least = _least(known)
        log_share: np.ndarray = np.log((share + least) / (expected + least))
        return log_share
    if "reward_spread" not in columns or run["reward_spread"].attrs.get("spread") != "within_group" or place is None:
        return None
    x = np.clip(place, 0, 1)
    scale = (
        known["reward_upper"] - known["reward_lower"] if "reward_upper" in known and "reward_lower" in known else 1.0
    )
    log_variance: np.ndarray = np.log(((columns["reward_spread"] / scale) ** 2 + 0.02) / (x * (1 - x) + 0.02))
    return log_variance


def _without_spikes(values: np.ndarray) -> int:
    """Make single rows that stick out between two alike neighbours NaN, in place; return how many.

    A last row that sticks out has no neighbour after it that would bear it out, so it is left out as well.
    """
    where = np.flatnonzero(np.isfinite(values))
    if where.size < 8:
        return 0
    differences = np.diff(values[where])
    scale = max(float(np.median(np.abs(differences))) * 1.05, 1e-3)
    up, down = differences[:-1], differences[1:]
    spike = (np.minimum(np.abs(up), np.abs(down)) > _SPIKE * scale) & (up * down < 0) & (np.abs(up + down) < 4 * scale)
    alone = np.r_[False, spike, abs(differences[-1]) > _SPIKE * scale]
    values[where[alone]] = np.nan
    return int(alone.sum())
