"""Public runs foretold from their first rewards: what `bayes_grpo.plan` says before, held against their last fifth.

The base success rate is the mean of the first twentieth of the rewards, or of the first three: what a user measures
before the run. Group size, prompts a step and length are those of the index. Once nothing else is known, and once the
first other run of the same repository stands for earlier runs.

``--page`` writes the table into the page beside this file.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.fit import light_fit
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.runs.dataset import hyperparameters_of, one_run
from case_studies.common.runs import runs
from case_studies.common.table import Table

PAGE, TABLE = Path(__file__).with_name("README.md"), Path(__file__).with_name("foretold.csv")
#: Marks of the page between which the table stands.
BEGIN, END = "<!-- foretold: written by case_studies.decisions.foretold -->", "<!-- end of foretold -->"
COLUMNS = ("key", "start", "seen", "low", "median", "high", "fit_low", "fit_median", "fit_high", "signal", "power")
#: Share of the rewards that stand for the base success rate, and of those that are foretold.
FIRST, LAST = 0.05, 0.2


def usable(folder: Path) -> Iterator[tuple[str, xr.Dataset]]:
    """Runs whose rewards are success rates and whose groups and batches are known: label, and Dataset of one run."""
    for label, dataset, name in runs(folder):
        single = dataset.sel(run=[name])
        known, rewards = hyperparameters_of(one_run(single)), single["reward"].values
        rewards = rewards[np.isfinite(rewards)]
        inside = rewards.size >= 20 and rewards.min() >= 0 and rewards.max() <= 1
        # Four decimals in a column of accuracies; a mean of rewards with a penalty for format is no success rate.
        if inside and {"group_size", "prompts_per_step"} <= set(known) and 0.01 < rewards[:3].mean() < 0.99:
            yield label, single.assign(reward_lower=("run", [0.0]), reward_upper=("run", [1.0]))


def ends(run: xr.Dataset) -> tuple[float, float, float]:
    """Base success rate, mean of the last fifth of the rewards, and the last step."""
    rewards, steps = run["reward"].values[0], run["optimizer_step"].values[0]
    seen = np.isfinite(rewards)
    rewards, steps = rewards[seen], steps[seen]
    first = max(3, round(FIRST * rewards.size))
    late = steps > steps[0] + (1 - LAST) * (steps[-1] - steps[0])
    return float(rewards[:first].mean()), float(rewards[late].mean()), float(steps[-1])


def foretell(run: xr.Dataset, earlier: list[xr.DataTree]) -> tuple[list[float], float, float]:
    """Ends and middle of the 90 % interval of the mean of the last fifth, signal at the start, and power."""
    start, _, last = ends(run)
    known = hyperparameters_of(one_run(run))
    setting = bayes_grpo.PlannedRun(
        group_size=int(known["group_size"]), prompts_per_step=int(known["prompts_per_step"]), steps=int(last)
    )
    result = bayes_grpo.plan(start, setting, fits=earlier).isel(option=0)
    late = result["expected_reward"].values[:, result["steps"].values > (1 - LAST) * last].mean(1)
    interval = [float(value) for value in np.quantile(late, [0.05, 0.5, 0.95])]
    return interval, float(result["signal_share"]), float(result["power"])


def study(folder: Path, table: Table) -> None:
    """Every run that can be used."""
    found = dict(usable(folder))
    fits: dict[str, xr.DataTree] = {}
    for label in table.missing(list(found)):
        repository = label.split("/")[0]
        other = next((name for name in found if name.split("/")[0] == repository and name != label), None)
        try:
            if other is not None and other not in fits:
                fits[other] = light_fit(found[other], seed=0)
            start, seen, _ = ends(found[label])
            alone, signal, power = foretell(found[label], [])
            helped = foretell(found[label], [fits[other]])[0] if other is not None else [float("nan")] * 3
        except bayes_grpo.InputError as error:
            print(f"{label}: {error.faults[0][:100]}")
            continue
        table.add(label, start, seen, *alone, *helped, signal, power)


def lines(table: Table) -> list[str]:
    """The table of the page: by repository, how many lie inside, and how far off the medians are."""
    rows = table.rows()
    out = [
        "| repository | runs | inside, population | inside, one earlier run | error of the median | the same |",
        "|---|---|---|---|---|---|",
    ]
    names = sorted({row["key"].split("/")[0] for row in rows})
    for name in [*names, "all"]:
        of = [row for row in rows if name in ("all", row["key"].split("/")[0])]
        cells = [str(len(of))]
        errors = []
        for kind in ("", "fit_"):
            low, middle, high, seen = (
                np.array([float(row[column]) for row in of])
                for column in (f"{kind}low", f"{kind}median", f"{kind}high", "seen")
            )
            told = np.isfinite(middle)
            inside = int(((low < seen) & (seen < high))[told].sum())
            cells.append(f"{inside} of {told.sum()}" if told.any() else "-")
            errors.append(f"{np.median(np.abs(middle - seen)[told]):.3f}" if told.any() else "-")
        out.append(f"| {name} | {' | '.join([*cells, *errors])} |")
    return out


def write_page(table: Table, page: Path = PAGE) -> None:
    """Write the table between its marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([before + BEGIN, *lines(table), END]) + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of public runs")
    parser.add_argument("--page", action="store_true", help="write the table into the page")
    options = parser.parse_args()
    use_compilation_cache()
    table = Table(TABLE, COLUMNS)
    study(options.data, table)
    print("\n".join(lines(table)))
    if options.page:
        write_page(table)


if __name__ == "__main__":
    main()
