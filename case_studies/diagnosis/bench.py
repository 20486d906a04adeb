"""The labelled bench: diagnose runs that fail on purpose; confusion, AUROC, calibration, detection time.

Even seeds were used to set priors, odd ones are for the figures reported: ``--split test``. One row a run goes to a
CSV file, from which ``figure.py`` draws. ``--file`` takes the TRL runs that ``trl_failures.py`` made instead.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.diagnosis.modes import MODES, answers
from bayes_grpo.analysis.diagnosis.summary import first_seen, summarise_diagnosis
from bayes_grpo.runs.dataset import one_run
from case_studies.diagnosis import bandits
from case_studies.diagnosis.labels import lost_a_third

ANSWERS = list(answers())
FIELDS = (
    "mode",
    "seed",
    *ANSWERS,
    "peak_failing",
    "onset",
    "onset_low",
    "onset_high",
    "first_seen",
    "cause",
    "rows",
    "window",
    "lost_a_third",
)


def row_of(run, mode: str, seed: int, cause: float) -> dict:
    found = bayes_grpo.diagnose(run)
    said = summarise_diagnosis(found)
    failing = found["probability_at"].sel(answer=list(MODES)).sum("answer").values
    onset = said["onset_step"] or {}
    steps = one_run(run).dropna("step", subset=["reward"])["optimizer_step"].values
    return {
        "mode": mode, "seed": seed, **said["probabilities"], "peak_failing": failing.max(),
        "onset": onset.get("median"), "onset_low": onset.get("lower"), "onset_high": onset.get("upper"),
        "first_seen": first_seen(found),
        "cause": cause, "rows": steps.size, "window": steps[1] - steps[0],
        "lost_a_third": lost_a_third(steps, one_run(run)["reward"].dropna("step").values),
    }  # fmt: skip


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive scores higher than a negative, ties half."""
    high, low = score[positive][:, None], score[~positive]
    return float((high > low).mean() + (high == low).mean() / 2)


def report(rows: list[dict]) -> dict:
    """Aggregates of the bench."""
    truth = np.array([row["mode"] for row in rows])
    chances = np.array([[float(row.get(answer, 0)) for answer in ANSWERS] for row in rows])
    said = np.array(ANSWERS)[chances.argmax(1)]
    modes = [mode for mode in ANSWERS[:-1] if (truth == mode).any()]
    out: dict = {"runs": {mode: int((truth == mode).sum()) for mode in modes}}
    out["confusion"] = {m: {a: int((said[truth == m] == a).sum()) for a in ANSWERS} for m in modes}
    out["auroc"] = {m: round(auroc(chances[:, ANSWERS.index(m)], truth == m), 4) for m in modes}
    out["accuracy"] = round(float((said == truth).mean()), 4)
    healthy = truth == "healthy"
    out["false_alarms"] = {
        "at_end": round(float((chances[healthy][:, 1:5].sum(1) > 0.5).mean()), 4),
        "seen_at_any_time": round(
            float(np.mean([r["first_seen"] not in (None, "") for r in rows if r["mode"] == "healthy"])), 4
        ),
    }
    edges = np.array([0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0 + 1e-9])
    p, hit = chances[:, :5].ravel(), (truth[:, None] == np.array(ANSWERS[:5])).ravel()
    which = np.digitize(p, edges) - 1
    out["reliability"] = [
        {"said": round(float(p[b].mean()), 3), "was": round(float(hit[b].mean()), 3), "n": int(b.sum())}
        for b in (which == i for i in range(len(edges) - 1))
        if b.any()
    ]
    out["detection"] = {}
    for mode in modes:
        if mode == "healthy":
            continue
        mine = [row for row in rows if row["mode"] == mode]
        out["detection"][mode] = {"never_seen": sum(r["first_seen"] in (None, "") for r in mine)}
        collapses = mode == "dynamical_instability"
        for what in ("cause", "lost_a_third") if collapses else ("cause",):
            late = [
                (float(r["first_seen"]) - float(r[what])) / float(r["window"])
                if r["first_seen"] not in (None, "")
                else np.inf
                for r in mine
            ]
            quartiles = [float(np.quantile(late, q, method="lower")) for q in (0.25, 0.5, 0.75)]
            out["detection"][mode][f"rows_after_{what}_quartiles"] = quartiles
    return out


def simulated(seeds: range):
    """Bandits of every mode: run, mode, seed and the step from which the cause acts."""
    for seed in seeds:
        for mode in bandits.MODES:
            run, cause = bandits.make(mode, seed)
            yield run, mode, seed, cause


def trained(file: Path, seeds: range):
    """TRL runs in the same form. Their labels are mode and seed; a cause that sets in late is a change of the rate."""
    runs = bayes_grpo.read_run(file)
    for label in map(str, runs["run"].values):
        mode, seed = label.rsplit("-", 1)
        if int(seed) in seeds:
            run = runs.sel(run=[label])
            yield run, mode, int(seed), began(one_run(run))


def began(run: xr.Dataset) -> float:
    """First step with another learning rate than the first; the first step where there is none."""
    step, rate = run["optimizer_step"].values, run["learning_rate"].values
    return float(step[np.argmax(rate != rate[0])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("diagnosis_bench.csv"))
    parser.add_argument("--runs", type=int, default=50, help="runs a mode; twice as many with --split all")
    parser.add_argument("--split", choices=("tune", "test", "all"), default="test")
    parser.add_argument("--file", type=Path, help="TRL runs that fail on purpose, instead of bandits")
    options = parser.parse_args()
    start, rows = time.perf_counter(), []
    seeds = range(options.split == "test", 2 * options.runs, 1 if options.split == "all" else 2)
    for run, mode, seed, cause in trained(options.file, seeds) if options.file else simulated(seeds):
        rows.append(row_of(run, mode, seed, cause))
        print(f"{mode}-{seed}, {time.perf_counter() - start:.0f} s", flush=True)
    with options.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    print(json.dumps(report(rows), indent=1))


if __name__ == "__main__":
    main()
