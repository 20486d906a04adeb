"""The leaderboard: scores by origin as Markdown, and a figure of scores and coverage."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.curves.contract import ORIGINS

Row = Mapping[str, Any]
#: The forecasters that ours are compared with, whether or not they were run.
PEERS = (
    "last mean",
    "drift",
    "exponential",
    "ScaleRL sigmoid",
    "celerite2 SHO",
    "Fracast-0",
    "AutoETS",
    "AutoARIMA",
    "DynamicTheta",
)
SCORES = {
    "crps_blocks": "CRPS of block means over the run's sd (less is better)",
    "cover_90%": "share of block means inside 90 % intervals",
    "log_score": "log density of a logged reward (nat, sd as unit; more is better)",
    "error_last_fifth": "error of the mean of the last fifth over the run's sd",
}


def leaderboard(rows: Sequence[Row]) -> str:
    """Tables of all scores over all series, over public series alone, and by repository and kind."""
    complete, failed = _complete(rows)
    lines = [f"{len({row['label'] for row in complete})} series; left out because a forecaster failed: {failed}"]
    sets: dict[str, Callable[[Row], bool]] = {
        "all": lambda row: True,
        "public": lambda row: row["repository"] != "laboratory",
    }
    for name, chosen in sets.items():
        part = [row for row in complete if chosen(row)]
        if part:
            lines += ["", f"## {name}", *_tables(part)]
    for key in ("repository", "kind"):
        lines += ["", f"## CRPS over the best peer's, by {key}", *_by(complete, key)]
    return "\n".join(lines)


def mean_scores(rows: Sequence[Row], score: str) -> dict[str, np.ndarray]:
    """Mean of a score by forecaster at each origin; every series counts alike. Mixtures of kept draws lack some."""
    return {
        name: np.array(
            [np.mean([r.get(score, np.nan) for r in own if r["origin"] == origin] or [np.nan]) for origin in ORIGINS]
        )
        for name, own in _by_forecaster(rows).items()
    }


def best_peer(means: Mapping[str, np.ndarray]) -> np.ndarray:
    """Least mean among the peers, at each origin."""
    least: np.ndarray = np.min([means[name] for name in PEERS if name in means], axis=0)
    return least


def _by_forecaster(rows: Sequence[Row]) -> dict[str, list[Row]]:
    out: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        out[row["forecaster"]].append(row)
    return out


def _complete(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """Rows of the series and origins that every forecaster has a score for, and how many have not."""
    cases: dict[tuple[str, float], set[str]] = defaultdict(set)
    for row in rows:
        cases[row["label"], row["origin"]] |= set() if "failed" in row else {row["forecaster"]}
    everyone = {row["forecaster"] for row in rows}
    whole = {case for case, names in cases.items() if names == everyone}
    return [row for row in rows if (row["label"], row["origin"]) in whole], len(cases) - len(whole)


def _header(first: str) -> list[str]:
    return [f"| {first} | " + " | ".join(f"{origin:.0%}" for origin in ORIGINS) + " |", "|---" * 5 + "|"]


def _line(name: str, values: np.ndarray, digits: int = 3) -> str:
    return f"| {name} | " + " | ".join(f"{value:.{digits}f}" for value in values) + " |"


def _tables(rows: Sequence[Row]) -> list[str]:
    lines = []
    for score, title in SCORES.items():
        means = mean_scores(rows, score)
        order = sorted(means, key=lambda name: float(np.nansum(means[name])), reverse=score == "log_score")
        lines += ["", title, *_header("forecaster"), *(_line(name, means[name]) for name in order)]
        if score == "crps_blocks" and set(PEERS) & set(means):
            best = best_peer(means)
            lines += [_line(f"{name} / best peer", means[name] / best, 2) for name in order if name not in PEERS]
    seconds = {
        name: np.median([row.get("seconds", np.nan) for row in own]) for name, own in _by_forecaster(rows).items()
    }
    return [*lines, "", "median seconds: " + ", ".join(f"{name} {value:.2g}" for name, value in seconds.items())]


def _by(rows: Sequence[Row], key: str) -> list[str]:
    """Each forecaster of ours in each group, and the worst group."""
    lines = []
    groups = sorted({row[key] for row in rows})
    for name in (name for name in _by_forecaster(rows) if name not in PEERS):
        lines += ["", *_header(f"{name}, {key} (series; coverage of 90 % intervals)")]
        ratios = []
        for group in groups:
            part = [row for row in rows if row[key] == group]
            means = mean_scores(part, "crps_blocks")
            if not set(PEERS) & set(means):
                return []
            ratios.append(means[name] / best_peer(means))
            cover = mean_scores(part, "cover_90%")[name]
            size = len({row["label"] for row in part})
            cells = [f"{ratio:.2f} ({share:.2f})" for ratio, share in zip(ratios[-1], cover, strict=True)]
            lines.append(f"| {group} ({size}) | " + " | ".join(cells) + " |")
        lines += [_line("mean over groups", np.mean(ratios, 0), 2), _line("worst", np.max(ratios, 0), 2)]
    return lines


def figure(rows: Sequence[Row], target: Path, shown: Sequence[str]) -> None:
    """CRPS by origin, coverage by origin, and the histogram of PIT values of the first forecaster shown."""
    from matplotlib.figure import Figure

    complete, _ = _complete(rows)
    drawing = Figure(figsize=(11, 3.2), layout="constrained")
    left, middle, right = drawing.subplots(1, 3)
    colors = ["#1f5fa8", "#c2571a", "0.5", "#3a8f5c", "#7a4fa0"]
    scores, covers = mean_scores(complete, "crps_blocks"), mean_scores(complete, "cover_90%")
    for name, color in zip(shown, colors, strict=False):
        left.plot(ORIGINS, scores[name], "-o", color=color, ms=4, label=name)
        middle.plot(ORIGINS, covers[name], "-o", color=color, ms=4, label=name)
    left.set(xlabel="share of the run that was seen", ylabel="CRPS of block means / sd", ylim=(0, None), xticks=ORIGINS)
    middle.axhspan(0.85, 0.95, color="0.9")
    middle.set(
        xlabel="share of the run that was seen", ylabel="coverage of 90 % intervals", ylim=(0, 1), xticks=ORIGINS
    )
    left.legend(fontsize=7, frameon=False)
    pit = np.concatenate([row["pit"] for row in complete if row["forecaster"] == shown[0]])
    right.hist(pit, bins=np.linspace(0, 1, 11), density=True, color=colors[0], alpha=0.7)
    right.axhline(1, color="0.3", ls=":")
    right.set(xlabel=f"PIT of block means, {shown[0]}", ylabel="density")
    drawing.savefig(target, dpi=130)
