"""rl-doctor (PyPI: rldoctor) on the same runs: what its detectors say, by severity, next to the labels.

It runs as a program of its own, from an environment of its own. It gets every run as JSONL with all channels under its
own canonical names, so nothing is lost to naming. A detector's severity (none, info, warning, critical) is its score
for the failure it stands for.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from bayes_grpo.runs.dataset import one_run
from case_studies.diagnosis import bandits, public_runs
from case_studies.diagnosis.bench import auroc, simulated, trained

NAMES = {
    "reward": "reward_mean",
    "evaluation_reward": "eval_score",
    "zero_spread_share": "zero_var_group_frac",
    "reward_spread": "reward_std",
    "entropy": "entropy",
    "kl": "kl",
    "clip_ratio": "pg_clipfrac",
    "grad_norm": "grad_norm",
    "learning_rate": "lr",
    "completion_length": "response_len_mean",
}
STANDS_FOR = {
    "reward_hacking": ("reward_hacking",),
    "advantage_degeneracy": ("advantage_collapse",),
    "policy_concentration": ("entropy_collapse",),
    "dynamical_instability": ("kl_drift", "gradient_pathology", "clip_saturation"),
}
SEVERITY = {"info": 1, "warning": 2, "critical": 3}  # "ok" and "skipped" are none


def severities(program: Path, run) -> dict[str, int]:
    """Severity of each detector that found something."""
    columns = {new: run[old].values for old, new in NAMES.items() if old in run}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        with log.open("w") as file:
            for i, step in enumerate(run["optimizer_step"].values):
                row = {"step": int(step)} | {n: float(v[i]) for n, v in columns.items() if np.isfinite(v[i])}
                if "group_size" in run:
                    row["group_size"] = int(run["group_size"])
                file.write(json.dumps(row) + "\n")
        done = subprocess.run(
            [program, "diagnose", log, "--format", "json"], capture_output=True, text=True, check=True
        )
    return {f["detector"]: SEVERITY.get(f["severity"].lower(), 0) for f in json.loads(done.stdout)["findings"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path, help="the rldoctor executable")
    parser.add_argument("--runs", type=int, default=50, help="runs a mode; odd seeds, as in bench.py")
    parser.add_argument("--file", type=Path, help="TRL runs that fail on purpose, instead of bandits")
    parser.add_argument("--data", type=Path, help="folder of public runs, too")
    options = parser.parse_args()
    rows = []
    seeds = range(1, 2 * options.runs, 2)
    for run, mode, *_ in trained(options.file, range(1000)) if options.file else simulated(seeds):
        rows.append((mode, severities(options.program, one_run(run))))
    truth = np.array([mode for mode, _ in rows])
    out: dict = {"auroc": {}, "runs_with_a_critical_finding": {}}
    for mode, detectors in STANDS_FOR.items() if rows else ():
        score = np.array([max(found.get(d, 0) for d in detectors) for _, found in rows])
        out["auroc"][mode] = round(auroc(score, truth == mode), 4)
    for mode in bandits.MODES if rows else ():
        mine = [found for m, found in rows if m == mode]
        out["runs_with_a_critical_finding"][mode] = round(float(np.mean([3 in found.values() for found in mine])), 3)
    if options.data is not None:
        out["public_runs_with_a_critical_finding"] = public(options.program, options.data)
    print(json.dumps(out, indent=1))


def public(program: Path, data: Path) -> dict[str, str]:
    """Critical findings on public runs by label: of a detector that could mean collapse, and of any."""
    means_collapse = {d for detectors in STANDS_FOR.values() for d in detectors}
    counts: dict[str, list[tuple[bool, bool]]] = {}
    for _, run, name in public_runs.runs_of(data):
        one = one_run(run, name)
        found = severities(program, one)
        critical = {d for d, severity in found.items() if severity == 3}
        kind = public_runs.label_of_run(one)
        counts.setdefault(kind, []).append((bool(critical & means_collapse), bool(critical)))
    return {
        kind: f"{sum(a for a, _ in c)} of {len(c)}, any detector {sum(b for _, b in c)}" for kind, c in counts.items()
    }


if __name__ == "__main__":
    main()
