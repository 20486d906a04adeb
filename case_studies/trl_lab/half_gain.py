"""The refresh interval at which half of the gain is lost: called from one run at K = 8, and seen at other K.

``python -m case_studies.trl_lab.half_gain`` makes ten settings of the first task with the twin, seven clipped and
three not. One run of 1,920 updates at K = 8, logged a row a batch, is fitted as `bayes-grpo threshold` does it, with
KL weight, reference, the verifier's rewards and the clip range stated; the limit that binds is what is called.
Seen is the share of the gain over the start that three other seeds lose at K = 16 to 128 against K = 1: second half of
60 batches, and of 1,920 updates at least. Resumable.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.inference.progress import use_compilation_cache
from case_studies.trl_lab.lab import Trial
from case_studies.trl_lab.laws import BOUNDS, KNOWN
from case_studies.trl_lab.twin import runs

FOLDER = Path(__file__).parent
INTERVALS = (1, 16, 32, 64, 128)
LONG, BATCHES, LOGGED = 1920, 60, 8
SETTINGS = {
    "base": {},
    "clip 0.1": {"clip": 0.1},
    "clip 0.4": {"clip": 0.4},
    "KL 0.2": {"kl": 0.2},
    "KL 0.8": {"kl": 0.8},
    "G 16": {"group_size": 16},
    "rate 2e-3": {"learning_rate": 2e-3},
    "no clip": {"clip": 1e6},
    "no clip, KL 0.8": {"clip": 1e6, "kl": 0.8},
    "no clip, rate 2e-3": {"clip": 1e6, "learning_rate": 2e-3},
}
CHANNELS = {"clip": "clip_ratio", "variance": "log_ratio_variance", "ess": "effective_sample_share"}
CHANNELS |= {"log_ratio": "log_ratio_mean"}


def logged(trial: Trial) -> xr.Dataset:
    """One run as a trainer logs it, a row a batch of rollouts; other channels are means over the batch's updates."""
    seen = runs(trial, 1, first_seed=7, updates=LONG)
    by_batch = {name: values[0].reshape(-1, trial.refresh_interval) for name, values in seen.items()}
    columns = {name: by_batch[channel].mean(1) for channel, name in CHANNELS.items()}
    columns |= {"optimizer_step": np.arange(0, LONG, trial.refresh_interval) + 1.0, "reward": by_batch["reward"][:, 0]}
    facts = KNOWN | BOUNDS | {"kl_weight": trial.kl, "clip_range": trial.clip, "group_size": trial.group_size}
    facts |= {"refresh_interval": trial.refresh_interval, "momentum": trial.momentum, "prompts_per_step": trial.prompts}
    return bayes_grpo.make_run(trial.name, columns, facts | {"planned_steps": LONG, "logging_window": 1})


def called(trial: Trial) -> tuple[float, ...]:
    """Median, 5 % and 95 % point of the lowest limit, and the name of the one that binds."""
    fit = bayes_grpo.fit(logged(trial), "oscillator", seed=1)
    summary = bayes_grpo.reuse_summary(fit, bayes_grpo.threshold(fit))
    row = summary["limit"][summary["binding"]]
    ends = [np.inf if row[key] is None else row[key] for key in ("median", "lower", "upper")]
    return (*ends, summary["binding"])


def lost(trial: Trial) -> list[float]:
    """Share of the gain that is lost at each of the intervals."""
    rewards = []
    for interval in INTERVALS:
        updates = max(LONG, BATCHES * interval)
        seen = runs(replace(trial, refresh_interval=interval), 3, updates=updates)["expected"]
        rewards.append(float(seen[:, updates // 2 :].mean()))
    gains = np.array(rewards) - KNOWN["reference_reward"]
    return [float(share) for share in 1 - gains / gains[0]]


def half_of(shares: list[float]) -> float:
    """Interval at which half is lost, on a straight line in the logarithm between two of them; infinite for none."""
    for place in range(1, len(shares)):
        if shares[place] >= 0.5:
            before, after = shares[place - 1], shares[place]
            low, high = np.log(INTERVALS[place - 1]), np.log(INTERVALS[place])
            return float(np.exp(low + (high - low) * (0.5 - before) / (after - before)))
    return np.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / "twin" / "half_gain.csv")
    out = parser.parse_args().out
    use_compilation_cache()
    done = {row[0] for row in csv.reader(out.open())} if out.exists() else set()
    with out.open("a", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        if not done:
            table.writerow(
                ("setting", "called", "lower", "upper", "binding", "seen", *(f"lost_{k}" for k in INTERVALS))
            )
        for name, changes in SETTINGS.items():
            if name in done:
                continue
            trial = replace(Trial(), refresh_interval=LOGGED, **changes)
            *ends, binding = called(trial)
            shares = lost(trial)
            figures = [f"{value:.4g}" for value in ends], [f"{value:.4g}" for value in (half_of(shares), *shares)]
            table.writerow((name, *figures[0], binding, *figures[1]))
            file.flush()
    print(out.read_text())


if __name__ == "__main__":
    main()
