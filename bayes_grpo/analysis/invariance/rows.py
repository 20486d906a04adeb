"""What the summary of a check of group-size invariance holds."""

from typing import Any, TypedDict

from bayes_grpo.analysis.intervals import IntervalRow
from bayes_grpo.analysis.notes import Noted


class CheckRow(TypedDict):
    """Posterior-predictive p-value, and how many predictive standard deviations the runs are off."""

    p_value: float
    discrepancy: float


class ExponentRow(IntervalRow):
    """Mean, median and interval."""

    mean: float


class ElpdDifference(TypedDict):
    """Log predictive density of a law less that of the leading order; ``found`` is whether that is clear."""

    nats: float
    standard_error: float | None
    monte_carlo_error: float
    found: bool


class BalanceRow(TypedDict):
    """The three checks of the balance law, and its log predictive density less the leading order's."""

    trajectory: CheckRow | None
    fluctuation: CheckRow | None
    autocorrelation: CheckRow | None
    elpd_difference: ElpdDifference


class InvarianceSummary(Noted):
    """What `summarise_invariance` says; see there."""

    groups: list[dict[str, Any]]
    trajectory: CheckRow | None
    fluctuation: CheckRow | None
    autocorrelation: CheckRow | None
    finite_groups: dict[str, CheckRow | None]
    balance: BalanceRow | None
    exponent: ExponentRow
    sampling_exponent: ExponentRow
    between_prompt_share: ExponentRow
    update_share: ExponentRow
    residual: dict[str, Any]
    elpd_difference: ElpdDifference
    interval: dict[str, Any]
    statement: str
    converged: bool
