"""The columns of a fit's parameters: one list, from which JSON, table and report follow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from bayes_grpo.analysis.intervals import INTERVAL_PROB, IntervalRow, interval_row
from bayes_grpo.inference.convergence import by_quantity
from bayes_grpo.laws.units import UNITS

#: What a summary says of one parameter: an entry for each column that has a key, and ``fixed`` where the law fixes the
#: value.
Row = dict[str, Any]

#: Where a column is shown.
TABLE, REPORT = "table", "report"


@dataclass(frozen=True)
class Quantity:
    """Draws of one parameter or derived quantity, and what the columns are computed from.

    Parameters
    ----------
    draws : numpy.ndarray
        Posterior draws, shape (chain, draw); one value where the law fixes it.
    prior : numpy.ndarray or None
        Draws of the prior.
    unit : str
        Unit of both.
    ess_bulk, rhat : float or None
        Effective sample size of the bulk, and R-hat; None where the value is the same in every draw.
    fixed : bool
        Whether the law fixes the value; it is NaN or infinite where the quantity does not exist.
    """

    draws: np.ndarray
    prior: np.ndarray | None
    unit: str
    ess_bulk: float | None = None
    rhat: float | None = None
    fixed: bool = False

    @cached_property
    def posterior_interval(self) -> IntervalRow:
        """Median and interval of the posterior."""
        return interval_row(self.draws)

    @cached_property
    def prior_interval(self) -> IntervalRow | None:
        """Median and interval of the prior, if its draws are known."""
        return None if self.prior is None else interval_row(self.prior)

    @property
    def sd(self) -> float | None:
        """Posterior standard deviation."""
        if self.fixed:
            return 0.0 if np.isfinite(self.draws).all() else None
        return finite(self.draws.std(ddof=1)) if self.draws.size > 1 else None

    @property
    def narrowed_to(self) -> float | None:
        """Width of the posterior's interval as a share of the prior's."""
        before, after = self.prior_interval, self.posterior_interval
        if before is None or before["lower"] is None or before["upper"] is None:
            return None
        width = before["upper"] - before["lower"]
        if after["lower"] is None or after["upper"] is None or width <= 0:
            return None
        return (after["upper"] - after["lower"]) / width


#: How a place writes a number.
Number = Callable[[float | None], str]


@dataclass(frozen=True)
class Column:
    """One column: its entry in the JSON, how that is computed, and how it is shown.

    Parameters
    ----------
    key : str
        Entry of a `Row`; '' for a column that is shown from other entries.
    heading : str
        Head of the column; '' for an entry of the JSON that is not shown.
    compute : callable, optional
        The entry of a quantity, ready for JSON; needed with a key.
    show : callable, optional
        The cell of a row, given how the place writes numbers; by default the entry as a number.
    places : tuple of str
        Where it is shown: `TABLE` in the terminal, `REPORT` on the page.
    fixed : str or None
        What the cell says of a quantity that the law fixes; None shows it like any other.
    words : bool
        Whether the cells are words, which stand on the left.
    """

    key: str
    heading: str
    compute: Callable[[Quantity], Any] | None = None
    show: Callable[[Row, Number], str] | None = None
    places: tuple[str, ...] = (TABLE, REPORT)
    fixed: str | None = ""
    words: bool = False

    def cell(self, row: Row, number: Number) -> str:
        """Text of the column's cell in a row."""
        if row.get("fixed") and self.fixed is not None:
            return self.fixed
        return number(row[self.key]) if self.show is None else self.show(row, number)


def finite(value: Any) -> float | None:
    """A number ready for JSON; None for what is infinite or undefined."""
    number = float(value)
    return number if np.isfinite(number) else None


def _median(row: Row, number: Number) -> str:
    return "none" if row.get("fixed") and row["median"] is None else number(row["median"])


def _interval(limits: Mapping[str, Any] | None, number: Number) -> str:
    return "-" if limits is None else f"{number(limits['lower'])} to {number(limits['upper'])}"


def _digits(value: float | None, digits: str) -> str:
    return "-" if value is None else format(value, digits)


_LEVEL = f"{INTERVAL_PROB:.0%}"

#: All columns, in the order in which they are shown. A new one is a new entry here.
COLUMNS: list[Column] = [
    Column("median", "median", lambda quantity: quantity.posterior_interval["median"], _median, fixed=None),
    Column("mean", "", lambda quantity: finite(quantity.draws.mean())),
    Column("sd", "", lambda quantity: quantity.sd),
    Column(
        "lower", f"{_LEVEL} low", lambda quantity: quantity.posterior_interval["lower"], places=(TABLE,), fixed="fixed"
    ),
    Column("upper", f"{_LEVEL} high", lambda quantity: quantity.posterior_interval["upper"], places=(TABLE,)),
    Column("", "posterior", show=_interval, places=(REPORT,), fixed="fixed"),
    Column(
        "prior",
        "prior",
        lambda quantity: quantity.prior_interval,
        lambda row, number: _interval(row["prior"], number),
        places=(REPORT,),
    ),
    Column(
        "narrowed_to",
        "narrowed to",
        lambda quantity: quantity.narrowed_to,
        lambda row, number: _digits(row["narrowed_to"], ".0%"),
        places=(REPORT,),
    ),
    Column("ess_bulk", "ESS", lambda quantity: quantity.ess_bulk, lambda row, number: _digits(row["ess_bulk"], ".0f")),
    Column("rhat", "R-hat", lambda quantity: quantity.rhat, lambda row, number: _digits(row["rhat"], ".3f")),
    Column(
        "unit", "unit", lambda quantity: quantity.unit, lambda row, number: str(row["unit"]), fixed=None, words=True
    ),
]


def shown_in(place: str) -> list[Column]:
    """The columns that a place shows, `TABLE` or `REPORT`."""
    return [column for column in COLUMNS if column.heading and place in column.places]


def row_of(quantity: Quantity) -> Row:
    """What a summary says of a quantity: the entry of every column that has a key."""
    row = {column.key: column.compute(quantity) for column in COLUMNS if column.key and column.compute is not None}
    return row | {"fixed": True} if quantity.fixed else row


def parameter_rows(fit: xr.DataTree, posterior: xr.Dataset, prior: xr.Dataset) -> dict[str, Row]:
    """A row for each scalar quantity, in the order of `UNITS`, what belongs to a population last.

    Parameters
    ----------
    fit : xarray.DataTree
        The fit whose quantities these are.
    posterior, prior : xarray.Dataset
        Draws, dims (chain, draw).
    """
    if not posterior.data_vars:
        return {}
    diagnostics = by_quantity(fit, posterior)
    names = [*(name for name in UNITS if name in posterior), *(n for n in posterior.data_vars if n not in UNITS)]
    return {
        str(name): row_of(
            Quantity(
                posterior[name].values,
                prior[name].values if name in prior else None,
                posterior[name].attrs["units"],
                finite(diagnostics[str(name)][1]),
                finite(diagnostics[str(name)][0]),
            )
        )
        for name in names
    }


def fixed_rows(values: Mapping[str, float]) -> dict[str, Row]:
    """A row for each quantity that the law fixes."""
    return {
        name: row_of(Quantity(np.full((1, 1), value, dtype=float), None, UNITS[name], fixed=True))
        for name, value in values.items()
    }
