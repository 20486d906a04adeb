"""How far the balance law is off: what a run's own plateau tells of it, and what remains at other refresh intervals.

The law is for one success probability. Prompts of unequal difficulty or partial credit put a plateau elsewhere, by
about as much at every refresh interval (case_studies/trl_lab/law_error.py). So the run's own plateau tells most of it.
"""

from typing import NamedTuple

import numpy as np

from bayes_grpo.analysis.stability.conditions import Conditions, odds

#: Standard deviation, before a run, of the logit of success at a plateau about the law's: root mean square over 31
#: settings of two tasks, which teach 0.24 and 0.79. It counts where the run's own plateau is hardly known.
LAW_OFFSET = 0.5
#: Standard deviation of what remains at another refresh interval once the run's own is known: root mean square over 21
#: pairs of refresh intervals, 0.05 to 0.06 with each family of settings left out in turn, 18 of them then held.
LAW_DISCREPANCY = 0.06


class Seen(NamedTuple):
    """What a run shows itself: its refresh interval, its clip share there, and how far the law is off (draws)."""

    interval: float
    clipped: float
    offset: np.ndarray


def law_offset(conditions: Conditions, plateau: np.ndarray, clipped: float) -> np.ndarray:
    """Logit of success at the run's own plateau less the law's, shape (draws,).

    Parameters
    ----------
    conditions : Conditions
        What the law is given.
    plateau : numpy.ndarray
        Draws of the plateau as the run itself has it, reward.
    clipped : float
        Share of the drive that is clipped at the run's own refresh interval.

    Returns
    -------
    numpy.ndarray
        Draws of it, weighted by a normal prior of standard deviation `LAW_OFFSET` and drawn again: a run that hardly
        tells its plateau hardly tells how far the law is off.
    """
    law = conditions.paths(np.full(plateau.size, clipped))[0][:, -1]
    off = odds((plateau - conditions.wrong) / (conditions.right - conditions.wrong), 1e-3) - law
    weight = np.exp(((off**2).min() - off**2) / (2 * LAW_OFFSET**2))
    return np.asarray(np.random.default_rng([0, 2]).choice(off, off.size, p=weight / weight.sum()))
