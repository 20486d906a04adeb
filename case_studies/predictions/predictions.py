"""The three predictions against what is measured apart from the fit: on the bandit, the laboratory and public runs.

Resumable: each replicate is one JSON file below ``--out``, and what is there is not computed again. ``--report``
gathers them into tables and a figure.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.figures import save_figure
from bayes_grpo.analysis.invariance.dependence import REPORTED
from bayes_grpo.analysis.invariance.figure import plot_invariance
from bayes_grpo.analysis.invariance.fits import fit_shared, without_idle_predictors
from bayes_grpo.analysis.invariance.invariance import invariance
from bayes_grpo.analysis.invariance.summary import summarise_invariance
from bayes_grpo.analysis.stability.oscillation import oscillation
from bayes_grpo.analysis.stability.threshold import threshold
from bayes_grpo.bandit import Bandit, linearise, simulate, trajectories
from bayes_grpo.inference.convergence import diagnose_sampling
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.laws.stability import oscillation_onset, refresh_threshold
from bayes_grpo.runs.files import write_atomically
from case_studies.common.runs import LABORATORY, logs

GROUPS = (2, 4, 8, 16, 32)
#: Steps within which a frozen bandit's deviation must have grown to be called unstable.
CYCLES_STEPS = 4000


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Lower end, median and upper end of the 90 % interval; infinite where there is no threshold."""
    ordered = np.sort(values)
    low, middle, high = (float(ordered[int(q * (ordered.size - 1))]) for q in (0.05, 0.5, 0.95))
    return low, middle, high


def threshold_experiment(index: int, draws: int) -> dict[str, Any]:
    """One bandit run on fresh rollouts: intervals of K* and of the onset, the truth of the drift, and brute force."""
    rng = np.random.default_rng((1, index))
    momentum, group = float(rng.choice([0.0, 0.5, 0.9])), int(rng.choice([4, 8, 16]))
    stiffness = float(np.exp(rng.uniform(np.log(0.015), np.log(0.09))))
    setting = {"kl": 0.8, "momentum": momentum, "group_size": group, "prompts_per_step": 8}
    unit = linearise(Bandit(**setting, learning_rate=1.0), "finite")
    rate = stiffness / float(unit.stiffness[0])
    run = simulate(Bandit(**setting, learning_rate=rate, steps=200), [index])
    fit = bayes_grpo.fit(run, "oscillator", seed=index, draws=draws, tune=draws, chains=2)
    found, rings = threshold(fit, lag_share=1.0, refresh_interval=1), oscillation(fit)
    onset = float(oscillation_onset(momentum))
    brute = brute_threshold(Bandit(**setting, learning_rate=rate), unit.logits)
    return {
        "momentum": momentum,
        "group_size": group,
        "converged": not diagnose_sampling(fit).failures(),
        "truth": {
            "stiffness": stiffness,
            "threshold": float(refresh_threshold(stiffness, momentum)),
            "onset": onset / stiffness,
            "brute": brute,
        },
        "stiffness": interval(found["stiffness"].values),
        "threshold": interval(found["frozen"].values),
        "onset": interval(rings["onset_factor"].values),
        "onset_with_damping": interval(rings["learning_rate_factor"].values),
    }


def brute_threshold(bandit: Bandit, logits: np.ndarray) -> float:
    """First K of a grid in steps of 2 % at which a small deviation of the mean grows, if rollouts serve K updates."""
    linear = linearise(bandit, "finite")
    centre = float(refresh_threshold(linear.stiffness[0], bandit.momentum))
    intervals = np.unique(np.round(centre * np.arange(0.9, 1.11, 0.02)).astype(int))
    start = np.asarray(logits) + np.array([1e-4, -1e-4])
    fields = {name: getattr(bandit, name) for name in ("kl", "momentum", "group_size", "learning_rate")}
    many = [Bandit(**fields, refresh_interval=int(k), initial=tuple(start), steps=CYCLES_STEPS) for k in intervals]
    path = trajectories(many, groups="finite")["expected_reward"].isel(seed=0).values
    for i, k in enumerate(intervals):
        deviation = np.abs(path[i, ::k] - linear.expected_reward)
        if deviation[-3:].max() > deviation[:3].max():
            return float(k)
    return float("inf")


