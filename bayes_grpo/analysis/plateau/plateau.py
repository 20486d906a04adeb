"""The plateau before training: the fixed point of the balance law, with arguments checked and the reward as answer."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bayes_grpo.errors import InputError
from bayes_grpo.laws.balance import fixed_point
from bayes_grpo.laws.finite_groups import finite_group_factor

#: Group sizes of the table.
SIZES = (2, 4, 8, 16, 32, 64, np.inf)


def balance_plateau(
    kl: ArrayLike,
    group_size: ArrayLike,
    start: ArrayLike,
    wrong: ArrayLike = 0.0,
    right: ArrayLike = 1.0,
    *,
    clipped: ArrayLike = 0.0,
    normalisation: str = "group",
) -> float | np.ndarray:
    """Expected reward at which the rewards' drive balances the pull of the reference; needs no run.

    Parameters
    ----------
    kl : array_like
        Weight of the KL term in the loss (TRL's ``beta``), at least 0; 0 gives ``right``, a ceiling that is approached
        ever more slowly.
    group_size : array_like
        Completions per prompt, at least 2; ``inf`` is the leading order.
    start : array_like
        Success probability of the reference policy, which is also the start; between 0 and 1, both excluded.
    wrong, right : array_like
        Probability that a wrong and a right answer is rewarded: the verifier's errors; 0 to 1, wrong below right.
    clipped : array_like
        Share of the drive that clipping removes, as logged by the trainer (clip ratio); 0 to 1.
    normalisation : {"group", "none"}
        Advantages over the group's standard deviation (GRPO), or as they are (Dr. GRPO).

    Returns
    -------
    float or numpy.ndarray
        Expected reward, of the arguments' common shape.

    Raises
    ------
    InputError
        Listing every impossible argument.

    Notes
    -----
    Rewards are 0 or 1 and prompts alike. The fixed point is that of Mroueh (arXiv 2503.06639), with the finite-group
    factor and the share that clipping removes; the equation stands in `bayes_grpo.laws.balance`.

    Examples
    --------
    >>> import bayes_grpo
    >>> round(bayes_grpo.balance_plateau(kl=0.4, group_size=8, start=1 / 11, wrong=0.2, right=0.8), 3)
    0.546
    >>> bayes_grpo.balance_plateau(kl=0.4, group_size=[2, 32], start=1 / 11, wrong=0.2, right=0.8).round(3)
    array([0.334, 0.595])
    """
    values = _checked(
        kl=kl,
        group_size=group_size,
        start=start,
        wrong=wrong,
        right=right,
        clipped=clipped,
        normalisation=normalisation,
    )
    kl, group_size, start, wrong, right, clipped = values
    p = np.asarray(fixed_point(kl, group_size, start, wrong, right, clipped, normalisation))
    reward = wrong + (right - wrong) * p
    return float(reward) if reward.ndim == 0 else reward


def plateau_table(
    kl: float, group_size: float, start: float, wrong: float, right: float, clipped: float, normalisation: str
) -> dict[str, Any]:
    """The plateau with what shapes it, and a table over group sizes and KL weights, as one JSON-ready object."""
    plateau = balance_plateau(kl, group_size, start, wrong, right, clipped=clipped, normalisation=normalisation)
    assert isinstance(plateau, float)
    sizes = np.unique([*SIZES, group_size])
    weights = np.array([0.5, 1.0, 2.0]) * kl if kl > 0 else np.array([0.0])
    rewards = balance_plateau(
        weights[None, :], sizes[:, None], start, wrong, right, clipped=clipped, normalisation=normalisation
    )
    assert isinstance(rewards, np.ndarray)
    bounded = max(2, round(group_size)) if np.isfinite(group_size) else None
    factor = 1.0 if bounded is None else float(finite_group_factor(plateau, bounded)) * (1 - 1 / bounded) ** 0.5
    return {
        "plateau": plateau,
        "start": wrong + (right - wrong) * start,
        "ceiling": right,
        "success_probability": (plateau - wrong) / (right - wrong),
        "group_factor": factor if normalisation == "group" else 1 - 1 / group_size,
        "zero_spread_share": plateau**group_size + (1 - plateau) ** group_size,
        "table": {
            "group_size": [float(size) if np.isfinite(size) else None for size in sizes],
            "kl": weights.tolist(),
            "plateau": rewards.tolist(),
        },
    }


def _checked(normalisation: str, **arguments: ArrayLike) -> list[np.ndarray]:
    faults: list[str] = []
    values: list[np.ndarray] = []
    expected: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
        "kl": ("at least 0", lambda v: v >= 0),
        "group_size": ("from 2 to 10,000, or infinite", lambda v: (v >= 2) & ((v <= 10_000) | np.isinf(v))),
        "start": ("between 0 and 1, a success probability", lambda v: (v > 0) & (v < 1)),
        "wrong": ("0 to 1, the probability that a wrong answer is rewarded", lambda v: (v >= 0) & (v <= 1)),
        "right": ("0 to 1, the probability that a right answer is rewarded", lambda v: (v >= 0) & (v <= 1)),
        "clipped": ("0 to 1", lambda v: (v >= 0) & (v <= 1)),
    }
    for name, value in arguments.items():
        text, possible = expected[name]
        try:
            array = np.asarray(value, float)
        except (TypeError, ValueError):
            faults.append(f"{name}: expected numbers {text}, found {value!r}")
            continue
        outside = array[~possible(array)]
        if outside.size:
            faults.append(f"{name}: expected numbers {text}, found {outside.flat[0]:g}")
        values.append(array)
    if normalisation not in ("group", "none"):
        faults.append(f"normalisation: expected group or none, found {normalisation!r}")
    if not faults:
        try:
            values = list(np.broadcast_arrays(*values))
        except ValueError:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(arguments, values, strict=True))
            faults.append(f"expected arguments of one shape, or shapes that broadcast; found {shapes}")
    if not faults and (values[3] >= values[4]).any():
        faults.append("wrong: expected numbers below those of right, a verifier that prefers right answers")
    if faults:
        raise InputError("balance_plateau", faults)
    return values
