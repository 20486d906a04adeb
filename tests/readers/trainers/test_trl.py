"""A real TRL run with everything logged: every format TRL writes holds the same rewards, and they are the raw ones."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo.readers import read_log

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="the extra `train` is not installed")

STEPS, K, GROUP = 20, 2, 4
KNOWN = {"group_size": GROUP, "prompts_per_step": 16, "momentum": 0.9, "refresh_interval": K, "planned_steps": STEPS}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty steps, each batch of rollouts used twice."""
    folder = tmp_path_factory.mktemp("tracked")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
    environment |= {
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(folder),
        "WANDB_PROJECT": "p",
        "TRACKIO_DIR": str(folder / "trackio"),
    }
    script = "tests.readers.formats.run_tracked"
    with (folder.parent / "console.log").open("wb") as console:
        command = [sys.executable, "-W", "ignore", "-m", script, folder, str(STEPS), str(K)]
        done = subprocess.run(command, env=environment, stdout=console, stderr=subprocess.STDOUT, timeout=300)
    assert done.returncode == 0, (folder.parent / "console.log").read_text()[-2000:]
    return folder


#: What TRL writes, where it lies, whether it carries the arguments, what its spread means, and its rounding.
WRITTEN = {
    "output folder": ("tracked0", True, "within_group", 0),
    "completions": ("tracked0/completions", False, "within_group", 0),
    "TensorBoard": ("tracked0/runs", True, "unknown", 1e-6),
    "W&B": ("tracked0/wandb", True, "batch", 0),
    "trackio": ("tracked0/trackio", True, "unknown", 0),
    "console": ("console.log", False, "unknown", 1e-4),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_trl_writes_is_read(name: str, tracked: Path) -> None:
    place, arguments, meaning, rounding = WRITTEN[name]
    batches = [np.array(batch).reshape(-1, GROUP) for batch in json.loads((tracked / "seen.json").read_text())]
    readings, faults = read_log(tracked.parent / place)
    assert len(readings) == 1 and not faults
    run = readings[0].run.isel(run=0)
    assert readings[0].trainer == "TRL"
    reward = run["reward"].values
    drawn = np.isfinite(reward)
    assert run["optimizer_step"].values[drawn].tolist() == list(range(1, STEPS, K))
    np.testing.assert_allclose(reward[drawn], [batch.mean() for batch in batches], atol=rounding, rtol=1e-12)
    assert run["logging_window"].item() == 1
    assert run["reward_components"].sel(component="reward").values[drawn].tolist() == reward[drawn].tolist()
    if arguments:
        assert {key: float(run[key]) for key in KNOWN} == KNOWN
    if name in ("output folder", "completions"):
        assert float(run["group_size"]) == GROUP
    assert run["reward_spread"].attrs["spread"] == meaning
    within = [np.sqrt(batch.var(axis=1, ddof=1).mean()) for batch in batches]
    whole = [batch.std(ddof=1) for batch in batches]
    expected = within if meaning == "within_group" else whole  # the version here logs the batch's
    np.testing.assert_allclose(run["reward_spread"].values[drawn], expected, atol=rounding, rtol=1e-5)
    if name not in ("completions",):
        assert run["learning_rate"].values[drawn] == pytest.approx(1e-3)
        assert np.isfinite(run["entropy"].values).all()
