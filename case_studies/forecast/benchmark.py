"""Forecasts from 20, 30, 50 and 70 % of every usable run, by the population model and by its peers.

The prior of a run is learned without its whole repository (population.py must have fitted the runs before), and so is
the weight of persistence in the report. Resumable: one line of JSON a run and origin.

    python benchmark.py ../../../shared/data --population FOLDER --out forecasts.jsonl
    python benchmark.py --report forecasts.jsonl
"""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from bayes_grpo.analysis.forecast.paths import collapse_note, make_basis, recent, sample_paths
from bayes_grpo.inference.layout import RESOLUTION, prepare
from bayes_grpo.inference.posterior import draw_posterior
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec
from case_studies.forecast.peers import Case, peers
from case_studies.forecast.population import DEGREES, populations
from case_studies.forecast.report import report
from case_studies.forecast.scores import Predicted, block_means, mixed_density, scored
from case_studies.forecast.usable import usable

ORIGINS = (0.2, 0.3, 0.5, 0.7)
#: Weights of persistence that are scored; the report chooses.
WEIGHTS = tuple(np.linspace(0, 1, 11).round(2))


def population_spec(found: dict[str, tuple[float, float]]) -> ModelSpec:
    """models/population.toml with another population."""
    spec, unit = load_model("population"), {"stiffness": "planned_steps", "observation_sd": "reward_range"}
    parameters = dict(spec.parameters)
    for name, (location, scale) in found.items():
        loc: float | str = location
        if name in unit:
            about = f"/ {unit[name]}" if name == "stiffness" else f"* {unit[name]}"
            loc = f"log({np.exp(location)} {about})"
        parameters[name] = replace(parameters[name], arguments={"df": DEGREES, "loc": loc, "scale": scale})
    return replace(spec, parameters=parameters)


def ours(run: xr.Dataset, rows: int, spec: ModelSpec, settings: dict[str, int]) -> tuple[dict[float, Predicted], str]:
    """The model's forecast at every weight of persistence, and what there is to say of the fit."""
    past = run.isel(step=slice(rows)).dropna("step", how="all", subset=["reward"])
    planned = float(run["optimizer_step"].values[0, -1])
    if "planned_steps" not in past:
        past = past.assign(planned_steps=("run", [planned]))
    prepared = prepare(past, spec)
    drawn = draw_posterior(spec, prepared, Sampler(**settings))
    basis = make_basis(spec, prepared, {name: value.ravel() for name, value in drawn.values.items()})
    ahead = run["optimizer_step"].values[0, rows:]
    rate = run["learning_rate"].values[0, rows:] if "learning_rate" in run else np.ones(ahead.size)
    truth = run["reward"].values[0, rows:]
    level = recent(past["reward"].values[0])
    law, stay = (sample_paths(basis, ahead, rate, weight, settings["seed"]) for weight in (0.0, 1.0))
    count = len(law["stays"])
    which = np.linspace(0, basis.values["observation_sd"].size - 1, count).round().astype(int)
    noise = basis.values["observation_sd"][which, None] / np.sqrt(basis.setting.values["logging_window"])
    order = np.random.default_rng(settings["seed"]).permutation(count)
    sd = np.hypot(level.sd, RESOLUTION * basis.setting.values["reward_range"])
    out = {}
    for weight in WEIGHTS:  # as `sample_paths` mixes them
        stays = np.isin(np.arange(count), order[: round(weight * count)])[:, None]
        paths = {name: np.where(stays, stay[name], law[name]) for name in ("expected_reward", "reward")}
        density = mixed_density(paths["expected_reward"], np.where(stays, sd, noise), truth)
        out[float(weight)] = Predicted(block_means(paths["reward"]), paths["reward"], density)
    divergences = int(drawn.statistics["diverging"].sum())
    collapse = collapse_note(past["reward"].values[0])
    return out, collapse.text if collapse else f"{divergences} divergences" if divergences else ""


def case_of(run: xr.Dataset, rows: int, seed: int) -> Case:
    from bayes_grpo.inference.quantities import settle
    from bayes_grpo.runs.dataset import one_run

    steps, rewards = run["optimizer_step"].values[0], run["reward"].values[0]
    past = one_run(run.isel(step=slice(rows)), str(run["run"].values[0]))
    known = settle(past, load_model("overdamped")).values
    return Case(
        steps[:rows], rewards[:rows], steps[rows:], rewards[rows:], known["reward_lower"], known["reward_upper"], seed
    )


def forecast_runs(options: argparse.Namespace) -> None:
    use_compilation_cache()
    settings = {"seed": 0, "chains": 2, "draws": options.draws, "tune": options.tune}
    done = set()
    if options.out.exists():
        done = {(row["label"], row["origin"]) for row in map(json.loads, options.out.open(encoding="utf-8"))}
    without = populations(options.population)
    others = peers()
    for count, (label, repository, run) in enumerate(usable(options.data)):
        if count == options.limit:
            return
        spec = population_spec(without.get(repository, without["all"]))
        rewards = run["reward"].values[0]
        for origin in ORIGINS:
            if (label, origin) in done:
                continue
            rows = max(round(origin * rewards.size), 10)
            sd = float(rewards.std())
            began = time.perf_counter()
            try:
                own, said = ours(run, rows, spec, settings)
            except Exception as error:  # the benchmark goes on; the report counts what failed
                own, said = {}, f"failed: {error}"
            row = {"label": label, "repository": repository, "origin": origin, "rewards": rewards.size, "said": said}
            row["seconds"] = round(time.perf_counter() - began, 2)
            row["share"] = float((run["optimizer_step"].values[0, -1] / run["optimizer_step"].values[0, rows - 1]) - 1)
            row["ours"] = {str(w): scored(p, rewards[rows:], sd) for w, p in own.items()}
            row["peers"] = {}
            for name, peer in others.items():
                began = time.perf_counter()
                row["peers"][name] = scored(peer(case_of(run, rows, count)), rewards[rows:], sd)
                row["peers"][name]["seconds"] = round(time.perf_counter() - began, 3)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(label, origin, said, f"{row['seconds']:.0f} s", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs; without it the laboratory alone")
    parser.add_argument("--population", type=Path, help="folder that population.py has filled")
    parser.add_argument("--out", type=Path, help="scores, made or gone on with")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="print the tables of a finished benchmark and draw coverage.png"
    )
    parser.add_argument("--limit", type=int, help="runs at most")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--tune", type=int, default=400)
    options = parser.parse_args()
    if options.report:
        print(report(options.report))
    else:
        forecast_runs(options)


if __name__ == "__main__":
    main()
