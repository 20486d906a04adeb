"""Which column is the reward, and which the other channels: never the wrong one, and what is stated."""

import json
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, read_run
from bayes_grpo.readers import read_log
from bayes_grpo.readers.column_words import reward_rank, step_rank, variable_of

N = 40
REWARDS = [round(0.25 + 0.4 * i / N + 0.02 * (i % 3), 4) for i in range(N)]
NOISE = (0.01 * np.random.default_rng(4).standard_normal(N)).tolist()


def table(path: Path, columns: dict[str, list]) -> Path:
    names = list(columns)
    lines = [",".join(names)] + [",".join(str(columns[name][i]) for name in names) for i in range(N)]
    path.write_text("\n".join(lines) + "\n")
    return path


def steps(first: int = 1, spacing: int = 1) -> list[int]:
    return [first + spacing * i for i in range(N)]


WORDS = {
    "entropy": ["entropy", "entropy_avg", "train/token_entropy", "Entropy", "policy_entropy", "mean_entropy", "avgEntropy"],
    "kl": ["kl", "kl_loss", "kl_ref", "KL Divergence", "kl_div", "train/kl", "ref_kl_divergence", "kl-penalty"],
    "update_kl": ["approx_kl", "ppo_kl", "train/approxkl", "update_kl"],
    "completion_length": ["avg_response_len", "response_length_mean", "mean_completion_length", "gen_len", "avg_completion_tokens", "outputLength", "length"],
    "truncation_share": ["truncated_ratio", "frac_truncated", "completions/clipped_ratio", "truncation_rate", "response_length/clip_ratio"],
    "grad_norm": ["grad_norm", "gradient_norm", "train/grad-norm", "gradNorm"],
    "clip_ratio": ["clip_frac", "clipfrac", "clip_fraction", "pg_clipfrac", "clip_ratio"],
    "zero_spread_share": ["frac_reward_zero_std", "dead_groups_frac", "zero_std_ratio", "zero_variance_fraction", "zero_advantage_ratio"],
    "all_right_share": ["frac_all_correct", "solve_all", "all_right_share", "too_easy_frac"],
    "all_wrong_share": ["frac_all_wrong", "solve_none", "all_incorrect_ratio", "too_hard_frac"],
    "evaluation_reward": ["eval_acc", "eval/reward", "val_accuracy", "test_score", "validation/mean_reward", "eval_pass@1", "heldout_accuracy"],
    "step_time": ["step_time", "time_per_step", "sec_per_step", "seconds/step"],
    "rollout_age": ["staleness", "staleness_mean", "avg_staleness", "policy_lag"],
    "effective_sample_share": ["ess", "effective_sample_share", "is_eff_sample_size"],
    "importance_chi2": ["chi2", "chi2_token", "chi_square", "\u03c7\u00b2"],
    "logprob_difference": ["logprob_diff", "logp_diff_mean", "rollout_train_logprob_abs_diff", "log_prob_diff", "sampling_logp_difference"],
    "reward_spread": ["reward_std", "reward_stddev", "std_reward", "rewards/std"],
    "learning_rate": ["lr", "learning_rate", "train/lr", "policy_lr", "LearningRate"],
}  # fmt: skip


@pytest.mark.parametrize("variable", WORDS)
def test_each_channel_is_known_by_its_words(variable: str) -> None:
    for name in WORDS[variable]:
        found = variable_of(name)
        assert found is not None and found[0] == variable, name


@pytest.mark.parametrize(
    "name",
    ["loss", "eval_loss", "policy_loss", "tokens_per_sec", "reward_model_score_max", "entropy_coef", "kl_coef", "lr_scheduler_type", "response_length_max", "memory", "time", "accuracy_threshold", "adv_std", "clip_ratio_high", "num_tokens", "epoch", "policy_ratio", "grad_norm_max", "entropy_loss", "value_loss"],
)  # fmt: skip
def test_other_columns_are_no_channel(name: str) -> None:
    assert variable_of(name) is None


@pytest.mark.parametrize(
    "name", ["reward", "reward_avg", "Mean Reward", "train/reward", "avg_reward", "rewards", "batch_reward_mean"]
)
def test_rewards_by_their_names(name: str) -> None:
    assert reward_rank(name) == 0


