"""Diagnose the runs of the TRL laboratory: real GRPOTrainer runs of which some break under reuse of rollouts.

No prior was set on them. Labels are those of ``labels.py``, from the reward alone; a run that never learned is told
apart.
"""

import json
from collections import Counter

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.diagnosis.summary import summarise_diagnosis
from bayes_grpo.runs.dataset import one_run
from case_studies.common.runs import LABORATORY
from case_studies.diagnosis.labels import label_of


def main() -> None:
    runs = xr.open_dataset(LABORATORY, engine="h5netcdf").load()
    table: dict[str, Counter] = {}
    for name in runs["run"].values:
        run = one_run(runs, str(name))
        reward = run["reward"].values
        kind = label_of(reward[np.isfinite(reward)], np.zeros(0))
        reuse = "K >= 8" if float(run["refresh_interval"]) >= 8 else "K <= 4"
        clipped = "clipped" if "-clip-" in str(name) else "unclipped"
        said = summarise_diagnosis(bayes_grpo.diagnose(runs, run=str(name)))
        table.setdefault(f"{kind}, {reuse}, {clipped}", Counter())[said["diagnosis"]] += 1
    print(json.dumps({key: dict(count) for key, count in sorted(table.items())}, indent=1))


if __name__ == "__main__":
    main()
