"""Columns of a fit's parameters: a new one is one entry, for JSON, table and report alike."""

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import describe_run, pair_fits, report_html, summarise
from bayes_grpo.analysis.intervals import interval
from bayes_grpo.analysis.posterior import columns
from bayes_grpo.analysis.posterior.columns import COLUMNS, REPORT, TABLE, Column, Quantity, row_of, shown_in
from bayes_grpo.analysis.posterior.table import summary_table


def test_a_new_column_is_one_entry(small_fit: xr.DataTree, monkeypatch: pytest.MonkeyPatch) -> None:
    added = Column("above_half", "P(> 0.5)", lambda quantity: float((quantity.draws > 0.5).mean()))
    monkeypatch.setattr(columns, "COLUMNS", [*COLUMNS, added])
    monkeypatch.setenv("COLUMNS", "120")
    summary = summarise(small_fit)
    expected = float((small_fit["posterior"]["plateau"].values > 0.5).mean())
    assert 0.9 < expected <= 1 and summary["parameters"]["plateau"]["above_half"] == expected
    table = summary_table(summary)
    (plateau,) = [line for line in table.splitlines() if line.strip().startswith("plateau")]
    assert "P(> 0.5)" in table and plateau.rstrip().endswith(f"{expected:.4g}")
    page = report_html([describe_run(pair_fits([small_fit])[0])])
    assert "P(&gt; 0.5)" in page and f"{expected:.3g}</td>" in page


def test_rows_are_the_draws(small_fit: xr.DataTree) -> None:
    draws = small_fit["posterior"]["timescale"].values
    row = summarise(small_fit)["parameters"]["timescale"]
    limits = interval(draws, axis=None)
    assert (row["median"], row["lower"], row["upper"]) == pytest.approx((limits.median, limits.lower, limits.upper))
    assert row["mean"] == pytest.approx(draws.mean()) and row["sd"] == pytest.approx(draws.std(ddof=1))
    before = interval(small_fit["prior"]["timescale"].values, axis=None)
    assert row["prior"]["upper"] == pytest.approx(before.upper)
    assert row["narrowed_to"] == pytest.approx((limits.upper - limits.lower) / (before.upper - before.lower))


def test_the_centre_that_is_shown_is_the_median() -> None:
    """The mean and sd of a heavy tail stay in the JSON and are shown nowhere."""
    draws = np.concatenate([np.full(950, 10.0), np.full(50, 1e6)]).reshape(1, -1)
    row = row_of(Quantity(draws, None, "step", 400.0, 1.0))
    assert row["median"] == 10.0 and row["mean"] == pytest.approx(50_009.5)
    for place in (TABLE, REPORT):
        cells = {column.heading: column.cell(row, str) for column in shown_in(place)}
        assert cells["median"] == "10.0" and "mean" not in cells and "sd" not in cells


def test_what_the_law_fixes_is_said_to_be_fixed(small_fit: xr.DataTree) -> None:
    row = summarise(small_fit)["parameters"]["damping_ratio"]
    assert row["fixed"] and row["median"] is None and row["rhat"] is None
    cells = [column.cell(row, str) for column in shown_in(TABLE)]
    assert cells == ["none", "fixed", "", "", "", "1"]
