"""Whatever stands before and between rows: the rows, or one clear error."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bayes_grpo import InputError
from bayes_grpo.readers import read_log
from tests.readers.consoles.printed import REWARDS, SCRIPTS, N, nemo, prime, skyrl, slime

LAYOUTS = {
    "dicts": lambda: [str({"loss": 0.1, "reward": r, "step": s, "kl": 0.01}) for s, r in enumerate(REWARDS, 1)],
    "verl": lambda: [f"step:{s} - critic/rewards/mean:{r} - actor/lr:1e-06" for s, r in enumerate(REWARDS, 1)],
    "pairs": lambda: [SCRIPTS["bars between"](s, r) for s, r in enumerate(REWARDS, 1)],
    "prime-rl": lambda: prime("02:33:26", "SUCCESS", "").splitlines(),
    "skyrl": lambda: skyrl(1, 80, "").splitlines(),
    "slime": lambda: slime(1, "").splitlines(),
    "nemo-rl": lambda: nemo(100, "=" * 20, "Avg Reward").splitlines(),
}
#: Lines that programs print around training: Ray's, DeepSpeed's, pip's, compilers', warnings, JSON, half dicts, bars.
NOISE = st.sampled_from(
    [
        "[2026-03-01 10:00:00,123] [INFO] [real_accelerator.py:222:get_accelerator] Setting ds_accelerator to cuda (auto detect)",
        "(WorkerDict pid=1000) Loading checkpoint shards:  50%|#####     | 2/4 [00:01<00:01,  1.2s/it]",
        "\x1b[36m(TaskRunner pid=12)\x1b[0m wrap_policy: functools.partial(<function policy>, reward=1)",
        "Requirement already satisfied: numpy<3,>=1.2 in ./site-packages (from torch) (2.1.0)",
        "Collecting trl==1.16.0, downloading https://x/y.whl (3.2 MB)",
        "/usr/lib/python3/warnings.py:12: UserWarning: the reward function returned None, score unknown, step skipped",
        '{"not": "closed", "reward": ',
        "{'prompt': 'How many?', 'completion': \"{'answer': 42}\"}",
        "{'a': {'b': [1, 2",
        "Traceback (most recent call last):",
        '  File "train.py", line 3, in <module>',
        "\u2588\u2588\u2588 \u00e9\u00e8 \U0001f680",
        "reward = accuracy + 0.5 * format",
        "nvcc: NVIDIA (R) Cuda compiler driver, release 12.4, V12.4.131",
        "W1126 10:41:00.000000 139 torch/distributed/run.py:766] Setting OMP_NUM_THREADS to 1",
        "",
        "-" * 60,
        "[",
        "{",
        "}",
    ]
)


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    before=st.lists(NOISE, max_size=30),
    between=st.lists(NOISE, max_size=8),
    repeats=st.sampled_from([1, 1, 1, 400]),
    seed=st.randoms(use_true_random=False),
)
def test_rows_come_through_any_noise(
    layout: str, before: list, between: list, repeats: int, seed, tmp_path: Path
) -> None:
    lines = LAYOUTS[layout]()
    whole = layout in ("dicts", "verl", "pairs", "prime-rl", "slime")
    for noise in between if whole else []:
        lines.insert(seed.randrange(len(lines) + 1), noise)
    path = tmp_path / "train.log"
    path.write_text("\n".join(before * repeats + lines) + "\n", encoding="utf-8")
    readings, faults = read_log(path)
    assert not faults and len(readings) == 1
    assert readings[0].run["reward"].values[0].tolist() == REWARDS
    assert readings[0].run.sizes["step"] == N


@pytest.mark.parametrize("layout", ["dicts", "verl", "pairs"])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("after", [[], ["Loading", ""], ['{"event": "loaded"}']])
def test_a_config_in_json_may_stand_before_the_rows(
    layout: str, indent: int | None, after: list, tmp_path: Path
) -> None:
    config = {"model": "Qwen", "learning_rate": 1e-6, "num_generations": 8, "reward_funcs": ["accuracy"]}
    path = tmp_path / "train.log"
    path.write_text("\n".join([json.dumps(config, indent=indent), *after, *LAYOUTS[layout]()]) + "\n")
    readings, faults = read_log(path)
    assert not faults and readings[0].format == "console output"
    assert readings[0].run["reward"].values[0].tolist() == REWARDS


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(text=st.text(st.characters(codec="utf-8"), max_size=300), lines=st.lists(NOISE, max_size=10), data=st.data())
def test_any_text_is_read_or_refused_by_name(text: str, lines: list, data, tmp_path: Path) -> None:
    rows = data.draw(st.sampled_from([*LAYOUTS.values(), list]))()
    pieces = [*lines, *text.split("\n"), *rows[: data.draw(st.integers(0, 40))]]
    path = tmp_path / "train.log"
    path.write_text("\n".join(data.draw(st.permutations(pieces))), encoding="utf-8", newline="")
    try:
        readings, faults = read_log(path)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert readings or all(str(path) in str(fault) for fault in faults)
