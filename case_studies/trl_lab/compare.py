"""What was predicted of each sweep against what `GRPOTrainer` and the twin then gave: a table a sweep, and a figure.

Measured is the expected reward by the policy's own probabilities, mean over the last third of each run and over the
seeds, with its standard error. ``law`` is the balance law with the clip ratio that was logged. At K = 1 and K = 4 of
``reuse`` only the first laboratory has five seeds; its rewards are those of the rollouts.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.laws.balance import fixed_point
from case_studies.trl_lab.lab import Trial
from case_studies.trl_lab.sweeps import SWEEPS

FOLDER = Path(__file__).parent
COLUMNS = ("run", "clipped_called", "called", "called_drive", "trl", "se", "seeds", "clipped", "law", "twin")
COLUMNS += ("twin_se", "off_se", "off_twin_se")


def by_name(file: Path) -> dict[str, dict[str, str]]:
    """Rows of a table by their run."""
    with file.open(encoding="utf-8") as lines:
        return {row["run"]: row for row in csv.DictReader(lines)}


def law(trial: Trial, clipped: float) -> float:
    """Reward at which the drive that clipping leaves balances the pull of the reference."""
    p = fixed_point(trial.kl, trial.group_size, 1 / 11, trial.error, 1 - trial.error, clipped)
    return trial.error + (1 - 2 * trial.error) * float(p)


def curves(laboratories: list[xr.Dataset], setting: str) -> tuple[list[xr.Dataset], str]:
    """Runs of a setting, from the laboratory that has more of them, and the name of their measured reward."""
    head, *tail = setting.split("-w64")
    found = []
    for runs in laboratories:
        names = [f"{head}-w64-seed{seed}{''.join(tail)}" for seed in range(5)]
        found.append([runs.sel(run=name) for name in names if name in runs["run"].values])
    runs = max(found, key=len)
    return runs, "evaluation_reward" if "evaluation_reward" in runs[0] else "reward"


def figures(laboratories: list[xr.Dataset], trial: Trial) -> dict[str, Any]:
    """Measured plateau and clip ratio of a setting, last third of its runs."""
    runs, channel = curves(laboratories, trial.name.replace("-seed0", ""))
    late = [run.where(run["optimizer_step"] > run["optimizer_step"].max() * 2 / 3, drop=True) for run in runs]
    each = np.array([float(run[channel].mean()) for run in late])
    clipped = float(np.mean([float(run["clip_ratio"].mean()) for run in late]))
    out = {"trl": each.mean(), "se": each.std(ddof=1) / len(each) ** 0.5, "seeds": len(each), "clipped": clipped}
    return out if trial.task != "copy" else out | {"law": law(trial, clipped)}


def rows(laboratories: list[xr.Dataset], sweep: str) -> Iterator[dict[str, Any]]:
    """A sweep's settings: called, measured, the twin's, and their differences in standard errors."""
    file = FOLDER / "predictions" / f"{sweep}.csv"
    called = by_name(file) if file.exists() else {}
    twin = by_name(FOLDER / "twin" / "sweeps.csv") | by_name(FOLDER / "twin" / "graded.csv")
    for trial in SWEEPS[sweep]:
        name = trial.name.replace("-seed0", "")
        said = called.get(name, {"clipped_tokens": "0", "reward": f"{law(trial, 0.0):.3f}"})
        row: dict[str, Any] = {"run": name, "clipped_called": float(said["clipped_tokens"])}
        row["called"] = float(said.get("reward") or said["reward_tokens"])
        row["called_drive"] = float(said.get("reward_drive", "nan"))
        row |= figures(laboratories, trial)
        row["off_se"] = (row["trl"] - row["called"]) / row["se"]
        if name in twin:
            row |= {"twin": float(twin[name]["reward"]), "twin_se": float(twin[name]["error"])}
            row["off_twin_se"] = (row["trl"] - row["twin"]) / np.hypot(row["se"], row["twin_se"])
        yield row


def draw(tables: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """Measured against called plateau, a colour a sweep; beside it measured against the law with the logged clips."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.3), layout="constrained")
    titles = {"called": "Called before the runs", "law": "Balance law, logged clip ratio", "twin": "Twin, same length"}
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (key, title) in zip(axes, titles.items(), strict=True):
        axis.axline((0.5, 0.5), slope=1, color="grey", lw=0.8)
        for count, (sweep, table) in enumerate(tables.items()):
            some = [row for row in table if key in row]
            x, y, e = (np.array([row[k] for row in some]) for k in (key, "trl", "se"))
            axis.errorbar(x, y, 2 * e, fmt="o", ms=3.5, lw=1, color=colormaps["tab10"](count), label=sweep)
        axis.set(title=title, xlabel="reward")
    axes[0].set(ylabel="TRL: last third, five seeds, 2 se")
    axes[0].legend(fontsize=7)
    figure.savefig(file, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / "compared")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    laboratories = [bayes_grpo.read_run(FOLDER / name) for name in ("second_lab.nc", "lab.nc")]
    tables = {sweep: list(rows(laboratories, sweep)) for sweep in SWEEPS if sweep != "first"}
    for sweep, table in tables.items():
        with (out / f"{sweep}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for row in table:
                writer.writerow({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
        print(sweep, (out / f"{sweep}.csv").read_text(), sep="\n")
    draw(tables, out / "compared.png")


if __name__ == "__main__":
    main()
