"""Small inputs of the kinds that people have, in the optional folder of cases: each is read as its README says."""

import os
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo.readers import read_log
from bayes_grpo.runs.dataset import one_run
from bayes_grpo.runs.schedules import schedule_ahead
from tests.common import PUBLIC

CASES = PUBLIC.parent / "cases"


def span(first: float, last: float, number: int) -> list[float]:
    return np.linspace(first, last, number).tolist()


#: For each log its trainer, its steps, the column of its reward, its planned length, and further variables that it
#: holds.
READ: dict[str, tuple[str, list[float], str, float | None, dict[str, str]]] = {
    "bracket_timestamp_first_line/train.log": ("TRL", span(10, 400, 40), "reward", 400, {}),
    "buffered_stdout/train.log": ("TRL", span(10, 400, 40), "reward", 400, {"learning_rate": "learning_rate"}),
    "clearml/scalars.json": ("", span(1, 60, 60), "train/reward", None, {}),
    "constant_reward/log.jsonl": (
        "TRL",
        span(1, 50, 50),
        "reward",
        None,
        {"zero_spread_share": "frac_reward_zero_std"},
    ),
    "current_steps_total_steps/trainer_log.jsonl": ("", span(5, 300, 60), "reward", 600, {"learning_rate": "lr"}),
    "easyr1_console/train.log": ("EasyR1", span(1, 60, 60), "reward/overall", None, {"entropy": "actor/entropy_loss"}),
    "generic_column_names/metrics.csv": (
        "",
        span(1, 120, 120),
        "reward_avg",
        500,
        {
            "kl": "kl_loss",
            "completion_length": "avg_response_len",
            "entropy": "entropy_avg",
            "evaluation_reward": "eval_acc",
        },
    ),
    "markdown_table/table.md": ("TRL", span(1, 30, 30), "reward", None, {"completion_length": "completion_length"}),
    "minimind_console/grpo.log": (
        "MiniMind",
        span(1, 60, 60),
        "Reward",
        9751,
        {"kl": "KL_ref", "completion_length": "Avg Response Len", "learning_rate": "Learning Rate"},
    ),
    "mlflow/mlruns": ("TRL", span(1, 60, 60), "reward", None, {"learning_rate": "learning_rate"}),
    "ms_swift_console/train.log": ("ms-swift", span(5, 200, 40), "reward", 500, {"entropy": "entropy/mean"}),
    "ms_swift_logging_jsonl/logging.jsonl": ("ms-swift", [1, *span(5, 200, 40)], "reward", 500, {}),
    "ms_swift_logging_jsonl_running/logging.jsonl": ("ms-swift", [1, *span(5, 200, 40)], "reward", 500, {}),
    "nemo_rl_console/run.log": ("NeMo-RL", span(1, 60, 60), "Avg Reward", 1000, {"step_time": "Total step time"}),
    "prime_rl_console/orchestrator.log": (
        "prime-rl",
        span(0, 59, 60),
        "Reward",
        None,
        {"rollout_age": "Max. Off-Policy Level", "step_time": "Time", "completion_length": "Seq. Length"},
    ),
    "roll_normalised_rewards/history.jsonl": ("ROLL", span(0, 59, 60), "critic/score/mean", None, {}),
    "skyrl_console/train.log": ("SkyRL", span(1, 60, 60), "reward/avg_raw_reward", None, {}),
    "slime_console/train.log": ("slime", span(0, 59, 60), "rollout/raw_reward", None, {}),
    "torchforge_console/run.log": ("torchforge", span(1, 60, 60), "reward/evaluate_response/avg_reward", None, {}),
    "wandb_sparkline_in_notebook/train.ipynb": ("TRL", span(1, 40, 40), "reward", None, {}),
}


def case(name: str) -> Path:
    if not CASES.is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the cases are missing: expected them at {CASES}")
        pytest.skip(f"no cases at {CASES}")
    return CASES / name


@pytest.mark.parametrize("name", READ)
def test_each_case_is_read_as_it_should_be(name: str) -> None:
    trainer, steps, column, planned, others = READ[name]
    readings, faults = read_log(case(name))
    assert not faults and len(readings) == 1
    reading = readings[0]
    assert reading.trainer == trainer and reading.columns["reward"] == column
    np.testing.assert_allclose(reading.run["optimizer_step"].values[0], steps)
    assert np.isfinite(reading.run["reward"].values).all()
    assert ("planned_steps" in reading.run) == (planned is not None)
    assert planned is None or reading.run["planned_steps"].item() == planned
    assert {variable: reading.columns[variable] for variable in others} == others


def test_a_tidy_table_of_an_evaluation_alone() -> None:
    reading = read_log(case("tidy_long_table/export.csv"))[0][0]
    run = reading.run.isel(run=0)
    at = np.isfinite(run["reward"].values)
    assert run["optimizer_step"].values[at].tolist() == span(0, 196, 50) and reading.columns["reward"] == "eval/reward"
    assert np.isfinite(run["entropy"].values).sum() == np.isfinite(run["completion_length"].values).sum() == 200
    assert any("the evaluation 'eval/reward' is taken as the reward" in str(note) for note in reading.notes)


def test_the_last_of_appended_runs() -> None:
    path = case("appended_runs/grpo_log.jsonl")
    assert read_log(path, appended="last")[0][0].run["optimizer_step"].values[0].tolist() == span(1, 60, 60)
    assert "3: 60 rows" in str(read_log(path)[1][0])


@pytest.mark.parametrize(
    ("name", "words"),
    [("resumed_with_new_schedule", "linear decay to step 350"), ("window_of_20", "cosine decay to step 936")],
)
def test_schedules(name: str, words: str) -> None:
    run = one_run(read_log(case(name) / "trainer_state.json")[0][0].run)
    planned = float(run["planned_steps"])
    ahead = np.arange(float(run["optimizer_step"][-1]) + 1, planned + 1)
    found = schedule_ahead(run, ahead, "planned", planned)
    assert (
        found.words.startswith(words)
        and not found.assumed
        and found.rate[-1] < 0.01 * float(run["learning_rate"].max())
    )


def test_every_case_of_reading_is_looked_at() -> None:
    """Those that are of other kinds are named; the last four are in tests/analysis/diagnosis/test_cases.py."""
    others = {"appended_runs", "tidy_long_table", "resumed_with_new_schedule", "window_of_20", "narrow_terminal"}
    others |= {"entropy_leads_reward", "evaluation_under_another_name", "group_of_two", "noise_free_collapse_simple"}
    found = {path.name for path in case(".").iterdir() if path.is_dir()}
    assert found - others == {name.partition("/")[0] for name in READ}
