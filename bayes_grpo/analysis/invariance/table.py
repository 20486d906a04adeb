"""The table of `bayes-grpo invariance`."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from bayes_grpo.analysis.invariance.statistics import STATISTICS
from bayes_grpo.analysis.tables import figure, render, wrapped


def invariance_table(found: dict[str, Any]) -> str:
    """Each group size against the prediction from the others, then how noise and mean depend on G, then the result in words."""
    level = f"{found['interval']['prob']:.0%}"
    lines = []
    for law, title in (
        ("leading", "off by, each group size predicted from the others: group size enters the noise alone"),
        ("finite_groups", "the same, with the finite-group factor"),
    ):
        table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
        for heading in ("G", "runs", *(f"{name} (p)" for name in STATISTICS), "elpd"):
            table.add_column(heading, justify="right")
        for row in found["groups"]:
            cells = [_check(row[law][name]) for name in STATISTICS]
            table.add_row(f"{row['group_size']:g}", str(row["runs"]), *cells, f"{row[law]['elpd']:.1f}")
        overall = found if law == "leading" else found["finite_groups"]
        table.add_row("all", "", *(_check(overall[name]) for name in STATISTICS), "")
        lines.append(render(table))
    table = Table(box=SIMPLE_HEAD, title="dependence on the group size", title_justify="left", pad_edge=False)
    table.add_column("quantity")
    for heading in ("mean", f"{level} low", f"{level} high", "invariant"):
        table.add_column(heading, justify="right", no_wrap=True)
    residual = found["residual"]
    for name, row, expected in (
        ("noise of the update ~ G^-a", found["exponent"], "1"),
        ("noise of the logged means ~ G^-b", found["sampling_exponent"], "1"),
        ("share of the sampling noise between prompts", found["between_prompt_share"], "0"),
        ("share of the update's noise between prompts", found["update_share"], "0"),
        ("plateau, reward per doubling of G", residual["plateau"], "0"),
        ("stiffness ~ G^b", residual["stiffness"], "0"),
        ("within-group spread over sqrt(p (1 - p)) ~ G^b", residual["within_group_spread"], "0"),
    ):
        numbers = ["-"] * 3 if row is None else [figure(row[key]) for key in ("mean", "lower", "upper")]
        table.add_row(name, *numbers, expected)
    gap = found["elpd_difference"]
    error = "unknown" if gap["standard_error"] is None else f"{gap['standard_error']:.1f}"
    lines += [
        render(table),
        f"elpd with the factor less without: {gap['nats']:.1f} nats (standard error {error}, Monte Carlo "
        f"{gap['monte_carlo_error']:.1f})",
        wrapped(found["statement"]),
    ]
    return "\n".join(lines)


def _check(check: dict[str, float] | None) -> str:
    return "-" if check is None else f"{check['discrepancy']:.1f} ({check['p_value']:.3f})"
