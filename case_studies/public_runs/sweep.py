"""Fit every public GRPO run in a data folder and say which fits may be believed.

The folder holds one folder a run and an index.csv (columns run, file, group_size, prompts_per_step). Resumable: a run
that stands in the output table is not fitted again. One process fits all runs, so memory is reported too.
"""

import argparse
import csv
import resource
import time
from itertools import islice
from pathlib import Path

import bayes_grpo
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.common.runs import readable

FIELDS = ("run", "rows", "converged", "max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "min_bfmi", "seconds")
FIELDS += ("plateau", "plateau_low", "plateau_high", "timescale", "damping", "damping_ratio", "rss_mb", "reason")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("public_runs.csv"))
    parser.add_argument("--model", default="oscillator")
    parser.add_argument("--limit", type=int, help="fit only the first runs")
    options = parser.parse_args()
    use_compilation_cache()
    done = set()
    if options.out.exists():
        done = {row["run"] for row in csv.DictReader(options.out.open(encoding="utf-8"))}
    new = not options.out.exists()
    with options.out.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if new:
            writer.writeheader()
        for label, runs in islice(readable(options.data), options.limit):
            if isinstance(runs, bayes_grpo.InputError):
                if label not in done:
                    writer.writerow(
                        {"run": label, "converged": False, "reason": f"cannot be read: {runs.faults[0][:100]}"}
                    )
                continue
            several = runs.sizes["run"] > 1
            for name in runs["run"].values:
                full = f"{label}:{name}" if several else label
                if full not in done:
                    writer.writerow(row_of(full, runs, str(name), options.model))
                    file.flush()


def row_of(label: str, runs, name: str, model: str) -> dict:
    began = time.perf_counter()
    try:
        fit = bayes_grpo.fit(runs, model, run=name)
    except bayes_grpo.InputError as error:
        return {"run": label, "converged": False, "reason": error.faults[0][:120]}
    summary = bayes_grpo.summarise(fit)
    row = {"run": label, "rows": fit["observed_data"].sizes["step"], "converged": summary["converged"]}
    row |= {key: summary["diagnostics"][key] for key in FIELDS if key in summary["diagnostics"]}
    row["seconds"] = round(time.perf_counter() - began, 1)
    for key in ("plateau", "timescale", "damping", "damping_ratio"):
        if key in summary["parameters"]:
            row[key] = summary["parameters"][key]["mean"]
    row["plateau_low"], row["plateau_high"] = (summary["parameters"]["plateau"][key] for key in ("lower", "upper"))
    row["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    row["reason"] = "; ".join(note["text"] for note in summary["notes"] if note["kind"] == "not_converged")
    print(label, "ok" if summary["converged"] else row["reason"], f"{row['seconds']} s", flush=True)
    return row


if __name__ == "__main__":
    main()
