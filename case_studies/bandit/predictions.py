"""Five predictions of the reduced-order model on the softmax bandit, each against simulation: one figure, one table.

Every prediction uses the drift at the fixed point (automatic differentiation) and the hyperparameters, and no
trajectory.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from bayes_grpo.bandit import Bandit, linearise, trajectories
from bayes_grpo.laws.oscillator import closed_form_mass
from bayes_grpo.laws.stability import oscillation_onset, refresh_threshold, refresh_variance

BLUE, ORANGE, GREEN, GREY = "#1f5fa8", "#c8601a", "#2e7d4f", "0.6"
Rows = list[tuple[str, str, float, float]]


def nudged(bandit: Bandit, distance: float) -> Bandit:
    """The bandit, started a little off its fixed point."""
    logits = linearise(bandit).logits + np.array([distance, -distance])
    return replace(bandit, initial=tuple(logits))


def onset(axis, rows: Rows) -> None:
    """Stiffness at which the mean first overshoots, by bisection on mean-field runs."""
    unit = linearise(Bandit(learning_rate=1.0)).stiffness[0]
    momenta = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
    found = []
    for beta1 in momenta:
        low, high = 0.5 * float(oscillation_onset(beta1)), 1.5 * float(oscillation_onset(beta1))
        for _ in range(6):
            scan = np.linspace(low, high, 12)
            runs = [nudged(Bandit(learning_rate=k / unit, momentum=beta1, steps=4000), 1e-4) for k in scan]
            path = trajectories(runs, groups="infinite").expected_reward.values[:, 0]
            settled = linearise(runs[0]).expected_reward
            rings = ((path - settled).min(1) < -1e-10 * (path - settled)[:, 0]).argmax()
            low, high = scan[max(rings - 1, 0)], scan[rings]
        found.append((low + high) / 2)
        rows.append(("oscillation onset k (1/step)", f"beta1 = {beta1}", float(oscillation_onset(beta1)), found[-1]))
    grid = np.linspace(0.25, 0.96, 100)
    axis.plot(grid, oscillation_onset(grid), color=BLUE, label="exact heavy ball")
    axis.plot(
        grid, 1 / (4 * np.asarray(closed_form_mass(grid))), color=ORANGE, ls="--", label="oscillator, $c^2 = 4mk$"
    )
    axis.plot(momenta, found, "o", color="black", ms=4, label="simulated")
    axis.set(title="Onset of oscillation", xlabel="momentum", ylabel="stiffness (1/step)", yscale="log")
    axis.legend(fontsize=7)


def threshold(axis, rows: Rows) -> None:
    """Smallest unstable refresh interval of a frozen gradient."""
    unit = linearise(Bandit(learning_rate=1.0)).stiffness[0]
    stiffnesses = (0.00499, 0.00998, 0.02, 0.04, 0.08)
    grid = np.geomspace(0.004, 0.1, 40)
    for beta1, color in ((0.0, BLUE), (0.5, GREEN), (0.9, ORANGE)):
        seen = []
        for k in stiffnesses:
            base = nudged(Bandit(learning_rate=k / unit, momentum=beta1), 0.005)
            expected = int(refresh_threshold(k, beta1))
            window = range(max(expected - 4, 1), expected + 6)
            runs = [replace(base, refresh_interval=K, steps=50 * window[-1] + 1) for K in window]
            path = trajectories(runs, groups="infinite").expected_reward.values[:, 0] - linearise(base).expected_reward
            grew = [abs(d[50 * K]) > abs(d[10 * K]) for d, K in zip(path, window, strict=True)]
            seen.append(window[grew.index(True)])
            rows.append(("refresh threshold K* (steps)", f"k = {k}, beta1 = {beta1}", expected, seen[-1]))
        axis.plot(grid, refresh_threshold(grid, beta1), color=color, lw=1, label=f"exact map, momentum {beta1}")
        axis.plot(stiffnesses, seen, "o", color=color, ms=4)
    axis.plot(grid, 1 + 2 / grid, color=GREY, ls="--", lw=1, label="leading order $1 + 2/k$")
    axis.set(title="Refresh threshold (dots: simulated)", xlabel="stiffness (1/step)", ylabel="K* (steps)")
    axis.set(xscale="log", yscale="log")
    axis.set_yticks((20, 50, 100, 200, 400), labels=("20", "50", "100", "200", "400"))
    axis.minorticks_off()
    axis.legend(fontsize=7)


def group_noise(axis, rows: Rows, seeds: int) -> None:
    """Stationary variance against group size."""
    sizes = (2, 4, 8, 16, 32, 64)
    for normalisation, kl, color in (("none", 0.5, BLUE), ("group", 2.0, ORANGE)):
        base = Bandit(normalisation=normalisation, kl=kl, learning_rate=0.05, steps=4000)
        bandits = [replace(base, group_size=g) for g in sizes]
        seen = trajectories(bandits, range(seeds)).expected_reward.values[:, :, 1000:].var((1, 2))
        truths = [linearise(bandit, "finite") for bandit in bandits]
        exact = [t.temperature / g / (2 * t.stiffness[0]) for t, g in zip(truths, sizes, strict=True)]
        leading = linearise(base)
        label = {"none": "Dr. GRPO", "group": "GRPO"}[normalisation]
        axis.plot(sizes, exact, color=color, label=f"{label}, exact $T/(2Gk)$")
        axis.plot(sizes, leading.temperature / np.array(sizes) / (2 * leading.stiffness[0]), color=color, ls="--", lw=1)
        axis.plot(sizes, seen, "o", color=color, ms=4)
        rows += [
            ("stationary variance (reward^2)", f"{label}, G = {g}", e, s)
            for g, e, s in zip(sizes, exact, seen, strict=True)
        ]
    axis.set(title="Fluctuation (dashed: leading order, 1/G)", xlabel="group size", ylabel="variance (reward$^2$)")
    axis.set(xscale="log", yscale="log")
    axis.set_xticks(sizes, labels=[str(size) for size in sizes])
    axis.minorticks_off()
    axis.legend(fontsize=7)


def coherence(axis, rows: Rows, seeds: int) -> None:
    """Stationary variance against the refresh interval: coherent noise and eroded damping."""
    intervals = np.array((1, 2, 4, 8, 16, 32, 64, 128))
    base = Bandit(group_size=16, prompts_per_step=4, momentum=0.9, steps=6000)
    truth = linearise(base, "finite")
    k, q = truth.stiffness[0], truth.temperature / base.group_size
    for staleness, color in (("frozen", BLUE), ("weighted", ORANGE), ("clipped", GREEN)):
        seen = []
        for interval in intervals:
            bandit = replace(base, refresh_interval=int(interval), staleness=staleness)
            path = trajectories(bandit, range(seeds)).expected_reward.values[0, :, 1500:]
            seen.append(path[:, (-1500) % interval :: interval].var())
            predicted = refresh_variance(k, 0.9, int(interval), q) if staleness == "frozen" else interval * q / (2 * k)
            rows.append(("variance at refreshes (reward^2)", f"{staleness}, K = {interval}", predicted, seen[-1]))
        axis.plot(intervals, seen, "o", color=color, ms=4, label=f"{staleness}, simulated")
    exact = [refresh_variance(k, 0.9, int(interval), q) for interval in intervals]
    axis.plot(intervals, exact, color=BLUE, lw=1, label="frozen, exact cycle")
    axis.plot(intervals, intervals * q / (2 * k), color=GREY, ls="--", lw=1, label="$Kq/(2k)$")
    axis.set(
        title="Reused batches: coherent noise", xlabel="refresh interval K (steps)", ylabel="variance (reward$^2$)"
    )
    axis.set(xscale="log", yscale="log")
    axis.legend(fontsize=7)


def rare_success(axis, rows: Rows, seeds: int) -> None:
    """Mean trajectories from 5 % success: group-size invariance fails by the exact finite-group factor."""
    base = Bandit(
        initial=(-3.0, 0.0), kl=0.0, normalisation="group", prompts_per_step=16, learning_rate=0.05, steps=300
    )
    axis.plot(
        trajectories(base, groups="infinite").expected_reward.values[0, 0], color=GREY, ls="--", label="leading order"
    )
    for size, color in ((4, BLUE), (8, GREEN), (16, ORANGE), (64, "black")):
        bandit = replace(base, group_size=size)
        mean = trajectories(bandit, range(seeds)).expected_reward.values[0].mean(0)
        exact = trajectories(bandit, groups="finite").expected_reward.values[0, 0]
        axis.plot(exact, color=color, lw=1, label=f"G = {size}, exact drift")
        axis.plot(np.arange(0, 300, 20), mean[::20], "o", color=color, ms=3)
        half = [float(np.argmax(curve > 0.5)) for curve in (exact, mean)]
        rows.append(("steps to expected reward 0.5", f"GRPO, G = {size}", *half))
    axis.set(title="Rare success (dots: mean of sampled runs)", xlabel="step", ylabel="expected reward")
    axis.legend(fontsize=7)


def one_run(axis, rows: Rows) -> None:
    """What a sampled run looks like."""
    bandit = Bandit(group_size=16, steps=800)
    run = trajectories(bandit, (0,))
    axis.plot(run.reward.values[0, 0], ".", color=GREY, ms=2, label="logged reward")
    axis.plot(run.expected_reward.values[0, 0], color=BLUE, label="expected reward")
    axis.axhline(linearise(bandit, "finite").expected_reward, color=ORANGE, label="fixed point of the drift")
    axis.set(title="One run, G = 16, B = 1", xlabel="step", ylabel="reward")
    axis.legend(fontsize=7)


def main() -> None:
    from matplotlib.figure import Figure

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("bandit"), help="folder for the figure and the table")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(12.5, 7), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    rows: Rows = []
    onset(axes[0], rows)
    threshold(axes[1], rows)
    group_noise(axes[2], rows, options.seeds)
    coherence(axes[3], rows, options.seeds)
    rare_success(axes[4], rows, options.seeds)
    one_run(axes[5], rows)
    figure.savefig(options.out / "predictions.png", dpi=110)
    with (options.out / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("quantity", "case", "predicted", "simulated", "ratio"))
        for quantity, case, predicted, simulated in rows:
            writer.writerow((quantity, case, f"{predicted:.5g}", f"{simulated:.5g}", f"{simulated / predicted:.3f}"))
    print((options.out / "predictions.csv").read_text())


if __name__ == "__main__":
    main()
