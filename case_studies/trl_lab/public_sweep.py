"""Do the logs of a public sweep show early which runs collapse? s from KL to the rollout policy and clip ratios.

``python -m case_studies.trl_lab.public_sweep ../shared/data`` prints a row a run; the early part is the first third of
the rows.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import norm

import bayes_grpo
from bayes_grpo.analysis.stability.reuse import DISCREPANCY, LEAST_SHARE
from bayes_grpo.laws import reuse
from case_studies.common.runs import logs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    for label, log, known in logs(parser.parse_args().data):
        if "main__grpo_off_policy" not in label:
            continue
        run = bayes_grpo.read_run(log, hyperparameters=known)
        interval = round(float(run["refresh_interval"][0]))
        early = run.isel(step=slice(0, run.sizes["step"] // 3))
        kl = float(early["update_kl"].mean()) if "update_kl" in early else np.nan
        clip = float(early["clip_ratio"].mean()) if "clip_ratio" in early else np.nan
        growth = float(reuse.growth_channels(interval, None)["update_kl"](np.array(kl)))
        limit = float(reuse.effective_share_limit(growth, 1e6, LEAST_SHARE))
        beyond = norm.sf(np.log(limit / interval) / DISCREPANCY)
        late = run["reward"].values[0]
        late = late[np.isfinite(late)]
        print(
            f"{label.split('__')[-1]:32s} K {interval:2d}  KL {kl:.4f}  clip ratio {clip:.3f}  s {growth:.3f}  "
            f"K_ess {limit:5.1f}  P(K > K_ess) {beyond:.3f}  reward {late.max():.2f} to {late[-5:].mean():.2f}"
        )


if __name__ == "__main__":
    main()
