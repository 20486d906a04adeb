"""Simulation-based calibration about real logs: posterior SBC (Saeilynoja et al. 2025, arXiv 2502.03279).

    python -m case_studies.calibration.posterior_sbc ../shared/data

The law is fitted to the first half of a log. Each draw of its parameters goes on from where that half ends: its path
gives the rewards of the second half. The law is fitted to the completed log, and the draw is ranked among the new
posterior. Where model, sampler and forecast agree, ranks are uniform, about the parameters that this log asks for,
which the prior's own calibration may hardly visit. The package simuk does this for models that it samples itself; here
the sampler under test is the package's.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr

from bayes_grpo.analysis.forecast.mixture import MemberFit, fit_members
from bayes_grpo.analysis.forecast.paths import sample_paths
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from benchmarks.curves.series import all_series
from case_studies.calibration.sbc import RANKS, coverage, uniformity_p_value

#: A log of each of these repositories and kinds: the first that is short enough.
CHOSEN = (
    ("ShibukiZero", "training, 0 to 1"),
    ("ShibukiZero", "evaluation"),
    ("Sunshine535", "training, 0 to 1"),
    ("unslothai", "training, other scale"),
    ("laboratory", "laboratory"),
)
MOST_ROWS = 300


def chosen_logs(data: Path | None) -> dict[str, xr.Dataset]:
    """Five logs with a planned length, and bounds that no simulated reward is likely to reach: no fit assumes them."""
    logs: dict[tuple[str, str], tuple[str, xr.Dataset]] = {}
    for series in all_series(data):
        key = (series.repository, series.kind)
        if key in CHOSEN and key not in logs and series.run.sizes["step"] <= MOST_ROWS:
            reward, steps = series.run["reward"].values, series.run["optimizer_step"].values
            bounds = float(reward.min() - np.ptp(reward)), float(reward.max() + np.ptp(reward))
            known = {"reward_lower": bounds[0], "reward_upper": bounds[1], "planned_steps": float(steps.max())}
            logs[key] = series.label, series.run.assign(known)
    return {label: run for label, run in (logs[key] for key in CHOSEN if key in logs)}


def fitted(run: xr.Dataset, model: str, seed: int) -> MemberFit:
    """A fit by importance sampling alone: what it does not trust is counted, not sampled anew."""
    return fit_members(run, {model: load_model(model)}, Sampler("importance", seed=seed, draws=500, chains=2))[model]


def ranks(run: xr.Dataset, model: str, replicates: int) -> tuple[dict[str, np.ndarray], float]:
    """Ranks of the first half's draws by parameter, and the share of fits that were not trusted."""
    half = run.sizes["step"] // 2
    past, steps = run.isel(step=slice(half)), run["optimizer_step"].values[0]
    rate = run["learning_rate"].values[0][half:] if "learning_rate" in run else np.ones(steps.size - half)
    basis = fitted(past, model, 0).basis
    paths = sample_paths(basis, steps[half:].astype(float), rate, 0.0, 1, replicates)["reward"]
    names = list(basis.values)
    which = np.linspace(0, basis.values[names[0]].size - 1, replicates).round().astype(int)
    out: dict[str, list[int]] = {name: [] for name in names}
    untrusted = 0
    for number, (draw, path) in enumerate(zip(which, paths, strict=True)):
        completed = run.copy(deep=True)
        completed["reward"][:, half:] = path
        fit = fitted(completed, model, number + 1)
        assert fit.posterior.quality is not None
        untrusted += bool(fit.posterior.quality.failures())
        for name in names:
            drawn = fit.basis.values[name]
            thinned = drawn[np.linspace(0, drawn.size - 1, RANKS - 1).round().astype(int)]
            out[name].append(int((thinned < basis.values[name][draw]).sum()))
    return {name: np.array(values) for name, values in out.items()}, untrusted / replicates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs")
    parser.add_argument("--model", default="s_curve")
    parser.add_argument("--replicates", type=int, default=100)
    options = parser.parse_args()
    use_compilation_cache()
    for label, run in chosen_logs(options.data).items():
        found, untrusted = ranks(run, options.model, options.replicates)
        cells = [f"{name} {coverage(part):.0%}, {uniformity_p_value(part):.2f}" for name, part in found.items()]
        mean = np.mean([coverage(part) for part in found.values()])
        print(f"{label} ({run.sizes['step']} rows): {'; '.join(cells)}; mean {mean:.1%}, untrusted {untrusted:.0%}")


if __name__ == "__main__":
    main()
