"""The laws' equations written anew in NumPy, from what a model file chooses and not from the package's classes.

`moments` has the mean and covariance of (expected reward, velocity) of the laws that are linear in the reward, by
matrix exponentials; `paths` draws from the others by small Euler steps (Maruyama 1955).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.linalg import expm

from bayes_grpo.laws.finite_groups import finite_group_factor
from tests.laws.compositions import (
    CLIPPED,
    GAPS,
    GROUP_SIZE,
    LOWER,
    MASS,
    MEAN_AGE,
    RANGE,
    RATES,
    REFERENCE_GROUP,
    RELATIVE_PROMPTS,
    VALUES,
)

Chosen = Mapping[str, Any]
#: Euler steps per optimizer step.
PARTS = 32


def is_linear(chosen: Chosen) -> bool:
    if chosen["dynamics"] == "richards" or chosen["dynamics"].startswith("balance"):
        return False
    return chosen.get("coordinate", "reward") == "reward" and not chosen.get("finite_groups", False)


def is_curve(chosen: Chosen) -> bool:
    """Whether the law is a curve in time with a fluctuation about it."""
    return chosen["dynamics"] in ("sigmoid", "power_law", "s_curve")


def is_heavy(chosen: Chosen) -> bool:
    """Whether the law has mass."""
    return chosen["dynamics"].endswith("second_order")


def rates(chosen: Chosen) -> np.ndarray:
    """Learning rate over its peak in the gap before each row."""
    return RATES if chosen["schedule"] else np.ones_like(RATES)


def plateau(chosen: Chosen) -> float:
    return VALUES["initial_reward"] + VALUES["rise"] * RANGE if chosen.get("relative") else VALUES["plateau"]


def noise_scale(chosen: Chosen, kind: str) -> float:
    """Variance at this run's group size over the stated one."""
    if chosen["group_noise"] == "own":
        return 1.0
    if chosen["group_noise"] == "split":
        share = VALUES[f"{kind}_share"]
        here, there = (share + (1 - share) / size for size in (GROUP_SIZE, REFERENCE_GROUP))
        return here / there / RELATIVE_PROMPTS
    exponent = 1.0 if chosen["group_noise"] == "inverse" else VALUES[f"{kind}_exponent"]
    return (REFERENCE_GROUP / GROUP_SIZE) ** exponent / RELATIVE_PROMPTS


def intensity(chosen: Chosen, rate: float) -> float:
    """White-noise intensity of the reward (reward^2/step)."""
    if not chosen["process_noise"]:
        return 0.0
    scale = noise_scale(chosen, "temperature")
    if chosen["dynamics"] == "random_walk":
        return (VALUES["step_sd"] * rate) ** 2 * scale
    fluctuation = VALUES["noise_ratio"] * VALUES["observation_sd"] if chosen.get("relative") else VALUES["fluctuation"]
    pull = 1 / VALUES["correlation_time"] if is_curve(chosen) else VALUES["stiffness"]
    return 2 * pull * (fluctuation * rate) ** 2 * scale


def mass(chosen: Chosen) -> float:
    return VALUES["mass"] if chosen["mass"] == "parameter" else MASS


def damping(chosen: Chosen, stiffness: Any) -> Any:
    return 1 - VALUES["lag_share"] * stiffness * MEAN_AGE if chosen["damping"] == "lag" else VALUES["damping"]


def start_velocity(chosen: Chosen, force: float) -> float:
    """Velocity before the first row, where the pull is ``force`` at the peak learning rate."""
    if not is_heavy(chosen):
        return 0.0
    return VALUES["initial_velocity"] * force * (0.3 if chosen["schedule"] else 1.0)


