"""What columns mean: spreads, windows, rollouts against updates, evaluations, reward functions."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, read_run
from bayes_grpo.readers import read_log
from tests.readers.files import REWARDS, STEPS, N
from tests.readers.rows import rows_of, values, write


@pytest.mark.parametrize(
    ("facts", "column", "meaning"),
    [
        ({"trl_version": "0.26.1"}, "reward_std", "within_group"),
        ({"trl_version": "0.26.1", "scale_rewards": "batch"}, "reward_std", "batch"),
        ({"trl_version": "0.27.0"}, "reward_std", "batch"),
        ({"trl_version": "1.16.0", "spread": "within_group"}, "reward_std", "within_group"),
        ({}, "reward_std", "unknown"),
    ],
)
def test_the_meaning_of_trls_spread(facts: dict, column: str, meaning: str, tmp_path: Path) -> None:
    log = write(tmp_path / "log.jsonl", rows_of({"reward": "REWARD", column: 0.3, "completions/mean_length": 5.0}))
    assert read_run(log, hyperparameters=facts)["reward_spread"].attrs["spread"] == meaning
    (tmp_path / "hyperparameters.json").write_text(json.dumps(facts))
    run = read_run(log)
    assert run["reward_spread"].attrs["spread"] == meaning
    assert ("unknown whether" in run["notes"].item()) == (meaning == "unknown")


def test_old_key_sets_tell_the_spread_and_say_so(tmp_path: Path) -> None:
    run = read_run(
        write(tmp_path / "log.jsonl", rows_of({"reward": "REWARD", "reward_std": 0.3, "completion_length": 5.0}))
    )
    assert run["reward_spread"].attrs["spread"] == "within_group"
    assert "taken as within_group" in run["notes"].item()


def test_windows_are_the_spacing_of_all_training_rows(tmp_path: Path) -> None:
    """With two iterations every other row of TRL's lacks a reward: the rows are still single steps."""
    rows = [
        {"step": i + 1, "learning_rate": 1e-6, "completions/mean_length": 5.0, "loss": 0.1}
        | ({"reward": REWARDS[i // 2]} if i % 2 == 0 else {})
        for i in range(2 * N)
    ]
    rows.insert(7, {"step": 7, "eval_reward": 0.5, "eval_loss": 0.2})
    run = read_run(write(tmp_path / "log.jsonl", rows))
    assert run["logging_window"].item() == 1
    sparse = read_run(write(tmp_path / "sparse.jsonl", [row | {"step": 10 * row["step"]} for row in rows]))
    assert sparse["logging_window"].item() == 10


@pytest.mark.parametrize("first", [0, 1, 101])
def test_steps_of_rollouts_become_optimizer_steps(first: int, tmp_path: Path) -> None:
    """verl's step s of 4 updates each.

    Its rollouts were drawn after 4 (s - 1) updates; the next update is the row's step.
    """
    rows = rows_of({"critic/rewards/mean": "REWARD", "actor/lr": "RATE", "timing_s/step": 60.0}, start=first)
    log = write(tmp_path / "log.jsonl", rows)
    unknown = read_run(log)
    assert values(unknown, "optimizer_step") == list(range(first, first + N))
    assert "taken as 1; state --refresh-interval" in unknown["notes"].item()
    run = read_run(log, hyperparameters={"refresh_interval": 4})
    start = 0 if first == 0 else 4 * (first - 1) + 1
    assert values(run, "optimizer_step") == [start + 4 * i for i in range(N)]
    assert run["logging_window"].item() == 1
    assert values(unknown, "step_time") == [60] * N and values(run, "step_time") == [15] * N
    other = read_run(log, hyperparameters={"refresh_interval": 4}, step_unit="optimizer")
    assert values(other, "optimizer_step") == list(range(first, first + N))
    with pytest.raises(InputError, match="expected 'optimizer' or 'rollout', found 'epoch'"):
        read_run(log, step_unit="epoch")


def test_reward_functions_are_kept_apart(tmp_path: Path) -> None:
    """TRL's names old and new, and as notebooks show them."""
    for name, column in (("new", "rewards/{}/mean"), ("old", "rewards/{}"), ("notebook", "rewards / {} / mean")):
        columns = {
            "reward": "REWARD",
            "completions/mean_length": 5.0,
            column.format("format"): 0.25,
            column.format("answer"): "REWARD",
        }
        run = read_run(write(tmp_path / f"{name}.jsonl", rows_of(columns | {"rewards/format/std": 0.1})))
        assert run["component"].values.tolist() == ["format", "answer"], name
        np.testing.assert_array_equal(run["reward_components"].values[0, :, 0], 0.25)
        np.testing.assert_array_equal(run["reward_components"].values[0, :, 1], REWARDS)


def test_notebook_tables_keep_the_meaning_of_their_columns(tmp_path: Path) -> None:
    """Spaces around the slashes; 'No Log' where a cell is empty."""
    path = tmp_path / "table.csv"
    path.write_text(
        "Step,Training Loss,reward,reward_std,completions / mean_length,kl\n"
        + "".join(f"{s},No Log,{r},0.3,5.0,0.1\n" for s, r in zip(STEPS, REWARDS, strict=True))
    )
    readings, _ = read_log(path)
    assert readings[0].trainer == "TRL"
    assert readings[0].columns["completion_length"] == "completions / mean_length"
    assert readings[0].unused == ["Training Loss"]


def test_twinkle_joins_its_groups_deviations(tmp_path: Path) -> None:
    """Groups with deviations 0.3 and 0.5: the root of the mean variance is 0.41231."""
    from tests.readers.files import twinkle

    run = read_run(twinkle(tmp_path))
    np.testing.assert_allclose(values(run, "reward_spread"), np.sqrt((0.09 + 0.25) / 2))
    assert run["reward_spread"].attrs["spread"] == "within_group"
    assert values(run, "completion_length") == [5.0] * N
    assert run["group_size"].item() == 4


def test_completions_give_the_spread_within_groups(tmp_path: Path) -> None:
    """Beside a trainer state they replace TRL's batch deviation at their steps; a repeated batch counts once."""
    import shutil

    from tests.readers.files import completions, trainer_state

    folder = completions(tmp_path)
    expected = float(np.std(np.linspace(-0.1, 0.1, 4), ddof=1))
    shutil.copy(folder / "completions_00012.parquet", folder / "completions_00013.parquet")
    run = read_run(folder)
    assert values(run, "optimizer_step") == STEPS, "step 13 drew no new rollouts"
    np.testing.assert_allclose(values(run, "reward_spread"), expected)
    assert run["group_size"].item() == 4 and run["component"].values.tolist() == ["accuracy"]
    trainer_state(tmp_path)
    (folder / "completions_00003.parquet").unlink()
    joined = read_run(tmp_path)
    spread = np.array(values(joined, "reward_spread"))
    assert np.flatnonzero(np.isnan(spread)).tolist() == [2]
    np.testing.assert_allclose(spread[~np.isnan(spread)], expected)
    assert joined["reward_spread"].attrs["spread"] == "within_group"
    assert values(joined, "reward") == REWARDS
    (folder / "completions_00001.parquet").write_bytes(b"PAR1 broken")
    broken = read_run(tmp_path)
    assert set(values(broken, "reward_spread")) == {0.3} and "was not computed" in broken["notes"].item()


def test_event_logs_take_constants_and_what_their_spread_means(tmp_path: Path) -> None:
    rows: list[dict] = []
    for i, reward in enumerate(REWARDS):
        rows.append(
            {
                "type": "rollout",
                "grpo_step": i + 1,
                "reward": reward,
                "std_reward": 0.3,
                "group_size": 8.0,
                "num_rollouts": 64,
            }
        )
        rows += [
            {"type": "train", "grpo_step": i + 1, "optimizer_step": 2 * i + j, "learning_rate": 1e-5} for j in (1, 2)
        ]
        rows.append(
            {
                "type": "grpo_step_summary",
                "grpo_step": i + 1,
                "optimizer_step": 2 * i + 2,
                "optimizer_updates_per_rollout_batch": 2,
                "step_seconds": 60.0,
            }
        )
    run = read_run(write(tmp_path / "metrics.jsonl", rows))
    assert (run["group_size"].item(), run["refresh_interval"].item()) == (8, 2)
    unused = read_log(tmp_path / "metrics.jsonl")[0][0].unused
    assert "group_size" not in unused and "num_rollouts" in unused
    assert run["reward_spread"].attrs["spread"] == "batch"
    # The seconds are those of a batch, on which two updates are made.
    assert np.nanmax(values(run, "step_time")) == 30 and "divided by its 2 optimizer" in run["notes"].item()
    stated = read_run(tmp_path / "metrics.jsonl", hyperparameters={"refresh_interval": 4})
    assert np.nanmax(values(stated, "step_time")) == 15
    reward = np.array(values(run, "reward"))
    assert np.array(values(run, "optimizer_step"))[np.isfinite(reward)].tolist() == [2 * i + 1 for i in range(N)]


@pytest.mark.parametrize(
    ("loss", "clip"), [("grpo_clip", 0.2), ("grpo_no_clip", None), ("reinforce_with_baseline", None)]
)
def test_a_constant_column_says_a_hyperparameter(loss: str, clip: float | None, tmp_path: Path) -> None:
    """A clip range that the loss does not use says nothing; ``beta`` may be the optimizer's; what is stated wins."""
    columns = {"kl_coef": 0.0, "cliprange": 0.2, "num_generations": 4, "beta": 0.9, "loss_type": loss}
    path = write(tmp_path / "log.jsonl", rows_of({"reward": "REWARD", "learning_rate": "RATE", **columns}))
    reading = read_log(path)[0][0]
    known = {
        name: reading.run[name].item() for name in ("kl_weight", "clip_range", "group_size") if name in reading.run
    }
    assert known == {"kl_weight": 0.0, "group_size": 4.0} | ({} if clip is None else {"clip_range": clip})
    assert reading.origins["kl_weight"] == "same in all rows" and "kl_coef" not in reading.unused
    assert {"beta", "loss_type"} <= set(reading.unused) and ("cliprange" in reading.unused) is (clip is None)
    assert read_run(path, hyperparameters={"kl_weight": 0.1})["kl_weight"].item() == 0.1


def test_a_column_that_varies_or_contradicts_another_says_no_hyperparameter(tmp_path: Path) -> None:
    rows = rows_of({"reward": "REWARD", "learning_rate": "RATE", "group_size": 4, "num_generations": 8})
    for i, row in enumerate(rows):
        row["kl_coef"] = 0.01 * (i + 1)
    run = read_run(write(tmp_path / "log.jsonl", rows))
    assert "kl_weight" not in run and "group_size" not in run


def test_completions_with_chat_prompts_and_several_reward_functions(tmp_path: Path) -> None:
    """Prompts as lists of messages; the reward is the functions' sum, and the groups are told by the prompts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    scores = {step: draw.random((2, 6, 3)) for step in range(1, 7)}
    for step, (right, tidy) in scores.items():
        prompts = [[{"role": "user", "content": f"question {step} {i // 3}"}] for i in range(18)]
        columns = {
            "prompt": prompts,
            "completion": prompts,
            "right": right.ravel(),
            "tidy": tidy.ravel(),
            "advantage": np.zeros(18),
        }
        pq.write_table(pa.table(columns), tmp_path / f"completions_{step:05d}.parquet")
    run = read_run(tmp_path)
    totals = [right + tidy for right, tidy in scores.values()]
    np.testing.assert_allclose(values(run, "reward"), [total.mean() for total in totals])
    np.testing.assert_allclose(values(run, "reward_spread"), [np.sqrt(t.var(axis=1, ddof=1).mean()) for t in totals])
    assert run["group_size"].item() == 3 and run["component"].values.tolist() == ["right", "tidy"]
    assert "plain sum of right, tidy" in run["notes"].item()


@pytest.mark.parametrize("flag", ["is_eval", "is_validation"])
@pytest.mark.parametrize(("yes", "no"), [(True, False), (1, 0), ("true", "false")])
def test_rows_that_a_flag_marks_are_evaluations(flag: str, yes: object, no: object, tmp_path: Path) -> None:
    rows = []
    for step in range(1, 21):
        rows.append({"step": step, "reward": 0.01 * step, flag: no})
        rows += [{"step": step, "reward": 0.9, flag: yes}] if step % 5 == 0 else []
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = read_run(path)
    assert run["reward"].values[0].tolist() == [0.01 * step for step in range(1, 21)]
    assert run["evaluation_reward"].values[0][4::5].tolist() == [0.9] * 4
