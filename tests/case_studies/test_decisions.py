"""The studies of decisions on a few runs: they go on where they stopped, and their numbers are what they say."""

import os
from pathlib import Path

import numpy as np
import pytest

from case_studies.common.table import Table
from case_studies.decisions import foretold
from case_studies.decisions.checkpoints import COLUMNS, EVERY, NOISE, STEPS, public, regrets, simulated
from case_studies.decisions.pairs import COLUMNS as COLUMNS_OF_PAIRS
from case_studies.decisions.pairs import compare, drawn_sides, report, trusted
from tests.common import PUBLIC


def test_a_table_goes_on_where_it_stopped(tmp_path: Path) -> None:
    table = Table(tmp_path / "folder" / "table.csv", ("key", "value"))
    table.add("a", 0.123456789)
    again = Table(table.path, ("key", "value"))
    assert list(again.missing(["a", "b"])) == ["b"] and again.rows() == [{"key": "a", "value": "0.123457"}]


def test_pairs(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table = Table(tmp_path / "pairs.csv", COLUMNS_OF_PAIRS)
    sides, gap = drawn_sides("population", 60, 5)
    assert trusted(sides) and [len(fits) for fits in sides.values()] == [2, 2]
    one, two = (compare(sides, seeds, gap, 0) for seeds in (1, 2))
    for chance, _, width in (one, two):
        assert width > 0 and ((chance > 0.5) == (gap > 0) or 0.05 < chance < 0.95)
    table.add("population-60-0", "population", 60, gap, *one, *two)
    report(table)
    assert f"two: coverage {float(two[1]):.3f}" in capsys.readouterr().out


def test_regrets_of_a_simulated_run() -> None:
    run, truth, seen = simulated(3)
    assert truth.size == STEPS.size // EVERY and np.abs(seen - truth).max() < 5 * NOISE
    chosen, even, last, everything = regrets(run, STEPS[EVERY - 1 :: EVERY].astype(float), truth, seen, 4, NOISE)
    assert min(chosen, even, last, everything) >= 0
    assert last == pytest.approx(truth.max() - truth[-1]) and everything == truth.max() - truth[seen.argmax()]


@pytest.mark.skipif(not PUBLIC.is_dir() and not os.environ.get("CI"), reason="the public runs are not there")
def test_public_runs_with_both_curves(tmp_path: Path) -> None:
    """One run is enough: the others stand in the table already."""
    table = Table(tmp_path / "public.csv", COLUMNS)
    name = "ShibukiZero__assignment5-alignment/main__grpo_train_loop__grpo_on_policy_lr1e-5"
    for line in (PUBLIC / "index.csv").read_text(encoding="utf-8").splitlines()[1:]:
        label = line.split(",")[0]
        if label != name:
            table.add(f"{label}:2", 2, 0, 0.0, 0.0, 0.0, 0.0)
    before = len(table.rows())
    public(PUBLIC, table, 2)
    (row,) = [row for row in table.rows()[before:] if row["key"].startswith(name)]
    assert int(row["checkpoints"]) >= 8 and 0 <= float(row["chosen"]) < 0.2 and float(row["all"]) == 0


def test_the_page_holds_what_the_study_of_plans_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(foretold.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    foretold.write_page(Table(foretold.TABLE, foretold.COLUMNS), page)
    assert page.read_text(encoding="utf-8") == foretold.PAGE.read_text(encoding="utf-8")
    assert "| all | " in page.read_text(encoding="utf-8")


@pytest.mark.skipif(not PUBLIC.is_dir() and not os.environ.get("CI"), reason="the public runs are not there")
def test_a_public_run_is_foretold_as_the_table_has_it() -> None:
    label, run = next(foretold.usable(PUBLIC))
    (row,) = [row for row in Table(foretold.TABLE, foretold.COLUMNS).rows() if row["key"] == label]
    start, seen, _ = foretold.ends(run)
    interval, signal, power = foretold.foretell(run, [])
    found = [start, seen, *interval, signal, power]
    stored = [float(row[name]) for name in ("start", "seen", "low", "median", "high", "signal", "power")]
    np.testing.assert_allclose(found, stored, rtol=1e-3)
