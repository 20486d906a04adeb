"""What every law takes: a run laid out in time, and parameters by name."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jax import Array

from bayes_grpo.laws.grid import Grid
from bayes_grpo.laws.shapes import Scalar

#: Parameters of a law by name, each a scalar.
Parameters = Mapping[str, Scalar]


class RunData(NamedTuple):
    """A run as the argument of a compiled program; if runs are fitted together, entries have a leading dimension.

    ``duration`` (step) is the time from the first row to the last, ``mean_age`` (step) that of the rollouts.
    ``resolution`` (reward) is the least standard deviation of a logged reward: without it, a curve that ends in
    exactly equal values (after a collapse to 0, say) would have unbounded likelihood at zero noise. Where a law scales
    noise with the group size, ``reference_group`` is the group size for which the noise is stated, and
    ``relative_prompts`` the run's prompts per step over those for which it is stated. ``log_group_factor`` is the
    table of `bayes_grpo.laws.finite_groups.group_factor_table`, and ``clipped`` the mean share of tokens whose
    importance ratio was clipped.
    """

    grid: Grid
    duration: float
    closed_form_mass: float
    mean_age: float
    group_size: float
    reference_group: float
    relative_prompts: float
    resolution: float
    reward_lower: float
    reward_range: float
    log_group_factor: Array | np.ndarray
    clipped: float = 0.0
