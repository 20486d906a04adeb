"""What the closed form says of the laboratory's runs, against what was seen: figures and a table.

Predictions take the hyperparameters, the start of the runs and one curvature, the stiffness of the base setting (G =
8, K = 1, beta1 = 0.9, learning rate 1e-3). Runs as `lab.py --collect` leaves them.
"""

import argparse
import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.bandit import Bandit, linearise
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.laws import oscillator as dynamics
from bayes_grpo.laws.stability import refresh_threshold

BLUE, ORANGE, GREEN, GREY = "#1f5fa8", "#c8601a", "#2e7d4f", "0.6"
LATE = 150  # steps after which a run of the base setting has settled
RIGHT, WRONG, KL = 0.8, 0.2, 0.4  # success probability of right and wrong answers; weight of the KL term
Table = list[tuple[str, str, str, str]]


def settings(name: str) -> dict[str, str]:
    """A run's settings from its name."""
    pattern = r"(\w+)-G(\d+)-K(\d+)-(\w+)-beta([\d.]+)-lr([\d.e-]+)-kl([\d.]+)-w(\d+)-seed(\d+)"
    names = ("optimizer", "group_size", "refresh_interval", "clip", "momentum", "learning_rate", "kl", "width", "seed")
    found = re.fullmatch(pattern, name)
    assert found, name
    return dict(zip(names, found.groups(), strict=True))


