"""Every public run in the optional data folder is read, but for those listed with the reason."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, read_run
from bayes_grpo.readers import read_log
from tests.common import PUBLIC

STATED = {
    "reward_curves_125_steps.csv": {"reward_column": "twinkle_reward"},
    "grpo_learning_rate_eval_points.csv": {"run_column": "label"},
}
#: Logs that hold no reward curve, and what is said of them.
EXCEPTIONS = {
    "batch32_metrics.csv": "expected a column with the optimizer step",  # one row a run, of end points only
}
#: Which key set each source's logs bear; '' for tables of their authors' own.
TRAINERS = {
    "LeonOpus__Twinkle-Verl-async-rl-npu-comparison": {"Twinkle", "verl", ""},
    "ShibukiZero__assignment5-alignment": {"CS336 event log"},
    "Sunshine535__nips-grpo-dynamics": {"TRL", ""},
    "abdo-ashraf__Gemma-3-RL-Finetuning": {"TRL"},
    "eric-haibin-lin__verl-data": {"verl"},
    "nhockid235__xling-grpo-sub3b": {"TRL"},
    "srinath-manda__IITD_Feb26_AAIPL": {"TRL"},
    "unslothai__notebooks": {"TRL"},
    "uqcxu9__qwen2.5_300step_NEW_CONSIS_RESULT": {"verl"},
    "yangminglei122__GRPO_DrGRPO_GSPO_from_scratch_and_benchmark": {""},
}


def index() -> list[dict[str, str]]:
    if not (PUBLIC / "index.csv").is_file():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the public runs are missing: expected them at {PUBLIC}")
        pytest.skip("no public runs beside the checkout")
    with (PUBLIC / "index.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_public_run_is_read_or_listed() -> None:
    read, refused = 0, []
    found: dict[str, set[str]] = {}
    for row in index():
        log = PUBLIC / row["run"] / row["file"]
        if log.name in EXCEPTIONS:
            with pytest.raises(InputError, match=EXCEPTIONS[log.name]):
                read_run(log)
            refused.append(row["run"])
            continue
        readings, faults = read_log(log, **STATED.get(log.name, {}))
        assert readings and not faults, log
        for reading in readings:
            run = reading.run.isel(run=0)
            step = run["optimizer_step"].values
            assert (np.diff(step[np.isfinite(step)]) >= 0).all(), log
            assert np.isfinite(run["reward"].values).sum() >= 5, log
            found.setdefault(row["run"].split("/")[0], set()).add(reading.trainer)
            size = row["group_size"]
            if "group_size" in run and size.isdigit():
                assert float(run["group_size"]) == float(size), "the log's own group size is the one its authors state"
        read += 1
    assert found == TRAINERS
    assert (read, len(refused)) == (105, 1)


def test_an_event_log_agrees_with_its_authors_table() -> None:
    """The authors of the Twinkle run publish its reward curve too, made by a script of theirs."""
    index()
    folder = PUBLIC / "LeonOpus__Twinkle-Verl-async-rl-npu-comparison"
    table = folder / "stage2_paired_reward_curves" / "reward_curves_125_steps.csv"
    theirs = read_run(table, reward_column="twinkle_reward")
    ours = read_run(folder / "twinkle_stage2_20260804" / "metrics_subset.jsonl")
    np.testing.assert_array_equal(ours["optimizer_step"].values, theirs["optimizer_step"].values)
    np.testing.assert_allclose(ours["reward"].values, theirs["reward"].values, atol=1e-6)


def test_public_runs_survive_conversion(tmp_path: Path) -> None:
    """One run of each source, written in our own format and read again, is the same."""
    from bayes_grpo import save_runs

    seen = set()
    for row in index():
        source = row["run"].split("/")[0]
        if source in seen or row["file"] in STATED or row["file"] in EXCEPTIONS:
            continue
        seen.add(source)
        run = read_run(PUBLIC / row["run"] / row["file"])
        back = read_run(save_runs(run, tmp_path / "run.nc"))
        assert back.drop_vars("source").equals(run.drop_vars("source")), row["run"]
    assert len(seen) >= 9


def test_run_folders_are_read_without_naming_the_log() -> None:
    """`fit FOLDER` finds the log beside its meta.json, which is none."""
    for row in index():
        if row["file"] in STATED or row["file"] in EXCEPTIONS:
            continue
        log = PUBLIC / row["run"] / row["file"]
        metadata = json.loads((log.parent / "meta.json").read_text(encoding="utf-8"))
        assert metadata, log
        one, other = read_run(log.parent), read_run(log)
        np.testing.assert_array_equal(one["reward"].values, other["reward"].values)
