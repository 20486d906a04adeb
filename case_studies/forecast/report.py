"""Tables and figure of a finished benchmark."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

ORIGINS = (0.2, 0.3, 0.5, 0.7)


def weight_of(place: np.ndarray, row: dict) -> float:
    """Weight of persistence: logistic in the log of remaining over logged steps."""
    return float(1 / (1 + np.exp(-(place[0] + place[1] * np.log(max(row["share"], 1e-9))))))


def at_weight(row: dict, weight: float, score: str) -> float:
    """A score of ours at any weight, between those that were computed."""
    weights = sorted(map(float, row["ours"]))
    return float(np.interp(weight, weights, [row["ours"][str(w)][score] for w in weights]))


def learn(rows: list[dict]) -> np.ndarray:
    """Intercept and slope that give the least mean CRPS of block means; a repository of n runs counts as sqrt(n)."""
    names, counts = np.unique([row["repository"] for row in rows], return_counts=True)
    share = {name: 1 / np.sqrt(count) for name, count in zip(names, counts, strict=True)}

    def loss(place: np.ndarray) -> float:
        terms = [share[r["repository"]] * at_weight(r, weight_of(place, r), "crps_blocks") for r in rows]
        return float(np.sum(terms) / sum(share[r["repository"]] for r in rows) + 1e-4 * place @ place)

    starts = [np.array([-1.0, -0.5]), np.array([0.0, 0.0])]
    return min((minimize(loss, start, method="Nelder-Mead") for start in starts), key=lambda found: found.fun).x


def report(path: Path) -> str:
    """Scores by origin, ours with a weight of persistence learned without the run's repository."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    failed = [row for row in rows if not row["ours"]]
    rows = [row for row in rows if row["ours"]]
    place = {name: learn([r for r in rows if r["repository"] != name]) for name in {r["repository"] for r in rows}}
    everything = learn(rows)
    for row in rows:
        own = weight_of(place[row["repository"]], row)
        scores = {key for key in row["ours"]["0.0"] if key != "pit"}
        row["methods"] = {"population": {score: at_weight(row, own, score) for score in scores}}
        row["methods"]["law alone"] = {score: row["ours"]["0.0"][score] for score in scores}
        row["methods"] |= row["peers"]
        nearest = min(row["ours"], key=lambda w: abs(float(w) - own))
        row["methods"]["population"]["pit"] = row["ours"][nearest]["pit"]
        row["methods"]["population"]["seconds"] = row["seconds"]
    sets: dict[str, Callable[[dict], bool]] = {
        "all": lambda row: True,
        "public": lambda row: row["repository"] != "laboratory",
        "laboratory": lambda row: row["repository"] == "laboratory",
    }
    lines = [f"persistence: intercept {everything[0]:.2f}, slope {everything[1]:.2f}; failed fits: {len(failed)}"]
    for name, chosen in sets.items():
        some = [row for row in rows if chosen(row)]
        if some:
            lines += ["", f"## {name}: {len({row['label'] for row in some})} runs", *_tables(some)]
    _figure(rows, path.with_name("coverage.png"))
    return "\n".join(lines)


def _tables(rows: list[dict]) -> list[str]:
    lines = []
    wanted = (
        ("crps_blocks", "CRPS of block means over the run's sd"),
        ("cover_90%", "share of block means inside 90 % intervals"),
        ("cover_50%", "share of block means inside 50 % intervals"),
        ("crps_rewards", "CRPS of single logged rewards over the run's sd"),
        ("log_score", "log density of a logged reward (nat, sd as unit)"),
        ("error_last_fifth", "error of the mean of the last fifth over the run's sd"),
    )
    for score, title in wanted:
        lines += ["", f"{title}", "| method | " + " | ".join(f"{o:.0%}" for o in ORIGINS) + " |", "|---" * 5 + "|"]
        mean = {}
        for method in rows[0]["methods"]:
            values = [[r["methods"][method][score] for r in rows if r["origin"] == o] for o in ORIGINS]
            mean[method] = [float(np.mean(v)) for v in values]
            lines.append(f"| {method} | " + " | ".join(f"{m:.3f}" for m in mean[method]) + " |")
        if score == "crps_blocks":
            others = [name for name in mean if name not in ("population", "law alone")]
            best = np.min([mean[name] for name in others], axis=0)
            lines.append(
                "| ratio to the best peer | "
                + " | ".join(f"{m / b:.2f}" for m, b in zip(mean["population"], best, strict=True))
                + " |"
            )
    times = {m: np.median([r["methods"][m].get("seconds", np.nan) for r in rows]) for m in rows[0]["methods"]}
    lines += ["", "median seconds: " + ", ".join(f"{name} {value:.2g}" for name, value in times.items())]
    return lines


def _figure(rows: list[dict], target: Path) -> None:
    """Histogram of PIT values and coverage by origin."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    pit = np.concatenate([row["methods"]["population"]["pit"] for row in rows])
    left.hist(pit, bins=np.linspace(0, 1, 11), density=True, color="#1f5fa8", alpha=0.7)
    left.axhline(1, color="0.3", ls=":")
    left.set(xlabel="probability integral transform of block means", ylabel="density", ylim=(0, None))
    for method, color in (("population", "#1f5fa8"), ("last mean", "0.5"), ("exponential", "#c2571a")):
        for level, style in (("cover_90%", "-o"), ("cover_50%", "--s")):
            cover = [np.mean([r["methods"][method][level] for r in rows if r["origin"] == o]) for o in ORIGINS]
            right.plot(ORIGINS, cover, style, color=color, ms=4, label=f"{method}, {level[6:]}")
    for level in (0.5, 0.9):
        right.axhline(level, color="0.3", ls=":", lw=0.8)
    right.set(xlabel="share of the run that was seen", ylabel="coverage", ylim=(0, 1.02), xticks=ORIGINS)
    right.legend(fontsize=7, ncols=2, frameon=False)
    figure.savefig(target, dpi=130)
