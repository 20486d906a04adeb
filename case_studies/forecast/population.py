"""Learn the prior of models/population.toml: what runs of many tasks have in common, in dimensionless quantities.

Every usable run is fitted by itself under the wide priors of interim.toml. The population is then the one that makes
the runs most probable, the product over runs of the mean over their draws of population / interim density (Hogg, Myers
and Bovy 2010, "Inferring the eccentricity distribution"): the mode of the hierarchical model without sampling it. A
repository of n runs counts as sqrt(n). Resumable: fitted runs are kept in a folder.

    python -m case_studies.forecast.population ../shared/data --out FOLDER
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm, t

from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.posterior import draw_posterior, settled
from bayes_grpo.inference.progress import use_compilation_cache
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from benchmarks.curves.series import training_series

HERE = Path(__file__).parent
#: Heavy tails, so that a run unlike all others can leave the population.
DEGREES = 4.0
#: Narrower than this no population is believed, however few the runs.
LEAST_SCALE = 0.05
#: Location and scale of interim.toml, in the coordinates of `coordinates`.
INTERIM = {
    "rise": (0.0, 0.5),
    "stiffness": (np.log(5), 2.0),
    "noise_ratio": (-1.3, 1.5),
    "observation_sd": (np.log(0.1), 1.5),
}


def coordinates(values: dict[str, np.ndarray], planned_steps: float, reward_range: float) -> np.ndarray:
    """Draws in the population's dimensionless coordinates, shape (draw, 4)."""
    stiffness = values["stiffness"]
    return np.stack(
        [
            values["rise"],
            np.log(stiffness) - np.log1p(-stiffness) + np.log(planned_steps),
            np.log(values["noise_ratio"]),
            np.log(values["observation_sd"] / reward_range),
        ],
        axis=1,
    )


def fit_runs(data: Path | None, folder: Path, limit: int | None, **settings: int) -> None:
    """Fit every usable run that is not in the folder yet."""
    use_compilation_cache()
    folder.mkdir(parents=True, exist_ok=True)
    spec = load_model(HERE / "interim.toml")
    for count, (label, repository, _, run) in enumerate(training_series(data)):
        target = folder / f"{repository}_{count:03d}.json"
        if count == limit:
            return
        if target.exists():
            continue
        prepared = prepare(run, spec)
        drawn = draw_posterior(spec, prepared, Sampler(**settings))
        flat = {name: value.ravel() for name, value in drawn.values.items()}
        quantities = prepared.settings[0].values
        found = coordinates(flat, quantities["planned_steps"], quantities["reward_range"])
        kept = np.linspace(0, len(found) - 1, min(800, len(found))).astype(int)
        row = {"label": label, "repository": repository, "converged": settled(drawn), "draws": found[kept].tolist()}
        row["divergences"] = int(drawn.statistics["diverging"].sum())
        target.write_text(json.dumps(row), encoding="utf-8")
        print(label, "ok" if row["converged"] else "NOT CONVERGED", row["divergences"], file=sys.stderr, flush=True)


def learn(rows: list[dict]) -> dict[str, tuple[float, float]]:
    """Location and scale of each coordinate's Student t population."""
    draws = np.array([row["draws"] for row in rows])
    interim = sum(norm.logpdf(draws[..., i], *pair) for i, pair in enumerate(INTERIM.values()))
    names, counts = np.unique([row["repository"] for row in rows], return_counts=True)
    size = dict(zip(names, counts, strict=True))
    weight = np.array([1 / np.sqrt(size[row["repository"]]) for row in rows])

    def loss(place: np.ndarray) -> float:
        location, log_scale = place.reshape(2, -1)
        density = sum(t.logpdf(draws[..., i], DEGREES, location[i], np.exp(log_scale[i])) for i in range(len(location)))
        ratio = density - interim
        top = ratio.max(1, keepdims=True)
        return -float(weight @ (top[:, 0] + np.log(np.exp(ratio - top).mean(1))))

    start = np.concatenate([np.median(draws, axis=(0, 1)), np.log(np.std(np.median(draws, axis=1), axis=0) + 0.1)])
    bounds = [(None, None)] * len(INTERIM) + [(np.log(LEAST_SCALE), None)] * len(INTERIM)
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    location, log_scale = found.x.reshape(2, -1)
    return {name: (float(location[i]), float(np.exp(log_scale[i]))) for i, name in enumerate(INTERIM)}


def populations(folder: Path) -> dict[str, dict[str, tuple[float, float]]]:
    """The population of all runs ('all'), and without each repository in turn."""
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    rows = [row for row in rows if row["converged"]]
    out = {"all": learn(rows)}
    repositories = sorted({row["repository"] for row in rows})
    for repository in repositories if len(repositories) > 1 else ():
        out[repository] = learn([row for row in rows if row["repository"] != repository])
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder of public runs; without it the laboratory alone")
    parser.add_argument("--out", type=Path, required=True, help="folder of fitted runs, made or gone on with")
    parser.add_argument("--limit", type=int, help="runs at most")
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--tune", type=int, default=500)
    options = parser.parse_args()
    fit_runs(options.data, options.out, options.limit, seed=0, chains=2, draws=options.draws, tune=options.tune)
    for left_out, found in populations(options.out).items():
        pairs = ", ".join(f"{name} {location:.3f} +- {scale:.3f}" for name, (location, scale) in found.items())
        print(f"{left_out}: {pairs}")


if __name__ == "__main__":
    main()