class Lab:
    """The laboratory's runs by setting."""

    BASE = {  # noqa: RUF012
        "optimizer": "adamw",
        "group_size": "8",
        "refresh_interval": "1",
        "clip": "clip",
        "momentum": "0.9",
        "learning_rate": "0.001",
        "kl": "0.4",
        "width": "64",
    }

    def __init__(self, runs: xr.Dataset) -> None:
        self.runs = runs
        self.fits: dict[str, dict[str, float]] = {}

    def names(self, **changes: str) -> list[str]:
        """Runs of the base setting with some changes, all seeds."""
        wanted = self.BASE | changes
        known = [(str(name), settings(str(name))) for name in self.runs["run"].values]
        return [name for name, of in known if all(of[key] == value for key, value in wanted.items())]

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps at which rollouts were drawn, and their mean rewards."""
        one = self.runs.sel(run=name)
        steps, reward = one["optimizer_step"].values, one["reward"].values
        seen = np.isfinite(reward)
        return steps[seen], reward[seen]

    def mean_curve(self, **changes: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps, mean reward over seeds, and its standard error."""
        curves = [self.curve(name) for name in self.names(**changes)]
        rewards = np.array([reward for _, reward in curves])
        return curves[0][0], rewards.mean(0), rewards.std(0, ddof=1) / np.sqrt(len(rewards))

    def fitted(self, parameter: str, **changes: str) -> tuple[float, float]:
        """Mean over seeds of a posterior mean of the overdamped law (of the logarithm for stiffness), and its error."""
        values = []
        for name in self.names(**changes):
            if name not in self.fits:
                run = self.runs.sel(run=[name])
                run["reward_lower"], run["reward_upper"] = ("run", [0.0]), ("run", [1.0])
                tree = bayes_grpo.fit(run, "overdamped", seed=1, draws=500, tune=500)
                draws = tree["posterior"].to_dataset()
                self.fits[name] = {
                    "stiffness": float(np.log(draws["stiffness"]).mean()),
                    "plateau": float(draws["plateau"].mean()),
                }
            values.append(self.fits[name][parameter])
        return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def late(reward: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return reward[steps > LATE]


def process_variance(reward: np.ndarray) -> float:
    """Variance of the expected reward: autocovariances at lags 1 to 4, which sampling noise does not enter."""
    centred = reward - reward.mean()
    return float(np.mean([(centred[lag:] * centred[:-lag]).mean() for lag in range(1, 5)]))


def bandit(group_size: int) -> Bandit:
    """The task as one softmax: eleven words, one of them right; uniform reference, as a random network's nearly is."""
    means = (RIGHT,) + (WRONG,) * 10
    return Bandit(reward_mean=means, kl=KL, normalisation="group", group_size=group_size, prompts_per_step=16)


def group_sizes(lab: Lab, axes, table: Table) -> None:
    """Trajectory, plateau and fluctuation against group size."""
    sizes = (2, 4, 8, 16, 32)
    plateaus, errors, variances, unsure, rates = [], [], [], [], []
    for size, color in zip(sizes, ("black", BLUE, GREEN, ORANGE, "#8a3ca8"), strict=True):
        steps, mean, _ = lab.mean_curve(group_size=str(size))
        axes[0].plot(steps[9:], np.convolve(mean, np.ones(10) / 10, "valid"), color=color, label=f"G = {size}")
        ends = [late(reward, steps) for steps, reward in map(lab.curve, lab.names(group_size=str(size)))]
        each = [end.mean() for end in ends]
        plateaus.append(np.mean(each))
        errors.append(np.std(each, ddof=1) / np.sqrt(len(each)))
        moments = [process_variance(end) for end in ends]
        variances.append(np.mean(moments))
        unsure.append(np.std(moments, ddof=1) / np.sqrt(len(moments)))
        predicted = linearise(bandit(size), "finite").expected_reward
        rates.append(np.exp(lab.fitted("stiffness", group_size=str(size))[0]))
        table.append(("plateau", f"G = {size}", f"{predicted:.3f}", f"{plateaus[-1]:.3f} +- {errors[-1]:.3f}"))
    axes[0].set(title="Mean of the seeds (10-step means)", xlabel="step", ylabel="reward")
    axes[0].legend(fontsize=7)
    truths = [linearise(bandit(size), "finite") for size in sizes]
    axes[1].errorbar(sizes, plateaus, errors, fmt="o", color="black", ms=4, label="seen")
    axes[1].plot(sizes, [t.expected_reward for t in truths], color=BLUE, label="finite-group fixed point")
    infinite = linearise(bandit(2), "infinite").expected_reward
    axes[1].axhline(infinite, color=GREY, ls="--", label="infinite groups")
    axes[1].set(title="Plateau", xlabel="group size", ylabel="reward", xscale="log")
    axes[1].legend(fontsize=7)
    table.append(
        (
            "stationary variance",
            "G = 2 to 32",
            "falls",
            ", ".join(f"{v:.1e} +- {u:.1e}" for v, u in zip(variances, unsure, strict=True)),
        )
    )
    slope = np.polyfit(np.log(sizes), np.log(rates), 1)[0]
    table.append(("stiffness (1/step)", "G = 2 to 32", "0.5 (Adam)", ", ".join(f"{v:.4f}" for v in rates)))
    table.append(("exponent of stiffness in G", "G = 2 to 32", "0.5 (Adam)", f"{slope:.2f}"))
    axes[2].errorbar(sizes, variances, unsure, fmt="o", color="black", ms=4, label="seen")
    axes[2].axhline(0, color=GREY, lw=0.8)
    shape = np.array([t.temperature / g / t.stiffness[-1] for t, g in zip(truths, sizes, strict=True)])
    axes[2].plot(sizes, shape * variances[2] / shape[2], color=BLUE, label="heavy ball, through G = 8")
    axes[2].set(title="Variance of the settled expected reward", xlabel="group size", ylabel="reward$^2$", xscale="log")
    axes[2].legend(fontsize=7)
    for axis in axes[1:]:
        axis.set_xticks(sizes, labels=[str(size) for size in sizes])
        axis.minorticks_off()


def momenta(lab: Lab, axes, table: Table) -> None:
    """Trajectory against momentum, with the oscillator's mean from the base setting's stiffness."""
    k = np.exp(lab.fitted("stiffness")[0])
    plateau = lab.fitted("plateau")[0]
    for momentum, color in (("0", BLUE), ("0.5", GREEN), ("0.9", ORANGE)):
        steps, mean, error = lab.mean_curve(momentum=momentum)
        start = mean[:2].mean()
        mass = float(dynamics.closed_form_mass(float(momentum)))
        motion = dynamics.second_order(np.ones(len(steps) - 1), mass, 1.0, k, 0.0)
        state, path = np.array([start - plateau, -k * (start - plateau)]), [start]
        for row in zip(motion.f11, motion.f12, motion.f21, motion.f22, strict=True):
            state = np.array([row[0] * state[0] + row[1] * state[1], row[2] * state[0] + row[3] * state[1]])
            path.append(plateau + state[0])
        smooth = np.convolve(mean, np.ones(10) / 10, "valid")
        axes[0].plot(steps[9:], smooth, color=color, label=f"beta1 = {momentum}")
        axes[0].plot(steps, path, color=color, ls="--", lw=1)
        away = np.sqrt(np.mean((mean - np.array(path)) ** 2))
        noise = np.sqrt(np.mean(error**2))
        table.append(("rms distance of the mean curve", f"beta1 = {momentum}", f"{noise:.4f} (noise)", f"{away:.4f}"))
        ratio = float(dynamics.damping_ratio(mass, 1.0, k))
        overshoot = mean[(steps > 40) & (steps < LATE)].max() - mean[steps > LATE].mean()
        table.append(("damping ratio, overshoot", f"beta1 = {momentum}", f"{ratio:.2f}", f"{overshoot:.3f}"))
    axes[0].set(title="Momentum (dashed: oscillator at the base's stiffness)", xlabel="step", ylabel="reward")
    axes[0].legend(fontsize=7)
    for axis, key, values, label in (
        (axes[1], "learning_rate", ("0.0005", "0.001", "0.002"), "learning rate (1/step)"),
        (axes[2], "width", ("32", "64", "128"), "model width"),
    ):
        found = [lab.fitted("stiffness", **{key: value}) for value in values]
        x = np.array([float(value) for value in values])
        y, e = np.exp([f[0] for f in found]), np.array([f[1] for f in found])
        axis.errorbar(x, y, y * e, fmt="o", color="black", ms=4, label="fitted")
        slope = np.polyfit(np.log(x), np.log(y), 1)[0]
        axis.plot(x, y[1] * x / x[1], color=BLUE, ls="--", label="proportional")
        axis.set(title=f"Stiffness: exponent {slope:.2f}", xlabel=label, ylabel="1/step", xscale="log", yscale="log")
        axis.set_xticks(x, labels=values)
        axis.minorticks_off()
        axis.legend(fontsize=7)
        predicted = "1" if key == "learning_rate" else "free"
        table.append((f"exponent of stiffness in {key}", ", ".join(values), predicted, f"{slope:.2f}"))


def intervals(lab: Lab, axes, table: Table) -> None:
    """Settled reward and its fluctuation against the refresh interval."""
    k = np.exp(lab.fitted("stiffness")[0])
    threshold = float(refresh_threshold(k, 0.9))
    table.append(("K* of a frozen gradient (steps)", f"k = {k:.4f}, beta1 = 0.9", f"{threshold:.0f}", "see figure"))
    for clip, color in (("clip", BLUE), ("noclip", ORANGE)):
        xs, means, errors, spreads = [], [], [], []
        for interval in (1, 2, 4, 8, 16, 32, 64):
            names = lab.names(refresh_interval=str(interval), clip=clip if interval > 1 else "clip")
            if not names:
                continue
            ends = []
            for steps, reward in map(lab.curve, names):
                ends.append(reward[steps > steps[-1] / 2])
            each = [end.mean() for end in ends]
            xs.append(interval)
            means.append(np.mean(each))
            errors.append(np.std(each, ddof=1) / np.sqrt(len(each)))
            spreads.append(np.sqrt(np.mean([end.var(ddof=1) for end in ends])))
            words = "clipped" if clip == "clip" else "unclipped"
            seen = f"{means[-1]:.3f} +- {errors[-1]:.3f}, sd {spreads[-1]:.3f}"
            table.append(("settled reward", f"K = {interval}, {words}", "as K = 1 below K*", seen))
        label = "clipped" if clip == "clip" else "unclipped"
        axes[0].errorbar(xs, means, errors, fmt="o-", color=color, ms=4, lw=1, label=label)
        axes[1].plot(xs, spreads, "o-", color=color, ms=4, lw=1, label=label)
        for interval, style in ((16, "-"), (64, ":")):
            if lab.names(refresh_interval=str(interval), clip=clip):
                steps, mean, _ = lab.mean_curve(refresh_interval=str(interval), clip=clip)
                axes[2].plot(steps, mean, style, color=color, lw=1, label=f"K = {interval}, {label}")
    for axis in axes[:2]:
        axis.axvline(threshold, color=GREY, ls="--", label=f"K* = {threshold:.0f}, frozen gradient")
        axis.set(xlabel="refresh interval (steps)", xscale="log")
        axis.legend(fontsize=7)
    axes[0].set(title="Mean reward of the second half", ylabel="reward")
    axes[1].set(title="Standard deviation of logged rewards", ylabel="reward")
    axes[2].set(title="Mean of the seeds", xlabel="step", ylabel="reward")
    axes[2].legend(fontsize=7)


def main() -> None:
    from matplotlib.figure import Figure

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="?", default=Path(__file__).parent / "lab.nc")
    parser.add_argument("--out", type=Path, default=Path("trl_lab"))
    options = parser.parse_args()
    use_compilation_cache()
    options.out.mkdir(parents=True, exist_ok=True)
    lab = Lab(bayes_grpo.read_run(options.runs))
    studies: dict[str, Callable[..., None]] = {"group_size": group_sizes, "momentum": momenta, "refresh": intervals}
    for name, study in studies.items():
        table: Table = []
        figure = Figure(figsize=(12.5, 3.6), layout="constrained")
        study(lab, figure.subplots(1, 3), table)
        figure.savefig(options.out / f"{name}.png", dpi=110)
        with (options.out / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("quantity", "case", "predicted", "seen"))
            writer.writerows(table)
        for row in table:
            print("  ".join(row), flush=True)


if __name__ == "__main__":
    main()
