"""Figure of the bench from the CSV file of ``bench.py``, and the figure of one simulated run for the documentation."""

import argparse
import csv
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import bayes_grpo
from bayes_grpo.analysis.diagnosis.figure import plot_diagnosis
from bayes_grpo.analysis.figures import save_figure
from case_studies.diagnosis import bandits


def draw(rows: list[dict]) -> Figure:
    modes = list(bandits.MODES)
    truth = np.array([row["mode"] for row in rows])
    chances = np.array([[float(row[a]) for a in modes] for row in rows])
    said = chances.argmax(1)
    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.15, 1, 1.1))
    confusion = np.array([[np.sum((truth == t) & (said == j)) for j in range(len(modes))] for t in modes])
    left.imshow(confusion, cmap="Blues")
    for i, j in np.ndindex(confusion.shape):
        colour = "white" if confusion[i, j] > confusion.max() / 2 else "black"
        left.text(j, i, str(confusion[i, j]), ha="center", va="center", color=colour)
    names = [mode.replace("_", "\n") for mode in modes]
    left.set_xticks(range(len(modes)), names, fontsize=7)
    left.set_yticks(range(len(modes)), names, fontsize=7)
    left.set(title="runs by cause (rows) and most probable answer", xlabel="said", ylabel="caused")
    edges = np.array([0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0 + 1e-9])
    p, hit = chances.ravel(), (truth[:, None] == np.array(modes)).ravel()
    which = np.digitize(p, edges) - 1
    for b in range(len(edges) - 1):
        n = np.sum(which == b)
        if n:
            # Jeffreys' interval of a share, by draws.
            low, high = np.quantile(
                np.random.default_rng(0).beta(hit[which == b].sum() + 0.5, n - hit[which == b].sum() + 0.5, 20_000),
                [0.05, 0.95],
            )
            middle.plot([p[which == b].mean()] * 2, [low, high], color="#1f5fa8")
            middle.plot(p[which == b].mean(), hit[which == b].mean(), "o", color="#1f5fa8", ms=4)
    middle.plot([0, 1], [0, 1], color="0.6", lw=0.8, ls="--")
    middle.set(title="calibration, all answers (90 % intervals)", xlabel="probability said", ylabel="share that was so")
    for mode, colour in zip(modes[1:], ("#D55E00", "#E69F00", "#CC79A7", "#111111"), strict=True):
        mine = [row for row in rows if row["mode"] == mode]
        late = [
            (float(r["first_seen"]) - float(r["cause"])) / float(r["window"]) if r["first_seen"] else np.inf
            for r in mine
        ]
        late = np.sort(late)
        right.step(
            late, np.arange(1, late.size + 1) / late.size, where="post", color=colour, label=mode.replace("_", " ")
        )
    right.set(
        title="seen so many rows after the cause set in",
        xlabel="rows",
        ylabel="share of runs",
        ylim=(0, 1),
        xlim=(0, 200),
    )
    right.legend(fontsize=7, loc="lower right", frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bench", type=Path)
    parser.add_argument("--out", type=Path, default=Path("bench.png"))
    parser.add_argument("--example", type=Path, help="also draw one run's diagnosis here")
    options = parser.parse_args()
    with options.bench.open(encoding="utf-8") as file:
        draw(list(csv.DictReader(file))).savefig(options.out, dpi=120)
    if options.example is not None:
        run, _ = bandits.make("reward_hacking", 101)
        save_figure(plot_diagnosis(bayes_grpo.diagnose(run)), options.example)


if __name__ == "__main__":
    main()