def moments(chosen: Chosen) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Mean (2,) and covariance (2, 2) of (expected reward, velocity) in each row of a linear law."""
    if is_curve(chosen):
        start = VALUES["initial_reward"]
        variance = 0.0
        for part, gap, rate in zip(_share_of_the_way(chosen), GAPS, rates(chosen), strict=True):
            q, pull = intensity(chosen, rate), rate / VALUES["correlation_time"]
            variance = variance * np.exp(-2 * pull * gap) + q * -np.expm1(-2 * pull * gap) / (2 * pull)
            yield np.array([start + (plateau(chosen) - start) * part, 0.0]), np.diag([variance, 0.0])
        return
    rest = 0.0 if chosen["dynamics"] == "random_walk" else plateau(chosen)
    gap_to_rest = rest - VALUES["initial_reward"]
    mean = np.array([-gap_to_rest, start_velocity(chosen, VALUES["stiffness"] * gap_to_rest)])
    covariance = np.zeros((2, 2))
    for gap, rate in zip(GAPS, rates(chosen), strict=True):
        drift, noise = _generator(chosen, rate)
        block = np.block([[-drift, noise], [np.zeros((2, 2)), drift.T]])
        exponential = expm(block * gap)
        f = exponential[2:, 2:].T
        mean, covariance = f @ mean, f @ covariance @ f.T + f @ exponential[:2, 2:]
        yield mean + np.array([rest, 0.0]), covariance


def _share_of_the_way(chosen: Chosen) -> np.ndarray:
    """Share of the way from the start to the plateau that a curve has gone in each row."""
    time = np.cumsum(GAPS * rates(chosen))
    if chosen["dynamics"] == "power_law":
        spread = VALUES["difficulty_spread"]
        left: np.ndarray = (1 + spread * VALUES["stiffness"] * time) ** (-1 / spread)
        return 1 - left
    if chosen["dynamics"] == "s_curve":
        start = VALUES["initial_drive"]
        drive = 1 / (1 + (1 / start - 1) * np.exp(-VALUES["stiffness"] * time))
        dose = np.log((1 - start) / (1 - drive))  # the integral of the stiffness times the drive
        spread = VALUES["difficulty_spread"]
        return np.asarray(1 - (1 + spread * dose) ** (-1 / spread))
    with np.errstate(divide="ignore"):
        share: np.ndarray = 1 / (1 + (VALUES["midpoint"] / time) ** VALUES["steepness"])
    return share


def _generator(chosen: Chosen, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Drift and diffusion matrices of (distance from rest, velocity)."""
    q = intensity(chosen, rate)
    if chosen["dynamics"] == "random_walk":
        return np.zeros((2, 2)), np.diag([q, 0.0])
    k = VALUES["stiffness"] * rate
    if chosen["dynamics"] == "first_order":
        return np.diag([-k, 0.0]), np.diag([q, 0.0])
    m = mass(chosen)
    return np.array([[0.0, 1.0], [-k / m, -damping(chosen, k) / m]]), np.diag([0.0, q / m**2])


def bounds(chosen: Chosen) -> tuple[float, float] | None:
    """Lower bound and range of the rewards that the state is the logit of; None where it is the reward itself."""
    if chosen["dynamics"].startswith("balance"):
        return VALUES["wrong_reward"], VALUES["right_reward"] - VALUES["wrong_reward"]
    return (LOWER, RANGE) if chosen.get("coordinate") == "logit" else None


def to_reward(chosen: Chosen, state: np.ndarray) -> np.ndarray:
    limits = bounds(chosen)
    return state if limits is None else limits[0] + limits[1] / (1 + np.exp(-state))


def to_state(chosen: Chosen, reward: float) -> float:
    limits = bounds(chosen)
    if limits is None:
        return reward
    place = (reward - limits[0]) / limits[1]
    return float(np.log(place / (1 - place)))


def force(chosen: Chosen, rate: float, state: np.ndarray) -> np.ndarray:
    """Drift of a law that is not linear, in its coordinate."""
    k, reward = VALUES["stiffness"] * rate, to_reward(chosen, state)
    if chosen["dynamics"] == "richards":
        x, most, shape = np.maximum(reward - LOWER, 1e-4 * RANGE), plateau(chosen) - LOWER, VALUES["shape"]
        return k * x / shape * (1 - (x / most) ** shape)
    place = np.clip((reward - LOWER) / RANGE, 1e-6, 1 - 1e-6)
    factor = np.asarray(finite_group_factor(place, GROUP_SIZE)) * np.sqrt(1 - 1 / GROUP_SIZE)
    factor = factor if chosen["finite_groups"] else 1.0
    if chosen["dynamics"].startswith("balance"):
        drive = (VALUES["right_reward"] - VALUES["wrong_reward"]) / RANGE * factor / np.sqrt(place * (1 - place))
        return k * (
            drive * (1 - CLIPPED) - VALUES["kl_weight"] * (state - to_state(chosen, VALUES["reference_reward"]))
        )
    pull = plateau(chosen) - reward
    return k * factor * (pull * 4 / RANGE if chosen["coordinate"] == "logit" else pull)


def paths(chosen: Chosen, count: int, seed: int) -> np.ndarray:
    """Expected rewards of a law that is not linear, shape (count, rows)."""
    rng = np.random.default_rng(seed)
    x = np.full(count, to_state(chosen, VALUES["initial_reward"]))
    v = start_velocity(chosen, force(chosen, 1.0, x)[0])
    out = []
    for gap, rate in zip(GAPS, rates(chosen), strict=True):
        sd = np.sqrt(intensity(chosen, rate)) * (1.0 if bounds(chosen) is None else 4 / RANGE)
        parts = round(gap * PARTS)
        for _ in range(parts):
            dt, kick = gap / parts, sd * np.sqrt(gap / parts) * rng.normal(size=count)
            pull = force(chosen, rate, x)
            if is_heavy(chosen):
                slope = (force(chosen, rate, x + 1e-4) - force(chosen, rate, x - 1e-4)) / 2e-4
                v = v + (pull * dt - damping(chosen, -slope) * v * dt + kick) / mass(chosen)
                x = x + v * dt
            else:
                x = x + pull * dt + kick
        out.append(to_reward(chosen, x))
    return np.array(out).T