@pytest.mark.parametrize(
    "name",
    [
        "reward_std",
        "reward_max",
        "eval_reward",
        "advantage_reward",
        "reward_normalized",
        "best_reward",
        "reward_weights",
        "reward_ema",
        "reward_loss",
    ],
)
def test_names_that_are_no_mean_reward(name: str) -> None:
    assert reward_rank(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "step",
        "Step",
        "global_step",
        "train/step",
        "iteration",
        "optimizer_step",
        "current_steps",
        "n_iter",
        "train_step",
    ],
)
def test_steps_by_their_names(name: str) -> None:
    rank = step_rank(name)
    assert rank is not None and rank < 100


@pytest.mark.parametrize("name", ["total_steps", "max_steps", "steps_per_epoch", "step_time", "timestep_reward"])
def test_names_that_are_no_step(name: str) -> None:
    assert step_rank(name) is None


def test_a_generic_table_is_understood_and_says_so(tmp_path: Path) -> None:
    evaluated = ["" if (i + 1) % 10 else 30.0 + i for i in range(N)]
    columns = {
        "iter": steps(5, 5),
        "n_total_iterations": [900] * N,
        "mean_episode_reward": REWARDS,
        "kl_div": [0.01] * N,
        "gen_len_mean": [120] * N,
    }
    columns |= {"pi_entropy": [1.0] * N, "token_entropy": [0.8] * N, "val_acc": evaluated, "max_iterations": [900] * N}
    readings, _ = read_log(table(tmp_path / "log.csv", columns))
    run, notes = readings[0].run, "\n".join(map(str, readings[0].notes))
    assert readings[0].columns["reward"] == "mean_episode_reward" and run["optimizer_step"].values[0].tolist() == steps(
        5, 5
    )
    assert run["planned_steps"].item() == 900 and readings[0].origins["planned_steps"] == "a column"
    assert run["entropy"].values[0].tolist() == [0.8] * N and run["completion_length"].values[0].tolist() == [120] * N
    assert np.isfinite(run["evaluation_reward"].values).sum() == N // 10
    for said in ("'kl_div' as kl", "'gen_len_mean' as completion_length", "'val_acc' as evaluation_reward", "per cent"):
        assert said in notes


def test_two_rewards_are_listed_with_their_ranges(tmp_path: Path) -> None:
    columns = {
        "step": steps(),
        "format_reward": [0.5 + 0.01 * i for i in range(N)],
        "answer_reward": REWARDS,
        "loss": [0.1] * N,
    }
    with pytest.raises(
        InputError,
        match=r"choose one by --reward-column: format_reward \(0.5 to 0.89\); answer_reward \(0.25 to 0.67\)",
    ):
        read_run(table(tmp_path / "log.csv", columns))


@pytest.mark.parametrize("scale", [1e-9, 1.0])
def test_a_normalised_reward_is_passed_over_for_the_raw_one(scale: float, tmp_path: Path) -> None:
    """By its name it would be the reward; by its values it is centred on 0."""
    columns = {"step": steps(), "reward": [scale * 0.2 * x for x in NOISE], "raw_reward": REWARDS}
    readings, _ = read_log(table(tmp_path / "log.csv", columns))
    assert readings[0].columns["reward"] == "raw_reward"
    assert any("'reward' is centred on 0" in str(note) for note in readings[0].notes)


@pytest.mark.parametrize(
    "columns",
    [
        {"reward": [1e-8 * x for x in NOISE]},
        {"critic/rewards/mean": NOISE, "critic/rewards/max": [2.6] * N, "critic/rewards/min": [-2.6] * N},
        {"reward": [0.3 * x for x in NOISE], "reward_std": [0.4] * N},
    ],
)
def test_a_normalised_reward_alone_is_refused(columns: dict, tmp_path: Path) -> None:
    path = table(tmp_path / "log.csv", {"step": steps(), **columns})
    with pytest.raises(InputError, match="centred on 0: its group's mean was subtracted"):
        read_run(path)
    stated = read_run(path, reward_column=next(iter(columns)))
    assert stated["reward"].values[0].tolist() == pytest.approx(next(iter(columns.values())))


@pytest.mark.parametrize(
    "values", [[x - 0.02 for x in REWARDS], [-0.5 + i / N for i in range(N)], [5 * x for x in NOISE]]
)
def test_rewards_that_cross_0_are_rewards(values: list[float], tmp_path: Path) -> None:
    """A reward that rises through 0, and one that stays about 0 within its sampling noise."""
    path = table(tmp_path / "log.csv", {"step": steps(), "reward": values, "reward_std": [0.9] * N})
    assert read_run(path)["reward"].values[0].tolist() == pytest.approx(values)


