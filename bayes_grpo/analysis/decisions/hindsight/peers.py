"""What a curve fit of the same log says of the rewards to come."""

import numpy as np
import xarray as xr

from bayes_grpo.analysis.collapses import recent
from bayes_grpo.errors import InputError
from bayes_grpo.runs.dataset import hyperparameters_of

#: What stands for step 0, which has no logarithm.
_FIRST_STEP = 1e-9


def scalerl_curve(
    steps: np.ndarray, rewards: np.ndarray, ahead: np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> np.ndarray:
    """The sigmoid in compute of ScaleRL (arXiv 2510.13786), fitted by bounded least squares.

    ``R(t) = R0 + (A - R0) / (1 + (t_mid / t)^B)``, where steps stand for compute: all steps of a run cost alike.

    Parameters
    ----------
    steps, rewards : numpy.ndarray
        The log.
    ahead : numpy.ndarray
        Steps to come.
    bounds : tuple of float
        Of the reward: the start and the plateau lie between them.

    Returns
    -------
    numpy.ndarray
        The curve at the steps to come, in units of the reward.

    Raises
    ------
    InputError
        If the least-squares search does not end.

    Examples
    --------
    >>> import numpy as np
    >>> from bayes_grpo.analysis.decisions.hindsight.peers import scalerl_curve
    >>> t = np.arange(1.0, 101.0)
    >>> scalerl_curve(t, 0.2 + 0.6 / (1 + (30 / t) ** 2), np.array([30.0, 1e6])).round(3).tolist()
    [0.5, 0.8]
    """
    from scipy.optimize import curve_fit

    last, span = recent(rewards), float(steps[-1])
    lower = [bounds[0], bounds[0], np.log(span / 100), 0.1]
    upper = [bounds[1], bounds[1], np.log(span * 100), 10.0]
    begin = [rewards[: last.rows].mean(), last.mean, np.log(span / 3), 1.5]
    try:
        best = curve_fit(_sigmoid, steps, rewards, begin, bounds=(lower, upper), max_nfev=2000)[0]
    except RuntimeError as error:
        raise InputError("least squares", f"the search for ScaleRL's sigmoid did not end ({error})") from error
    return _sigmoid(ahead, *best)


def _sigmoid(step: np.ndarray, start: float, plateau: float, log_middle: float, steepness: float) -> np.ndarray:
    value: np.ndarray = start + (plateau - start) / (
        1 + np.exp(steepness * (log_middle - np.log(np.maximum(step, _FIRST_STEP))))
    )
    return value


def scalerl_ahead(ahead: xr.Dataset, run: xr.Dataset, steps: np.ndarray) -> np.ndarray:
    """`scalerl_curve` of the log that a forecast is of, between the reward's bounds where they are known.

    Parameters
    ----------
    ahead : xarray.Dataset
        From `bayes_grpo.forecast`.
    run : xarray.Dataset
        The run, for its bounds.
    steps : numpy.ndarray
        Steps to come.
    """
    known = hyperparameters_of(run)
    bounds = (known.get("reward_lower", -np.inf), known.get("reward_upper", np.inf))
    return scalerl_curve(ahead["logged_step"].values, ahead["logged_reward"].values, steps, bounds)
