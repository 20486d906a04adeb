"""What every law is given: a run laid out in time, and parameters by name."""

from collections.abc import Mapping
from typing import NamedTuple

from jax import Array
from jax.typing import ArrayLike

from bayes_grpo.laws.grid import Grid

#: Parameters of a law by name, each a scalar.
Parameters = Mapping[str, Array]


class RunData(NamedTuple):
    """A run as the argument of a compiled program; for runs fitted together every entry has a leading dimension.

    ``resolution`` (reward) is the least standard deviation of a logged reward: a curve that ends in exactly equal values,
    as after a collapse to 0, would else have unbounded likelihood at zero noise. ``reference_group`` is the group size at
    which noise is stated where a law scales it, and ``relative_prompts`` the prompts per step over those at which it is
    stated. ``duration`` (step) is the time from first to last row. ``log_group_factor`` is the table of
    `bayes_grpo.laws.finite_groups.group_factor_table`; ``clipped`` the mean share of tokens whose ratio was clipped.
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
    log_group_factor: ArrayLike
    clipped: float = 0.0
