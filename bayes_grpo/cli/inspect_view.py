"""How `bayes-grpo inspect` shows runs: the whole account of one, or a line each."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from bayes_grpo.errors import InputError

#: Unused columns, and marks of a trainer, that are shown; --json lists them all.
_UNUSED, _MARKS = 40, 3
_BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"


def account(facts: dict[str, Any]) -> str:
    """One run in full."""
    return "\n".join(_lines(facts, _width()))


def overview(runs: Sequence[dict[str, Any]], faults: Sequence[InputError]) -> str:
    """Several runs, a line each; then what was left out."""
    width = _width()
    cells = [("trainer", "rows", "steps", "reward", "")] + [_cells(facts) for facts in runs]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    room = max(12, width - sum(widths) - 2 * len(widths))
    names = [shortened(name, room) for name in ("run", *(facts["run"] for facts in runs))]
    longest = max(map(len, names))
    lines = [
        "  ".join([f"{name:<{longest}}", *(f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True))]).rstrip()
        for name, row in zip(names, cells, strict=True)
    ]
    lines.append(f"{len(runs)} runs" + (f", and {len(faults)} that cannot be read (above)" if faults else ""))
    left_out = [text for facts in runs for text in facts["left_out"]]
    if left_out:
        lines.append("left out")
        lines += [line for text in left_out for line in wrapped(f"- {text}", width)]
    lines += wrapped("name one run, or --full, for what was understood and assumed", width, "")
    return "\n".join(lines)


def _cells(facts: dict[str, Any]) -> tuple[str, ...]:
    """What a run's line says beside its name."""
    reward = facts["columns"]["reward"]
    steps = f"{facts['first_step']:g}-{facts['last_step']:g}"
    between = _range(reward["min"], reward["max"])
    return facts["trainer"] or "-", str(facts["rows"]), steps, between, sparkline(reward["course"])


def sparkline(course: Sequence[float | None]) -> str:
    """Values as a row of bars; a gap where there is none."""
    held = [value for value in course if value is not None]
    if not held:
        return ""
    low, span = min(held), max(held) - min(held)
    if span <= 1e-12 * max(abs(low), abs(low + span), 1e-300):
        return "".join(" " if value is None else _BARS[3] for value in course)
    return "".join(" " if value is None else _BARS[min(7, int(8 * (value - low) / span))] for value in course)


def shortened(text: str, width: int) -> str:
    """Text that is cut in the middle where it is longer than a width."""
    if len(text) <= width:
        return text
    left = (width - 1) // 2
    return f"{text[:left]}\u2026{text[len(text) - (width - 1 - left) :]}"


def wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    """Text in lines of a width, the later ones set in."""
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False)


def _width() -> int:
    return max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))


def _lines(facts: dict[str, Any], width: int) -> Iterator[str]:
    yield f"{facts['run']}: {facts['format']}" + (f", logged by {facts['trainer']}" if facts["trainer"] else "")
    if facts["told_by"]:
        more = len(facts["told_by"]) - _MARKS
        marks = ", ".join(facts["told_by"][:_MARKS]) + (f" and {more} more" if more > 0 else "")
        yield from wrapped(f"told by {marks}", width)
    yield "  " + shortened(facts["source"], width - 2)
    yield f"  {facts['rows']} rows, optimizer steps {facts['first_step']:g} to {facts['last_step']:g}"
    yield f"{'understood':<24} {'range':<29} {'rows':>6}  course"
    for name, column in facts["columns"].items():
        yield from _column(name, column, facts["spread"], width)
    if facts["reward_components"]:
        yield from wrapped("reward functions: " + ", ".join(facts["reward_components"]), width)
    for name, known in facts["hyperparameters"].items():
        yield f"  {name:<20} {known['value']:<10.6g} {known['unit']:<17} ({known['from']})"
    for title, texts in (("assumed, repaired or left out", facts["assumed"]), ("files left out", facts["left_out"])):
        if texts:
            yield title
            for text in texts:
                yield from wrapped(f"- {text}", width)
    if facts["missing"]:
        yield "missing"
        for name, gap in facts["missing"].items():
            gains = "; ".join(f"{command} {does}" for command, does in gap["gains"].items())
            yield from wrapped(f"- {name}: {gap['cost']}; {gap['cure']}. With it: {gains}.", width)
    if facts["unused"]:
        yield f"not used ({len(facts['unused'])})"
        more = len(facts["unused"]) - _UNUSED
        names = ", ".join(facts["unused"][:_UNUSED])
        yield from wrapped(names + (f", and {more} more (--json lists all)" if more > 0 else ""), width)


def _range(low: float, high: float) -> str:
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _column(name: str, column: dict[str, Any], spread: str | None, width: int) -> Iterator[str]:
    """One variable: its range and unit, the share of rows that have it, its course, and where it comes from."""
    between = f"{_range(column['min'], column['max'])} {'' if column['unit'] == '1' else column['unit']}"
    line = f"  {name:<22} {between:<29} {100 * column['share']:>4.3g} %  {sparkline(column['course'])}"
    meaning = f" ({spread})" if name == "reward_spread" else ""
    source = f"from {column['column']!r}{meaning}"
    if len(line) + 2 + len(source) <= width:
        yield f"{line}  {source}"
    else:
        yield line.rstrip()
        yield from wrapped(source, width, " " * 8)