def rows(path: Path, **more: list) -> Path:
    every = {
        "step": steps(),
        "reward": REWARDS,
        "judge/accuracy": [0.5 - 0.001 * i for i in range(N)],
        "skipped": [2] * N,
        "n groups": [18] * N,
    }
    every |= more
    path.write_text("".join(json.dumps({name: column[i] for name, column in every.items()}) + "\n" for i in range(N)))
    return path


@pytest.mark.parametrize(
    ("expression", "value"),
    [("skipped/(skipped+n groups)", 0.1), ("skipped / 20", 0.1), ("1 - n groups/20", 0.1), ("2*skipped*0.025", 0.1), ("'n groups' / 180", 0.1), ("-skipped/-20", 0.1)],
)  # fmt: skip
def test_columns_are_worked_out_from_others(expression: str, value: float, tmp_path: Path) -> None:
    run = read_run(
        rows(tmp_path / "log.jsonl"), columns={"zero_spread_share": expression, "evaluation_reward": "judge/accuracy"}
    )
    np.testing.assert_allclose(run["zero_spread_share"].values[0], value)
    np.testing.assert_allclose(run["evaluation_reward"].values[0], [0.5 - 0.001 * i for i in range(N)])


def test_a_name_with_a_slash_is_a_column_before_it_is_a_quotient(tmp_path: Path) -> None:
    log = rows(tmp_path / "log.jsonl", judge=[8] * N, accuracy=[2] * N)
    assert read_run(log, columns={"grad_norm": "judge/accuracy"})["grad_norm"].values[0][0] == 0.5
    assert read_run(log, columns={"grad_norm": "judge / accuracy * 1"})["grad_norm"].values[0][0] == 4
    readings, _ = read_log(log, columns={"reward": "0.5*reward + 0.5*judge/accuracy"})
    np.testing.assert_allclose(
        readings[0].run["reward"].values[0], [0.5 * r + 0.25 - 0.0005 * i for i, r in enumerate(REWARDS)]
    )
    assert (
        readings[0].columns["reward"] == "0.5*reward + 0.5*judge/accuracy"
        and "judge/accuracy" not in readings[0].unused
    )


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"entropie": "skipped"}, "unknown name 'entropie'; known are optimizer_step, reward"),
        ({"entropy": "skiped"}, "no column 'skiped'; found judge/accuracy, n groups, reward, skipped, step"),
        ({"entropy": "skipped +"}, "expected a column or a number at its end"),
        ({"entropy": "(skipped"}, "expected a closing parenthesis"),
        ({"entropy": "skipped 3"}, "after column or number, found '3'"),
        ({"entropy": "3 * 4"}, "found numbers only"),
        ({"entropy": " "}, "found nothing"),
        ({"entropy": "__import__('os')"}, "no column '__import__"),
    ],
)
def test_faulty_expressions_are_named(columns: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_run(rows(tmp_path / "log.jsonl"), columns=columns)
    assert said in str(caught.value) and "--column" in str(caught.value)


def test_impossible_values_of_a_channel_leave_it_out(tmp_path: Path) -> None:
    """A count that is called a share must not refuse the run."""
    readings, _ = read_log(rows(tmp_path / "log.jsonl", ess=[64] * N, clip_frac=[3] * N, grad_norm=[1.0] * N))
    assert "effective_sample_share" not in readings[0].run and "clip_ratio" not in readings[0].run
    assert any("clip_frac: values from 3 to 3 cannot be clip_ratio" in str(note) for note in readings[0].notes)
    assert readings[0].run["grad_norm"].values[0][0] == 1


@pytest.mark.parametrize("counted", [1.0, 0.0])
def test_a_trainers_step_that_stands_still_is_not_believed(counted: float, tmp_path: Path) -> None:
    """Another of the trainer's names is taken where it counts; else the log is refused."""
    rows = [
        {"reward/evaluate_response/avg_reward": r, "main/training/count_training_iterations": counted} for r in REWARDS
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=f"count_training_iterations is {counted:g} in all {N} rows with a reward"):
        read_run(path)
    path.write_text("".join(json.dumps({"step": 1, "_step": i, **row}) + "\n" for i, row in enumerate(rows)))
    assert read_run(path)["optimizer_step"].values[0].tolist() == list(range(N))
