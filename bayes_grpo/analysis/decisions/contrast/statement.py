"""A comparison in words."""

from collections.abc import Mapping
from typing import Any

from bayes_grpo.analysis.decisions.contrast.measures import MEASURES
from bayes_grpo.analysis.decisions.contrast.needed import LIKELY, SEEDS
from bayes_grpo.analysis.decisions.words import chance, rounded, with_interval


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
    names = (first, second, better) if better >= 0.5 else (second, first, 1 - better)
    lines.append(f"{names[0]} is better than {names[1]} with probability {chance(names[2])} ({about.title}).")
    if about.ratio:
        lines.append(
            f"{first} needs {with_interval(row)} times what {second} does."
            if by != "noise"
            else f"The scatter of {first} is {with_interval(row)} times that of {second}."
        )
    else:
        gap = f"The difference of {first} from {second} is {with_interval(row)}"
        lines.append(f"{gap}; it is above {rounded(row['worth'])} with probability {chance(row['probability_worth'])}.")
    lines.append(_needed(summary))
    return " ".join(lines)


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
