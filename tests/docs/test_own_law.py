"""The example of docs/own_law.md: its curve in closed form, its fit by the command line, and faults of law files.

That it keeps the contract of all laws is shown by tests/laws/test_contract.py.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_grpo import InputError, load_model, make_run
from bayes_grpo.inference.layout import prepare
from bayes_grpo.laws.dynamics import load_law
from bayes_grpo.laws.likelihood import simulated
from tests.common import FACTS, QUICK, ROOT, call, options

LAW = ROOT / "docs" / "examples" / "richards.py"
MODEL = LAW.with_suffix(".toml")


@pytest.mark.parametrize("shape", [0.3, 1.0, 2.5])
def test_without_noise_it_is_richards_curve(shape: float) -> None:
    """``x* (1 + ((x* / x0)^nu - 1) exp(-k t))^(-1 / nu)``, with rewards from -1."""
    load_law(LAW)
    spec, n = load_model(MODEL), 80
    run = make_run("a", {"optimizer_step": np.arange(n), "reward": np.linspace(0, 1, n)}, FACTS | {"reward_lower": -1})
    values = {"plateau": 0.8, "initial_reward": -0.9, "stiffness": 0.1, "shape": shape}
    values |= {"fluctuation": 1e-9, "observation_sd": 0.01}
    point = jax.tree.map(jnp.asarray, values)
    path = simulated(spec.law, point, prepare(run, spec).data.run, jax.random.key(0))[0]
    curve = 1.8 * (1 + ((1.8 / 0.1) ** shape - 1) * np.exp(-0.1 * np.arange(n))) ** (-1 / shape) - 1
    np.testing.assert_allclose(path[:n], curve, atol=2e-3)


def test_the_command_line_fits_it(tmp_path: Path) -> None:
    t = np.arange(60)
    rewards = 0.8 / (1 + 30 * np.exp(-0.2 * t)) + 0.02 * np.random.default_rng(0).normal(size=60)
    (tmp_path / "log.csv").write_text("step,reward\n" + "".join(f"{i},{r:.4f}\n" for i, r in enumerate(rewards)))
    stated = ("--reward-bounds", "-0.2", "1", "--out", "fit.nc", "--json", *options(QUICK))
    done = call("--law", LAW, "fit", "log.csv", "--model", MODEL, *stated, folder=tmp_path)
    assert done.returncode in (0, 3), done.stderr
    found = json.loads(done.stdout)["parameters"]
    assert {"plateau", "shape", "timescale", "temperature"} <= set(found)
    assert 0.7 < found["plateau"]["median"] < 0.9
    assert call("--law", LAW, "forecast", "fit.nc", "--model", MODEL, "--until", "90", folder=tmp_path).returncode in (
        0,
        3,
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "expected a Python file"),
        ("x = 1\n", "defines no law"),
        ("1 / 0\n", "cannot be executed: ZeroDivisionError"),
        (
            "from bayes_grpo.laws.dynamics.first_order import FirstOrder\n"
            'class Mine(FirstOrder, name="sigmoid"): ...\n',
            "law sigmoid: is defined in bayes_grpo.laws.dynamics.sigmoid already",
        ),
    ],
)
def test_what_is_no_law_is_refused(text: str | None, fault: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    with pytest.raises(InputError, match=fault):
        load_law(tmp_path / "mine.py")
    done = call("--law", "mine.py", "models", folder=tmp_path)
    assert done.returncode == 2 and fault in done.stderr and done.stdout == ""


def test_a_model_file_runs_no_code(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "mine.toml").write_text(MODEL.read_text().replace('"richards"', '"mine"'))
    with pytest.raises(InputError, match="dynamics: expected one of first_order, "):
        load_model(tmp_path / "mine.toml")
