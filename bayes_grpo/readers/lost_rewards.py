"""Runs whose rewards end before their rows do, as NaN where training broke down."""

import numpy as np

from bayes_grpo.errors import Note
from bayes_grpo.readers.log import reading_note

#: Rows without a reward at a log's end that are told, and the share of the rows before that must have one: where fewer
#: have, rows without a reward are of another kind, such as evaluations.
_FEWEST, _LOGGED = 5, 0.9
#: What every such note says.
LOST = "have no reward (NaN or none)"


def lost_rewards(step: np.ndarray, reward: np.ndarray) -> list[Note]:
    """A note where a log goes on after its last reward.

    Parameters
    ----------
    step, reward : numpy.ndarray
        Of each row, NaN where it has none.

    Examples
    --------
    >>> import numpy as np
    >>> step = np.arange(1.0, 51.0)
    >>> print(lost_rewards(step, np.where(step <= 40, 0.5, np.nan))[0].text)
    the last 10 rows, steps 41 to 50, have no reward (NaN or none) and are left out; a run that breaks down ends so
    """
    counted = np.isfinite(step)
    steps = np.unique(step[counted])
    has_reward = np.isin(steps, step[counted & np.isfinite(reward)])
    if not has_reward.any():
        return []
    begin, end = np.flatnonzero(has_reward)[[0, -1]]
    after = steps[end + 1 :]
    if after.size < _FEWEST or has_reward[begin : end + 1].mean() < _LOGGED:
        return []
    text = (
        f"the last {after.size} rows, steps {after[0]:g} to {after[-1]:g}, {LOST} and are left out; a run that breaks "
        "down ends so"
    )
    return [reading_note("reward", text)]