def exponent_experiment(index: int, draws: int) -> dict[str, Any]:
    """Five bandit runs of five group sizes: the exponents of the noise, and the truth from the exact temperature."""
    settings = [
        Bandit(kl=0.8, learning_rate=1.0, momentum=0.0, group_size=size, prompts_per_step=4, steps=64)
        for size in GROUPS
    ]
    linear = [linearise(one, "finite") for one in settings]
    noise = np.array([one.temperature / size for one, size in zip(linear, GROUPS, strict=True)])
    spread = np.array([one.expected_reward * (1 - one.expected_reward) for one in linear]) / GROUPS
    truth, sampling = (-np.polyfit(np.log(GROUPS), np.log(values), 1)[0] for values in (noise, spread))
    runs = simulate(settings, [1000 + index])
    spec = without_idle_predictors(bayes_grpo.load_model("group_dependence"), runs)
    sampler = Sampler("nuts", seed=index, draws=draws, tune=draws, chains=2, target_accept=0.9)
    shared = fit_shared(spec, prepare(runs, spec).data, sampler, reported=REPORTED["group_dependence"])
    return {
        "converged": not shared.faults,
        "truth": {"exponent": float(truth), "sampling_exponent": float(sampling)},
        "exponent": interval(shared.values["temperature_exponent"].ravel()),
        "sampling_exponent": interval(shared.values["observation_exponent"].ravel()),
    }


def lab_thresholds(index: int, draws: int) -> dict[str, Any]:
    """A laboratory run of the base setting on fresh rollouts: its predicted K*."""
    base = chosen(bayes_grpo.read_run(LABORATORY), "adamw-G8-K1-clip-beta0.9-lr0.001-kl0.4-w64-seed")
    fit = bayes_grpo.fit(base, "oscillator", run=str(base["run"].values[index]), seed=index, draws=draws, tune=draws)
    found = threshold(fit, lag_share=1.0, refresh_interval=1)
    return {
        "converged": not diagnose_sampling(fit).failures(),
        "frozen": interval(found["frozen"].values),
        "leading": interval(found["leading"].values),
        "delay": interval(found["delay"].values),
    }


def chosen(lab: xr.Dataset, start: str) -> xr.Dataset:
    return lab.isel(run=[str(name).startswith(start) for name in lab["run"].values])


def lab_invariance(out: Path, draws: int) -> dict[str, Any]:
    """Laboratory runs of G = 2 to 32, two seeds each, every fourth reward; smallest, middle and largest G predicted."""
    lab = bayes_grpo.read_run(LABORATORY)
    starts = [f"adamw-G{size}-K1-clip-beta0.9-lr0.001-kl0.4-w64-seed" for size in GROUPS]
    picked = [chosen(lab, start).isel(run=slice(0, 2)) for start in starts]
    runs = xr.concat(picked, dim="run").isel(step=slice(0, 300, 4))
    found = invariance(runs, hold_out=(2, 8, 32), draws=draws, tune=draws, progress=told)
    save_figure(plot_invariance(found), out / "invariance_lab.png")
    return summarise_invariance(found)


def public_sweep(data: Path) -> list[str]:
    """The public runs that differ in the refresh interval."""
    names = [row[0] for row in logs(data)]
    wanted = ("main__grpo_baselines__reinforce_with_baseline", "main__grpo_off_policy")
    return [name for name in names if name.startswith("ShibukiZero") and name.split("/")[-1].startswith(wanted)]


