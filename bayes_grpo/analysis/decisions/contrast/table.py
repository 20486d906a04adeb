"""A comparison as text that fits a terminal."""

from bayes_grpo.analysis.decisions.contrast.summary import ContrastSummary
from bayes_grpo.analysis.tables import number, render, titled, wrapped


def contrast_table(summary: ContrastSummary) -> str:
    """Which runs each configuration has, the answer in words, the ranking of more than two, then a row a measure."""
    first, second = summary["first"], summary["second"]
    runs = {row["configuration"]: ", ".join(row["runs"]) for row in summary["ranking"]}
    lines = [wrapped(f"{name}: {runs[name]}", indent="  ") for name in (first, *summary["against"])]
    lines += [wrapped(summary["statement"]), ""]
    if len(summary["ranking"]) > 2:
        ranks = titled(f"ranking by {summary['differences'][summary['by']]['title']}")
        for heading in ("configuration", "median", "90% low", "90% high", "P(best)", "P(best two)"):
            justify = "left" if heading == "configuration" else "right"
            ranks.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        for row in summary["ranking"]:
            value = row["value"]
            cells = (number(value[end]) for end in ("median", "lower", "upper"))
            two = row["probability_among_best"]["2"]
            ranks.add_row(row["configuration"], *cells, f"{row['probability_best']:.2f}", f"{two:.2f}")
        lines.append(render(ranks))
    table = titled(f"{first} against {second}: medians, {first} less {second} (x: their ratio), 90% interval")
    for heading in ("measure", first, second, "difference", "P(better)"):
        table.add_column(heading, justify="left" if heading == "measure" else "right", no_wrap=True)
    for name, row_of in summary["differences"].items():
        sign = "x " if row_of["ratio"] else ""
        ends = ", ".join(f"{value:.3g}" for value in (row_of["lower"], row_of["upper"]) if value is not None)
        sides = (number(row_of[side]["median"]) for side in ("first", "second"))
        table.add_row(name, *sides, f"{sign}{row_of['median']:.3g} ({ends})", f"{row_of['probability_better']:.2f}")
    laws = " and ".join(summary["models"])
    points = ", ".join(f"{name} {value:,.4g}" for name, value in summary["points"].items())
    return "\n".join([*lines, render(table), wrapped(f"by {laws}; compared at the most that all runs have: {points}")])
