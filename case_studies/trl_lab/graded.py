"""The second task's plateau, predicted before any run of it: the balance law for answers of several scores.

At balance every answer a has ``log pi(a) - log pi_start(a) = A(a) / b + constant``, with A(a) its expected advantage
in a group of G; for two kinds of answers this is the balance law. The expectation is an exact sum over the scores of
the other G - 1 completions.
"""

import csv
from dataclasses import replace
from math import lgamma
from pathlib import Path

import numpy as np

from case_studies.trl_lab import tasks
from case_studies.trl_lab.lab import Trial

SCORES = np.array([0.0, 0.5, 1.0])
BASE = Trial(task="graded", learning_rate=2e-3, updates=400)
#: The settings called, and the share of clipped tokens that the first task had at the same reuse and learning rate.
CALLED: list[tuple[Trial, float]] = [
    (BASE, 0.0),
    (replace(BASE, group_size=4), 0.0),
    (replace(BASE, group_size=16), 0.0),
    (replace(BASE, kl=0.2), 0.0),
    (replace(BASE, kl=0.8), 0.0),
    (replace(BASE, error=0.1), 0.0),
    (replace(BASE, error=0.3), 0.0),
    (replace(BASE, prompts=32, kl=0.6), 0.0),
    (replace(BASE, learning_rate=1e-3, refresh_interval=4, updates=600), 0.014),
    (replace(BASE, learning_rate=1e-3, refresh_interval=8, updates=800), 0.072),
]


def expected_advantage(share: np.ndarray, group_size: int) -> np.ndarray:
    """Expected advantage of a completion by its score, where the others have these shares of `SCORES`; shape (3,)."""
    others = group_size - 1
    out = np.zeros(3)
    log_share = np.log(np.maximum(share, 1e-300))
    for i in range(others + 1):
        for j in range(others + 1 - i):
            counts = np.array([i, j, others - i - j])
            log_mass = lgamma(others + 1) - sum(lgamma(n + 1) for n in counts) + counts @ log_share
            for own in range(3):
                rewards = np.repeat(SCORES, counts + (np.arange(3) == own))
                out[own] += np.exp(log_mass) * (SCORES[own] - rewards.mean()) / (rewards.std(ddof=1) + 1e-4)
    return out


def plateau(trial: Trial, clipped: float = 0.0) -> float:
    """Expected reward at balance, mean over the prompts, from a uniform start."""
    error, settled = trial.error, []
    for scores in tasks.TASKS[trial.task].values():
        score = np.array([scores.get(word, 0.0) for word in tasks.WORDS])
        right = np.equal.outer(score, SCORES)
        paid = (1 - error) * right + error * right[:, ::-1]  # answers by scores, the verifier's errors included
        logits = np.zeros(len(score))
        for _ in range(400):
            p = np.exp(logits - np.logaddexp.reduce(logits))
            advantage = paid @ expected_advantage(p @ paid, trial.group_size)
            target = (1 - clipped) * advantage / trial.kl
            if np.abs((target - target.mean()) - (logits - logits.mean())).max() < 1e-4:
                break
            logits += 0.3 * (target - logits)
        settled.append(float(p @ (paid @ SCORES)))
    return float(np.mean(settled))


def main() -> None:
    with (Path(__file__).parent / "predictions" / "graded.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("run", "clipped_tokens", "reward"))
        for trial, clipped in CALLED:
            table.writerow((trial.name.replace("-seed0", ""), clipped, f"{plateau(trial, clipped):.3f}"))


if __name__ == "__main__":
    main()
