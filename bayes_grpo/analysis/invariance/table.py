"""A check of group-size invariance as text that fits a terminal."""

from typing import Any

from bayes_grpo.analysis.invariance.rows import CheckRow, ElpdDifference, InvarianceSummary
from bayes_grpo.analysis.invariance.statistics import STATISTICS
from bayes_grpo.analysis.tables import number, render, titled, wrapped

_TITLES = {
    "leading": "off by, each group size predicted from the others: group size enters the noise alone",
    "finite_groups": "the same, with the finite-group factor on the whole drift",
    "balance": "the same, by the balance law: the factor on the rewards' drive alone",
}


def invariance_table(summary: InvarianceSummary) -> str:
    """Each group size against its prediction, then how noise and mean depend on G, then the result in words."""
    balance = summary["balance"]
    laws = [law for law in _TITLES if law != "balance" or balance is not None]
    lines = [
        wrapped(summary["statement"]),
        *(_checks(summary, law) for law in laws),
        _dependence(summary),
        _difference("the factor", summary["elpd_difference"]),
    ]
    if balance is not None:
        lines.append(_difference("the balance law", balance["elpd_difference"]))
    return "\n".join(lines)


def _difference(law: str, gap: ElpdDifference) -> str:
    error = "unknown" if gap["standard_error"] is None else f"{gap['standard_error']:.1f}"
    return (
        f"elpd, {law} less the leading order: {gap['nats']:.1f} nats (standard error {error}, Monte Carlo "
        f"{gap['monte_carlo_error']:.1f})"
    )


def _checks(summary: InvarianceSummary, law: str) -> str:
    """How far each group size is off its prediction by a law."""
    table = titled(_TITLES[law], "G", "runs", *(f"{name} (p)" for name in STATISTICS), "elpd")
    for row in summary["groups"]:
        cells = [_check(row[law][name]) for name in STATISTICS]
        table.add_row(f"{row['group_size']:g}", str(row["runs"]), *cells, f"{row[law]['elpd']:.1f}")
    overall: Any = summary if law == "leading" else summary[law]  # type: ignore[literal-required]
    table.add_row("all", "", *(_check(overall[name]) for name in STATISTICS), "")
    return render(table)


def _dependence(summary: InvarianceSummary) -> str:
    """How noise, plateau, stiffness and spread depend on the group size, and what invariance says."""
    level = f"{summary['interval']['prob']:.0%}"
    table = titled("dependence on the group size")
    table.add_column("quantity")
    for heading in ("median", f"{level} low", f"{level} high", "invariant"):
        table.add_column(heading, justify="right", no_wrap=True)
    residual = summary["residual"]
    rows: list[tuple[str, Any, str]] = [
        ("noise of the update ~ G^-a", summary["exponent"], "1"),
        ("noise of the logged means ~ G^-b", summary["sampling_exponent"], "1"),
        ("share of the sampling noise between prompts", summary["between_prompt_share"], "0"),
        ("share of the update's noise between prompts", summary["update_share"], "0"),
        ("plateau, reward per doubling of G", residual["plateau"], "0"),
        ("stiffness ~ G^b", residual["stiffness"], "0"),
        ("within-group spread over sqrt(p (1 - p)) ~ G^b", residual["within_group_spread"], "0"),
    ]
    for name, row, invariant in rows:
        cells = ["-"] * 3 if row is None else [number(row[end]) for end in ("median", "lower", "upper")]
        table.add_row(name, *cells, invariant)
    return render(table)


def _check(check: CheckRow | None) -> str:
    return "-" if check is None else f"{check['discrepancy']:.1f} ({check['p_value']:.3f})"
