"""Which law predicts real runs best, and by how much: every run of a data folder, or of a file of runs, by every law.

The folder is laid out as for `../public_runs/sweep.py`. Resumable: a run with a row for every law is not fitted again;
the rows of a run are written when its laws are done, one a law, with differences to the other laws as sums over the
run. ``--report`` turns the table into aggregates.
"""

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.comparison.scoring import Scored, score
from bayes_grpo.analysis.differences import Scores, difference
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.common.runs import runs

MODELS = [model.name for model in bayes_grpo.list_models() if not model.pooled]
FIELDS = ("run", "model", "rewards", "elpd", "se", "parameters", "max_khat", "high_khat", "converged", "seconds")
FIELDS += ("differences", "reason")


def rows_of(
    label: str, dataset: xr.Dataset, name: str, models: list[str], criterion: str, **settings: int
) -> list[dict]:
    """A row for each law, with its differences to all laws that could be fitted: nats ahead, error, whether found."""
    scored: dict[str, Scored] = {}
    rows = []
    for model in models:
        began = time.perf_counter()
        row = {"run": label, "model": model, "converged": False}
        try:
            one = score(bayes_grpo.fit(dataset, model, run=name, **settings), criterion)
        except bayes_grpo.InputError as error:
            rows.append(row | {"reason": error.faults[0][:120]})
            continue
        scored[model] = one
        row |= {"rewards": one.elpd.size, "elpd": one.elpd.sum(), "se": one.elpd.std() * np.sqrt(one.elpd.size)}
        row |= {
            "parameters": one.parameters,
            "converged": not one.failures,
            "reason": "; ".join(note.text for note in one.failures),
        }
        row |= {"max_khat": np.nanmax(one.khat, initial=0.0), "high_khat": int((one.khat > one.good_khat).sum())}
        row["seconds"] = time.perf_counter() - began
        rows.append({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()})
        print(label, model, f"{row['elpd']:.1f}", row["reason"] or "ok", f"{row['seconds']:.0f} s", flush=True)
    for row in rows:
        own = scored.get(row["model"])
        if own is not None:
            found = {other: _difference(own, its) for other, its in scored.items() if other != row["model"]}
            row["differences"] = json.dumps(found)
    return rows


def _difference(own: Scored, other: Scored) -> tuple[float, float, bool]:
    both = (Scores(one.elpd, ~(one.khat > one.good_khat)) for one in (own, other))
    gap = difference(*both, own.run)
    return round(gap.nats, 3), round(gap.error, 3), gap.clear


def sweep(options: argparse.Namespace) -> None:
    use_compilation_cache()
    settings = {"draws": options.draws, "tune": options.tune, "chains": options.chains}
    models = options.models.split(",")
    done: dict[str, set[str]] = {}
    if options.out.exists():
        for row in csv.DictReader(options.out.open(encoding="utf-8")):
            done.setdefault(row["run"], set()).add(row["model"])
    new = not options.out.exists()
    with options.out.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        for count, (label, dataset, name) in enumerate(runs(options.data)):
            if options.limit is not None and count >= options.limit:
                break
            if set(models) <= done.get(label, set()):
                continue
            for row in rows_of(label, dataset, name, models, options.criterion, **settings):
                writer.writerow(row)
            file.flush()


def report(path: Path) -> str:
    """Aggregates over runs: how the laws rank, and each law against each other.

    A law enters with the runs on which its fit converged; a pair of laws with those on which both did.
    """
    table = {(row["run"], row["model"]): row for row in csv.DictReader(path.open(encoding="utf-8"))}
    good = {key: row for key, row in table.items() if row["converged"] == "True"}
    labels, models = list(dict.fromkeys(run for run, _ in table)), list(dict.fromkeys(model for _, model in table))
    ahead = {key: json.loads(row["differences"]) for key, row in good.items()}

    def pairs(a: str, b: str) -> list[tuple[float, float, bool, bool]]:
        """Of runs with both: nats that a is ahead of b, its error, whether a was found better, whether b was."""
        both = [run for run in labels if (run, a) in good and (run, b) in good]
        return [(*ahead[run, a][b], ahead[run, b][a][2]) for run in both]

    best: dict[str, str] = {}
    for run in labels:
        fitted = [model for model in models if (run, model) in good]
        if fitted:
            best[run] = max(fitted, key=lambda model: float(good[run, model]["elpd"]))
    lines = [f"{len(labels)} runs; laws by how far they are behind the best law of each run (nats).", ""]
    lines += [
        "| law | converged on | best on | not worse than the best on | mean behind | median behind | k-hat too high |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    ranked = []
    for model in models:
        own = [run for run in labels if (run, model) in good]
        behind = [0.0 if best[run] == model else ahead[run, best[run]][model][0] for run in own]
        level = sum(best[run] == model or not ahead[run, best[run]][model][2] for run in own)
        high = sum(int(good[run, model]["high_khat"]) for run in own)
        rewards = sum(int(good[run, model]["rewards"]) for run in own)
        first = sum(best[run] == model for run in own)
        middle = (f"{np.mean(behind):.1f}", f"{np.median(behind):.1f}") if own else ("-", "-")
        cells = (model, len(own), first, level, *middle, f"{high} of {rewards} rewards")
        ranked.append((np.mean(behind) if own else np.inf, "| " + " | ".join(map(str, cells)) + " |"))
    lines += [line for _, line in sorted(ranked)]
    lines += ["", "Law in the row against law in the column: runs found better, undecided, found worse.", ""]
    lines += ["| | " + " | ".join(models) + " |", "|---" * (len(models) + 1) + "|"]
    for a in models:
        cells = []
        for b in models:
            found = pairs(a, b) if a != b else []
            won, lost = sum(one[2] for one in found), sum(one[3] for one in found)
            cells.append(f"{won}, {len(found) - won - lost}, {lost}" if found else "")
        lines.append(f"| {a} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "The same, elpd difference summed over runs (nats; standard error from the scatter between runs).",
        "",
    ]
    lines += ["| | " + " | ".join(models) + " |", "|---" * (len(models) + 1) + "|"]
    for a in models:
        cells = []
        for b in models:
            nats = np.array([one[0] for one in pairs(a, b)]) if a != b else np.zeros(0)
            error = f" ({np.sqrt(nats.size) * nats.std(ddof=1):.0f})" if nats.size > 1 else ""
            cells.append(f"{nats.sum():+.0f}{error}" if nats.size else "")
        lines.append(f"| {a} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=Path, nargs="?", help="folder with an index.csv, or a file of runs; not for --report"
    )
    parser.add_argument("--out", type=Path, default=Path("comparison.csv"))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--criterion", default="loo", choices=("loo", "lfo"))
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--tune", type=int, default=1000)
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--limit", type=int, help="only the first runs")
    parser.add_argument("--report", action="store_true", help="only print the aggregates of --out")
    options = parser.parse_args()
    if not options.report:
        if options.data is None:
            parser.error("name the data folder or file")
        sweep(options)
    print(report(options.out))


if __name__ == "__main__":
    main()
