"""TRL runs that fail on purpose: they are what their labels say, and are named."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo.runs.dataset import one_run
from case_studies.diagnosis import bench

RUNS = Path(bench.__file__).with_name("trl_failures.nc")
MODES = ("healthy", "reward_hacking", "advantage_degeneracy", "policy_concentration", "dynamical_instability")


@pytest.fixture(scope="module")
def runs() -> xr.Dataset:
    return bayes_grpo.read_run(RUNS)


@pytest.mark.parametrize("mode", MODES)
def test_logs_show_what_was_caused(runs: xr.Dataset, mode: str) -> None:
    """From the logged metric that counts, entropy and groups alone."""
    names = [str(name) for name in runs["run"].values if str(name).startswith(mode)]
    assert len(names) == 16
    for name in names:
        run = one_run(runs, name)
        right, reward, entropy, alike = (
            run[column].values for column in ("evaluation_reward", "reward", "entropy", "zero_spread_share")
        )
        last = slice(-right.size // 5, None)
        # A short best counts where a loss is asked for; where none is allowed, fifths of the run wash out the noise.
        fallen = np.convolve(right, np.ones(5) / 5, "valid").max() - right[last].mean()
        fifths = [part.mean() for part in np.array_split(right, 5)]
        lost = max(fifths) - fifths[-1]
        if mode == "reward_hacking":
            assert fallen > 0.1 and reward[last].mean() > reward[:10].mean() + 0.1
        if mode == "advantage_degeneracy":
            assert alike[last].mean() > 0.85 and reward[last].mean() < 0.9
        if mode == "policy_concentration":
            assert entropy[last].mean() < 0.07 * entropy[:3].mean() and lost < 0.1
        if mode == "dynamical_instability":
            assert fallen > 0.1 and reward[last].mean() < reward.max() - 0.2
        if mode == "healthy":
            assert lost < 0.1 and entropy[last].mean() > 0.1 * entropy[:3].mean()


@pytest.mark.parametrize("mode", MODES)
def test_three_runs_of_each_are_named(mode: str) -> None:
    """Of all 80, 76 are. These three of each kind are no sample: for a given code they pass or fail for certain.

    Two concentrated runs go on gaining reward after their entropy has gone, which is no failure; one is among these.
    While reward still rises the failure has not begun, so its onset is later than the cause.
    """
    found = [
        bench.row_of(run, kind, seed, cause)
        for run, kind, seed, cause in bench.trained(RUNS, range(3, 6))
        if kind == mode
    ]
    assert len(found) == 3
    named = [row for row in found if row[mode] > 0.5]
    assert len(named) == (2 if mode == "policy_concentration" else 3)
    within = {"policy_concentration": 20, "dynamical_instability": 12}.get(mode)
    assert within is None or all(abs(row["onset"] - row["cause"]) < within * row["window"] for row in named)


@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="the extra `train` is not installed")
def test_a_run_starts_as_it_was_pretrained_and_watches_what_counts(tmp_path: Path) -> None:
    """Eight real updates: shares before training, and both reward functions against the policy's own probabilities."""
    script = """
import json, sys
from dataclasses import replace
from pathlib import Path
from case_studies.diagnosis import trl_failures as failures
from bayes_grpo.trl.recorder import record
s = replace(failures.draw("reward_hacking", 0, 1), rows=8)
trainer, truth = failures.build(s, Path(sys.argv[1]))
record(trainer, evaluation="rewards/right/mean")
trainer.train()
print(json.dumps(truth | {"start": s.start, "error": s.error, "exploit": s.exploit}))
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
    environment["PYTHONPATH"] = str(RUNS.parent)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    truth = json.loads(done.stdout.splitlines()[-1])
    assert truth["right"][0] == pytest.approx(truth["start"], abs=0.02)
    run = one_run(bayes_grpo.read_run(tmp_path / "bayes_grpo.jsonl"))
    assert run.sizes["step"] == 8
    batch = int(run["prompts_per_step"]) * int(run["group_size"])
    # Eight batches; the shares of all symbols start alike, so completions count as independent. Five standard errors:
    # once in 1.7 million.
    error = 5 * 0.5 / np.sqrt(8 * batch)
    assert run["evaluation_reward"].mean() == pytest.approx(np.mean(truth["right"]), abs=error)
    paid = truth["error"] + (1 - 2 * truth["error"]) * np.mean(truth["right"]) + (1 - truth["error"]) * truth["exploit"]
    # The exploit's share is known before training only: 0.02 for what eight updates make of it.
    assert run["reward"].mean() == pytest.approx(paid, abs=error + 0.02)
