"""Tables and the figure of the case study, from what `predictions.py` kept. Aggregates only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_BLUE, _ORANGE = "#1f5fa8", "#c2571a"

#: Interval kept by a replicate, and the truth that it should hold.
_COVERED = {
    "threshold": (("stiffness", "stiffness"), ("threshold", "threshold"), ("threshold", "brute")),
    "exponent": (("exponent", "exponent"), ("sampling_exponent", "sampling_exponent")),
}
_ONSET = (("onset", "onset"), ("onset_with_damping", "onset"))


def kept(folder: Path, start: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(f"{start}*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        if "refused" not in found:
            yield found


def coverage(found: list[dict[str, Any]], interval: str, truth: str) -> tuple[int, int]:
    """How many intervals hold the truth, of how many."""
    held = [one[interval][0] <= one["truth"][truth] <= one[interval][2] for one in found]
    return sum(held), len(held)


def covered(folder: Path) -> None:
    for start, pairs in _COVERED.items():
        found = list(kept(folder, f"{start}_"))
        good = [one for one in found if one["converged"]]
        print(f"{start}: {len(found)} experiments, {len(good)} of them converged")
        for interval, truth in (*pairs, *(_ONSET if start == "threshold" else ())):
            held, count = coverage(found, interval, truth)
            converged = coverage(good, interval, truth)
            error = np.sqrt(max(held, 1) * (count - held + 1) / max(count, 1) ** 3)
            print(
                f"  {interval} holds {truth}: {held} of {count} ({held / max(count, 1):.0%} +- {error:.0%}); converged "
                f"{converged[0]} of {converged[1]}"
            )
        if start == "threshold" and found:
            ratio = np.array([one["truth"]["brute"] / one["truth"]["threshold"] for one in found])
            print(f"  brute force over exact threshold: {ratio.min():.3f} to {ratio.max():.3f}")
            off = np.array([np.log(one["stiffness"][1] / one["truth"]["stiffness"]) for one in found])
            error = off.std() / off.size**0.5
            print(f"  median stiffness over truth: geometric mean {np.exp(off.mean()):.3f} +- {error:.3f}")
            for momentum in (0.0, 0.5, 0.9):
                own = [one for one in found if one["momentum"] == momentum]
                rows = [coverage(own, *pair) for pair in (("threshold", "threshold"), *_ONSET)]
                print(f"  momentum {momentum}: " + ", ".join(f"{held} of {count}" for held, count in rows))


def report(folder: Path, figure_path: Path) -> None:
    """Print the tables and draw the figure."""
    covered(folder)
    for name in ("lab", "public_main"):
        print(name)
        for path in sorted(folder.glob(f"{name}_*.json")):
            print(f"  {path.stem}: {json.dumps(json.loads(path.read_text(encoding='utf-8')))}")
    for name in ("invariance_lab", "invariance_public"):
        path = folder / f"{name}.json"
        if path.exists():
            print(name, path.read_text(encoding="utf-8"))
    _figure(folder).savefig(figure_path, dpi=110)


def _figure(folder: Path) -> Figure:
    figure = Figure(figsize=(11, 4), layout="constrained")
    FigureCanvasAgg(figure)
    first, second, third = figure.subplots(1, 3)
    found = sorted(kept(folder, "threshold_"), key=lambda one: one["truth"]["threshold"])
    for i, one in enumerate(found):
        low, _, high = one["threshold"]
        truth = one["truth"]["threshold"]
        first.plot([i, i], [low, high], color=_BLUE if low <= truth <= high else _ORANGE, lw=1.2)
    first.plot([one["truth"]["threshold"] for one in found], ".", color="0.1", ms=3)
    held, count = coverage(found, "threshold", "threshold")
    first.set(
        yscale="log",
        title=f"bandit: 90 % intervals of K*, {held} of {count} hold it",
        xlabel="experiment, by true K*",
        ylabel="refresh interval (step)",
    )
    found = list(kept(folder, "exponent_"))
    for i, one in enumerate(sorted(found, key=lambda one: one["exponent"][1])):
        low, _, high = one["exponent"]
        second.plot([i, i], [low, high], color=_BLUE if low <= one["truth"]["exponent"] <= high else _ORANGE, lw=1.2)
    if found:
        second.axhline(found[0]["truth"]["exponent"], color="0.1", lw=1)
        held, count = coverage(found, "exponent", "exponent")
        second.set(title=f"bandit: 90 % intervals of a, {held} of {count} hold it", xlabel="experiment")
    runs = sorted(kept(folder, "public_main"), key=lambda one: one["refresh_interval"])
    for i, one in enumerate(runs):
        color = _ORANGE if one["collapsed"] else _BLUE
        low, middle, high = one["frozen"]
        third.plot([i, i], [low, min(high, 5000)], color=color, lw=2)
        third.plot(i, middle, "_", color=color, ms=9)
        third.plot(i, one["refresh_interval"], "o", color=color, ms=6)
    third.set(
        yscale="log",
        title="public sweep of K (orange: collapsed)\ndots: K of the run; bars: K* (90 %)",
        xlabel="run, by K",
        ylabel="refresh interval (step)",
    )
    for axes in (first, second, third):
        axes.title.set_fontsize(9)
    return figure
