"""Diagnose public runs: collapsed ones against healthy siblings, and when each collapse was seen.

The folder is that of ``case_studies/public_runs``. Labels come by a rule that knows nothing of the diagnosis: a run
has collapsed if the mean of its last five rows is below half of its best stretch, has recovered if it was below half
in between, is concentrated if its entropy lost 95 % (as the bench says), and else healthy if it lost less than a third
of its gain (the noise of both means allowed for); what lies between has no label. Runs of some repositories were
looked at while priors were set.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

import bayes_grpo
from bayes_grpo.analysis.diagnosis.modes import MODES, answers
from bayes_grpo.analysis.diagnosis.summary import first_seen, summarise_diagnosis
from bayes_grpo.runs.dataset import one_run
from case_studies.common.runs import STATED, logs
from case_studies.diagnosis.labels import label_of, lost_a_third

ANSWERS = list(answers())
#: Repositories whose runs were looked at while priors were set; the others are for the figures reported.
TUNED_ON = ("Sunshine535", "unslothai", "LeonOpus", "abdo-ashraf", "nhockid235", "srinath-manda")
FIELDS = ("run", "split", "label", *ANSWERS, "said", "onset", "first_seen", "lost_a_third", "rows", "step", "channels")


def runs_of(data: Path):
    """Label, Dataset and name of every run of the folder that can be read."""
    for label, log, known in logs(data):
        try:
            runs = bayes_grpo.read_runs(log, hyperparameters=known, **STATED.get(log.name, {}))
        except bayes_grpo.InputError as error:
            print(f"{label}: {error.faults[0][:100]}", flush=True)
            continue
        for run in runs:
            yield from ((label, run, str(name)) for name in run["run"].values)


def label_of_run(one) -> str:
    reward = one["reward"].values
    entropy = one["entropy"].values if "entropy" in one else np.zeros(0)
    return label_of(reward[np.isfinite(reward)], entropy[np.isfinite(entropy)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("diagnosis_public.csv"))
    options = parser.parse_args()
    rows = [row_of(label, run, name) for label, run, name in runs_of(options.data)]
    with options.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    for split in ("tune", "test"):
        print(split, json.dumps(report([row for row in rows if row["split"] == split]), indent=1))


def row_of(label: str, run, name: str) -> dict:
    found = bayes_grpo.diagnose(run, run=name)
    said = summarise_diagnosis(found)
    one = one_run(run, name)
    reward = one["reward"].values
    step, reward = one["optimizer_step"].values[np.isfinite(reward)], reward[np.isfinite(reward)]
    kind = label_of_run(one)
    return {
        "run": label if run.sizes["run"] == 1 else f"{label}:{name}",
        "split": "tune" if label.startswith(TUNED_ON) else "test",
        "label": kind, **said["probabilities"], "said": said["diagnosis"],
        "onset": (said["onset_step"] or {}).get("median"), "first_seen": first_seen(found),
        "lost_a_third": lost_a_third(step, reward) if kind == "collapsed" else None,
        "rows": step.size, "step": step[1] - step[0], "channels": found.sizes["channel"],
    }  # fmt: skip


def report(rows: list[dict]) -> dict:
    failing = [sum(row[f] for f in MODES) for row in rows]
    out = {}
    for kind in ("healthy", "concentrated", "between", "recovered", "collapsed"):
        mine = [(row, p) for row, p in zip(rows, failing, strict=True) if row["label"] == kind]
        out[kind] = {
            "runs": len(mine),
            "failing_at_end": sum(p > 0.5 for _, p in mine),
            "seen_at_any_time": sum(row["first_seen"] is not None for row, _ in mine),
        }
    leads = []
    for row in rows:
        if row["label"] == "collapsed":
            lead = None if row["first_seen"] is None else row["lost_a_third"] - row["first_seen"]
            leads.append((row["run"], row["said"], lead, row["step"]))
    out["steps_seen_before_a_third_is_lost"] = leads
    out["alarmed"] = [
        (row["run"], row["label"], row["said"], row["onset"], row["first_seen"])
        for row, p in zip(rows, failing, strict=True)
        if row["label"] != "collapsed" and (p > 0.5 or row["first_seen"] is not None)
    ]
    return out


if __name__ == "__main__":
    main()