def public_threshold(data: Path, name: str, draws: int) -> dict[str, Any]:
    """A public run: the probability that its K is unstable, that its damping is negative, and whether it collapsed."""
    log, known = next((path, facts) for label, path, facts in logs(data) if label == name)
    run = bayes_grpo.read_run(log, hyperparameters=known)
    label = str(run["run"].values[0])
    reward = run["reward"].values[0]
    reward = reward[np.isfinite(reward)]
    tenth = max(3, reward.size // 10)
    smooth = np.convolve(reward, np.ones(tenth) / tenth, "valid")
    fit = bayes_grpo.fit(run, "oscillator", run=label, draws=draws, tune=draws)
    interval_of = float(run["refresh_interval"].values[0]) if "refresh_interval" in run else updates(name)
    found = threshold(fit, refresh_interval=interval_of)
    ratio = fit["posterior"]["damping_ratio"].values
    return {
        "converged": not diagnose_sampling(fit).failures(),
        "refresh_interval": interval_of,
        "collapsed": bool(smooth[-1] < 0.5 * smooth.max()),
        "unstable_lag_unknown": float((found["exact"].values <= interval_of).mean()),
        "unstable_all_lag": float((found["frozen"].values <= interval_of).mean()),
        "damping_not_positive": float((ratio <= 0).mean()),
        "frozen": interval(found["frozen"].values),
    }


def updates(name: str) -> float:
    """Updates a batch of rollouts, from the folder's name: epochs times batches of 256 completions."""
    parts = dict((part[0], part[1:]) for part in name.split("_") if part[:1] == "e" and part[1:].isdigit())
    size = next((int(part[2:]) for part in name.split("_") if part.startswith("tb")), 256)
    return float(parts.get("e", 1)) * 256 / size


def public_invariance(data: Path, draws: int) -> dict[str, Any]:
    """Public runs of G = 2 and 4, three and two seeds."""
    runs = []
    for name, log, known in logs(data):
        label = name.split("/")[-1]
        if label.startswith(("gates_G2_rho1.00", "qwen35_G4_rho1.00")):
            more = {"reward_lower": 0, "reward_upper": 1}
            known = known | more | ({"logging_window": 5} if "G4" in label else {})
            run = bayes_grpo.read_run(log, hyperparameters=known)
            runs.append(run.assign_coords(run=[label]).drop_vars("reward_spread", errors="ignore"))
    found = invariance(bayes_grpo.combine(runs), draws=draws, tune=draws, progress=told)
    return summarise_invariance(found)


class told:
    """Progress: how long each fit took."""

    def __init__(self, title: str) -> None:
        self.title, self.began = title, time.perf_counter()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        print(f"  {self.title}: {time.perf_counter() - self.began:.0f} s", flush=True)


def once(path: Path, make: Callable[[], dict[str, Any]]) -> None:
    """Compute and keep, unless kept already."""
    if path.exists():
        return
    began = time.perf_counter()
    try:
        found = make()
    except bayes_grpo.InputError as error:
        found = {"refused": str(error)}
    write_atomically(path, json.dumps(found, indent=1).encode())
    print(f"{path.name}: {time.perf_counter() - began:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="thresholds, exponent, lab, lab_invariance, public (default: all)")
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of public runs")
    parser.add_argument("--out", type=Path, default=Path("predictions"))
    parser.add_argument("--report", type=Path, metavar="FILE", help="only draw the figure, and print the tables")
    options = parser.parse_args()
    if options.report:
        from case_studies.predictions.report import report

        report(options.out, options.report)
        return
    use_compilation_cache()
    options.out.mkdir(parents=True, exist_ok=True)
    parts = options.parts or ["thresholds", "lab", "public", "lab_invariance", "exponent"]
    out, draws = options.out, options.draws
    if "thresholds" in parts:
        for i in range(options.replicates):
            once(out / f"threshold_{i:03d}.json", lambda i=i: threshold_experiment(i, draws))
    if "lab" in parts:
        for i in range(5):
            once(out / f"lab_{i}.json", lambda i=i: lab_thresholds(i, draws))
    if "public" in parts and options.data.is_dir():
        for name in public_sweep(options.data):
            target = out / f"public_{name.split('/')[-1]}.json"
            once(target, lambda name=name: public_threshold(options.data, name, draws))
        once(out / "invariance_public.json", lambda: public_invariance(options.data, draws))
    if "lab_invariance" in parts:
        once(out / "invariance_lab.json", lambda: lab_invariance(out, draws))
    if "exponent" in parts:
        for i in range(options.replicates):
            once(out / f"exponent_{i:03d}.json", lambda i=i: exponent_experiment(i, draws))


if __name__ == "__main__":
    main()
