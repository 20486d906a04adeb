"""Predictions of the laboratory's settled expected reward, written before the runs.

The plateau is that of the balance law with the drive reduced by what clipping removes. The share of clipped tokens
follows from the growth of the log ratio by ``s`` an update: ``P(|s j z| > log(1 + clip)) / 2`` after j updates, half
of it because a token is clipped only where it moves the way its advantage asks. ``s`` = 0.05 at learning rate 1e-3
reproduces the clip shares of the first laboratory at K = 4 and 8; under Adam it is proportional to the learning rate.
Of the drive, either that share is removed (``tokens``) or twice as much (``drive``: of the movement that was asked
for, nearly all lies in the direction that is clipped).
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.stats import norm

from bayes_grpo.laws.balance import fixed_point
from case_studies.trl_lab.lab import Trial
from case_studies.trl_lab.sweeps import SWEEPS

FOLDER = Path(__file__).parent / "predictions"
GROWTH = 0.05  # of the log ratio's standard deviation, per update at the learning rate of the base setting
#: Learning rates that start equally steeply at a momentum of 0.9.
MATCHED = {"adamw_torch": 1e-3, "sgd": 2e-3}


def clipped_tokens(trial: Trial) -> float:
    """Share of clipped tokens over the updates of a batch."""
    if trial.refresh_interval == 1 or trial.clip >= 1 or trial.frozen:
        return 0.0
    spread = GROWTH * trial.learning_rate / MATCHED[trial.optimizer] * np.arange(1, trial.refresh_interval)
    beyond = norm.sf(np.log1p(trial.clip) / spread) + norm.cdf(np.log1p(-trial.clip) / spread)
    return float(beyond.sum() / trial.refresh_interval / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweeps", nargs="+", choices=list(SWEEPS))
    for sweep in parser.parse_args().sweeps:
        with (FOLDER / f"{sweep}.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("run", "clipped_tokens", "reward_tokens", "reward_drive"))
            for trial in SWEEPS[sweep]:
                share, span = clipped_tokens(trial), 1 - 2 * trial.error
                p = fixed_point(
                    trial.kl, trial.group_size, 1 / 11, trial.error, 1 - trial.error, [share, min(2 * share, 1.0)]
                )
                table.writerow(
                    (
                        trial.name.replace("-seed0", ""),
                        f"{share:.3f}",
                        *(f"{trial.error + span * v:.3f}" for v in np.asarray(p)),
                    )
                )


if __name__ == "__main__":
    main()
