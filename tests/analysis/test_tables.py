"""Tables fit the terminal, and no number in them is cut."""

import pytest

from bayes_grpo.analysis.tables import render, titled


@pytest.mark.parametrize("columns", [80, 120])
def test_a_wide_table_wraps_words_and_cuts_no_number(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    table = titled("a title [of the table] that is longer than a terminal is wide, " * 2)
    table.add_column("quantity")
    for heading in ("median", "90% low", "90% high", "ESS", "R-hat", "probability of more"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("unit")
    numbers = ("0.0005221", "0.0001489", "-1.234e+05", "29231", "1.001", "0.97")
    name, unit = "the learning rate at the onset, over today's", "share of the way to the plateau"
    table.add_row(name, *numbers, unit)
    text = render(table)
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text and all(number in text.split() for number in numbers)
    assert all(word in text.split() for word in (*name.split(), *unit.split(), "probability"))
