"""The runs that studies are made on: a folder of public runs, and the runs of the laboratory.

A folder of public runs holds one folder a run and an index.csv with the columns run, file, group_size and
prompts_per_step.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import xarray as xr

import bayes_grpo
from bayes_grpo.runs.fields import check_hyperparameters

#: The laboratory's runs, one file.
LABORATORY = Path(__file__).parents[1] / "trl_lab" / "lab.nc"
#: Public tables whose reward column must be named, or that hold several runs.
STATED = {
    "reward_curves_125_steps.csv": {"reward_column": "twinkle_reward"},
    "grpo_learning_rate_eval_points.csv": {"run_column": "label"},
}


def logs(folder: Path) -> list[tuple[str, Path, dict[str, float]]]:
    """Label, log and hyperparameters of every run of the index."""
    out = []
    for row in csv.DictReader((folder / "index.csv").read_text(encoding="utf-8").splitlines()):
        known = {}
        for name in ("group_size", "prompts_per_step"):
            try:
                known |= check_hyperparameters(row["run"], {name: row[name]})
            except bayes_grpo.InputError:
                continue  # free text such as "4 or 8": unknown
        out.append((row["run"], folder / row["run"] / row["file"], known))
    return out


def readable(folder: Path) -> Iterator[tuple[str, xr.Dataset | bayes_grpo.InputError]]:
    """Label and Dataset of every log of the index, or why it cannot be read."""
    for label, log, known in logs(folder):
        try:
            yield label, bayes_grpo.read_run(log, hyperparameters=known, **STATED.get(log.name, {}))
        except bayes_grpo.InputError as error:
            yield label, error


def runs(data: Path) -> Iterator[tuple[str, xr.Dataset, str]]:
    """Label, Dataset and label in the Dataset of every run that can be read, in a folder of public runs or one file."""
    if data.is_file():
        dataset = bayes_grpo.read_run(data)
        yield from ((str(name), dataset, str(name)) for name in dataset["run"].values)
        return
    for label, dataset in readable(data):
        if isinstance(dataset, bayes_grpo.InputError):
            print(f"{label}: cannot be read: {dataset.faults[0][:100]}", file=sys.stderr, flush=True)
            continue
        several = dataset.sizes["run"] > 1
        for name in dataset["run"].values:
            yield f"{label}:{name}" if several else label, dataset, str(name)
