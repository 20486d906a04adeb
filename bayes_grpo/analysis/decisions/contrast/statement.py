"""A comparison in words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bayes_grpo.analysis.decisions.contrast.measures import MEASURES
from bayes_grpo.analysis.decisions.contrast.needed import LIKELY, SEEDS
from bayes_grpo.analysis.decisions.words import chance, rounded, with_interval
from bayes_grpo.analysis.intervals import IntervalRow

if TYPE_CHECKING:
    from bayes_grpo.analysis.decisions.contrast.summary import DifferenceRow


def statement(summary: Mapping[str, Any]) -> str:
    """Who is better and by how much, then what would settle it; of several configurations the ranking first."""
    first, second, by = summary["first"], summary["second"], summary["by"]
    row, about = summary["differences"][by], MEASURES[by]
    better = row["probability_better"]
    lines = []
    if len(summary["ranking"]) > 2:
        top, next_best = summary["ranking"][:2]
        lines.append(
            f"{top['configuration']} is the best of {len(summary['ranking'])} with probability "
            f"{chance(top['probability_best'])}, before {next_best['configuration']} "
            f"({chance(next_best['probability_best'])})."
        )
    swapped = better < 0.5
    ahead, behind = (second, first) if swapped else (first, second)
    gap = with_interval(_mirrored(row) if swapped else row)
    likely = chance(1 - better if swapped else better)
    lines.append(f"{ahead} is better than {behind} with probability {likely} ({about.title}).")
    if about.ratio:
        lines.append(
            f"{ahead} needs {gap} times what {behind} does."
            if by != "noise"
            else f"The scatter of {ahead} is {gap} times that of {behind}."
        )
    else:
        above = chance(row["probability_rival_worth" if swapped else "probability_worth"])
        share = summary["worth_share"]
        origin = (
            "as stated"
            if share is None
            else f"{100 * share:g} % of the {'assumed' if summary['range_assumed'] else 'stated'} range"
        )
        lines.append(
            f"{ahead} less {behind} is {gap}; it is above {rounded(row['worth'])} ({origin}) with probability {above}."
        )
    lines.append(_needed(summary))
    return " ".join(lines)


def _mirrored(row: "DifferenceRow") -> IntervalRow:
    """The difference, or the ratio, the other way round."""

    def mirror(value: float | None) -> float | None:
        if not row["ratio"]:
            return None if value is None else -value
        return 0.0 if value is None else None if value == 0 else 1 / value

    return {"median": mirror(row["median"]), "lower": mirror(row["upper"]), "upper": mirror(row["lower"])}


def _needed(summary: Mapping[str, Any]) -> str:
    needed = summary["needed"]
    if needed["settled"]:
        return "No further seeds or steps are needed to settle it."
    seeds, length, endless = needed["seeds"], needed["length"], needed["probability_settled_by_endless_runs"]
    if seeds is None:
        best = needed["probability_settled_by_seeds"][str(SEEDS[-1])]
        text = f"Even {SEEDS[-1]} further seeds a side would settle it with probability {chance(best)} only"
    else:
        plural = "seed" if seeds == 1 else "seeds"
        text = f"{seeds} further {plural} a side would settle it with probability {LIKELY:g} or more"
    if length is not None:
        text += f"; so would runs up to step {needed['steps']:.0f}"
    elif endless is not None and endless >= LIKELY:
        longest, chance_of = list(needed["probability_settled_by_length"].items())[-1]
        text += (
            f"; longer runs of these seeds would in the end, at {longest} times their length with {chance(chance_of)}"
        )
    elif endless is not None:
        text += f"; longer runs of these seeds would not (probability {chance(endless)} however long they are)"
    return text + "."
