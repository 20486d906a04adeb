"""What limits the reuse of a batch, in sentences and tables."""

from typing import Any

from bayes_grpo.analysis.stability.breakdown import breakdown_text
from bayes_grpo.analysis.stability.reuse import LEAST_SHARE, LOST_SHARE
from bayes_grpo.analysis.stability.reuse_summary import LIMITS
from bayes_grpo.analysis.tables import number, render, titled, wrapped


def reuse_text(summary: dict[str, Any]) -> str:
    """The answer in up to three sentences, then limits and refresh intervals."""
    out = [*map(wrapped, _sentences(summary)), _limits_table(summary)]
    if summary["intervals"] and summary.get("broke_down") is None:
        out.append(_intervals_table(summary["intervals"]))
        out.append(wrapped(f"growth of the log ratio from: {', '.join(summary['rests_on'])}"))
    return "\n".join(out)


def _sentences(summary: dict[str, Any]) -> list[str]:
    """Which limit binds, whether it is exceeded, and which refresh interval earns most."""
    binding, asked = summary["binding"], summary["refresh_interval"]
    row = summary["limit"][binding]
    where = "no refresh interval" if row["median"] is None else f"K = {number(row['median'])}"
    upper = "no bound" if row["upper"] is None else number(row["upper"])
    broken = summary.get("broke_down")
    lines = [] if broken is None else [wrapped(breakdown_text(broken["refresh_interval"]))]
    interval = f"{number(row['lower']) if row['lower'] is not None else 'none'} to {upper}"
    alone = binding == "lag" and all(summary["limit"][name] is None for name in LIMITS if name != "lag")
    if alone:
        lines.append(
            f"By lag alone the limit is {where} (90 % interval {interval}). Clipping and the sample size "
            "usually bind at a fifth of that or less, and this log does not tell where."
        )
    else:
        lines.append(f"What binds is {LIMITS[binding]}, at {where} (90 % interval {interval}).")
    if asked is not None and broken is None:
        limit = "that limit" if alone else "the lowest limit"
        lines.append(
            f"At K = {asked:g} {limit} is exceeded with probability {summary['probability_beyond_limit']:.2f}."
        )
    best = summary["best"]
    if best["per_batch"] is not None:
        chance = best["probability_best"]["per_batch"]
        text = f"Most reward within {summary['batches']:.0f} batches: K = {best['per_batch']} (P = {chance:.2f})"
        if best["per_hour"] is not None:
            text += f"; within the same hours: K = {best['per_hour']} (P = {best['probability_best']['per_hour']:.2f})"
        lines.append(text + ".")
    return lines


def _limits_table(summary: dict[str, Any]) -> str:
    table = titled("limits of reuse (updates on a batch; constant staleness)")
    for heading in ("limit", "median", "low", "high", "P(K > limit)", "staleness"):
        table.add_column(heading, justify="left" if heading == "limit" else "right", no_wrap=True)
    meaning = {
        "lag": "lag",
        "ess": f"sample size at {LEAST_SHARE:.0%}",
        "starvation": f"starvation of {LOST_SHARE:.0%} of the gain",
    }
    for name, words in meaning.items():
        row, stale = summary["limit"][name], summary["staleness"][name]
        if row is None:
            table.add_row(words, "unknown", "", "", "", "")
            continue
        chance = "" if row["probability_exceeded"] is None else f"{row['probability_exceeded']:.2f}"
        table.add_row(
            words, *(_or_none(row[k]) for k in ("median", "lower", "upper")), chance, _or_none(stale["median"])
        )
    return render(table)


def _intervals_table(intervals: list[dict[str, Any]]) -> str:
    table = titled("what each refresh interval earns (medians)")
    for heading in ("K", "plateau", "90% low", "90% high", "updates to 95 %", "batches", "hours"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in intervals:
        plateau = (_or_none(entry["plateau"][end]) for end in ("median", "lower", "upper"))
        cells = (_or_none(entry[name]["median"]) for name in ("updates", "batches", "hours"))
        table.add_row(str(entry["refresh_interval"]), *plateau, *cells)
    return render(table)


def _or_none(value: float | None) -> str:
    return "none" if value is None else number(value)
