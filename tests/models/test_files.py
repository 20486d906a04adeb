"""Model files: what ships is valid, edits work, faults list what exists."""

import sys
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, list_models, load_model
from bayes_grpo.laws.dynamics.first_order import FirstOrder
from bayes_grpo.models.expressions import evaluate
from bayes_grpo.models.spec import QUANTITIES

VALUES = dict.fromkeys(QUANTITIES, 1.0) | dict(
    zip(QUANTITIES[:7], (-5.0, 10.0, 15.0, 400.0, 0.9, 9.5, 8.0), strict=True)
)


def edited(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = load_model("oscillator").text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_shipped_models_are_complete() -> None:
    models = {model.name: model for model in list_models()}
    assert set(models) == {
        *("exponential", "sigmoid", "random_walk", "overdamped", "oscillator", "oscillator_free", "delayed_oscillator"),
        *("bounded", "bounded_overdamped", "pooled", "pooled_lag", "size_exponent", "noise_exponent", "split_noise"),
        *(
            "group_dependence",
            "leading_order",
            "finite_groups",
            "population",
            "balance",
            "balance_overdamped",
            "balance_groups",
        ),
        *("power_law", "s_curve", "wandering_level"),
    }
    for model in models.values():
        assert model.equation
        assert model.source
        for _, prior in model.sites():
            assert prior.unit and prior.source and prior.reason
        plateau = "plateau_location" if model.pooled else "initial_reward"
        if model.name.startswith("balance"):
            assert model.resolve(VALUES)["kl_weight"] == {"loc": 1.0, "scale": 1.0}
            continue
        assert model.resolve(VALUES)[plateau] == {"low": -5.0, "high": 10.0}
    assert "mass" in models["oscillator_free"].parameters
    assert "fluctuation" not in models["exponential"].parameters


def test_a_copied_file_with_an_edited_prior_is_read(tmp_path: Path) -> None:
    model = load_model(edited(tmp_path, ("scale = 0.25", 'scale = "0.1 + 1 / planned_steps"')))
    assert model.name == "mine"
    assert model.resolve(VALUES)["damping"]["scale"] == pytest.approx(0.1025)
    assert model.structure == load_model("oscillator").structure


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"StudentT"', '"Studentt"', "expected one of Normal, HalfNormal"),
        ("df = 4\n", "", r"damping.df: missing; StudentT takes df, loc, scale"),
        ("[parameters.damping]", "[parameters.dampening]", "unknown parameter; this law has plateau"),
        ('"LogitNormal"', '"Normal"', "stiffness is positive"),
        ('"reward_lower"', '"reward_low"', "unknown quantity 'reward_low'; known are reward_lower"),
        ('"reward_lower"', "\"__import__('os').getcwd()\"", r"expected \+ - "),
        ('"second_order"', '"third_order"', "expected one of first_order, second_order, balance_first_order"),
        ("process_noise = true", "process_noise = true\nnoise = 3", "unknown key 'noise'"),
        ("process_noise = true", "process_noise = true\n= 3", "syntax error"),
    ],
)
def test_faults_list_what_exists(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_model(edited(tmp_path, (old, new)))


def test_a_file_of_endless_brackets_is_refused(tmp_path: Path) -> None:
    depth = 2 * sys.getrecursionlimit()  # importing PyMC raises it to 10,000
    path = tmp_path / "mine.toml"
    path.write_text("process_noise = " + "[" * depth + "]" * depth + "\n")
    with pytest.raises(InputError, match=r"mine\.toml: expected TOML, found lists or tables nested too deeply"):
        load_model(path)


def extending(tmp_path: Path, text: str, base: str = "oscillator") -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(f'extends = "{base}"\n{text}')
    return path


def test_a_file_that_extends_another_states_only_what_differs(tmp_path: Path) -> None:
    base = load_model("oscillator")
    mine = load_model(extending(tmp_path, "[parameters.damping]\nscale = 0.1\n"))
    assert mine.parameters["damping"].arguments == {"df": 4, "loc": 1, "scale": 0.1}
    assert mine.parameters["plateau"] == base.parameters["plateau"]
    assert mine.law == base.law
    assert base.text in mine.history and mine.text in mine.history
    # A new distribution replaces the inherited one with its arguments; what the law no longer has is left behind.
    first = 'dynamics = "first_order"\nprocess_noise = true\n[parameters.stiffness]\ndistribution = "Beta"\n'
    first += 'concentration1 = 1\nconcentration0 = 9\nunit = "1/step"\nsource = "s"\nreason = "r"\n'
    other = load_model(extending(tmp_path, first))
    assert other.law == FirstOrder(process_noise=True)
    assert other.parameters["stiffness"].arguments == {"concentration1": 1, "concentration0": 9}
    assert set(other.parameters) == set(load_model("overdamped").parameters)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[parameters.lag_share]\nlow = 0\n", "parameters.lag_share: unknown parameter; this law has plateau"),
        ('damping = "lag"\n', "parameters.lag_share: missing; this law has plateau"),
        ('dynamics = "sigmoid"\nprocess_noise = true\n', "correlation_time: missing; this law has plateau"),
        (
            'dynamics = "first_order"\nprocess_noise = true\nmass = "closed_form"\n',
            "mass: first_order dynamics have no such choice",
        ),
        (
            'dynamics = "random_walk"\nprocess_noise = true\nfinite_groups = true\n',
            "finite_groups: random_walk dynamics have no such choice",
        ),
        ('schedule = "yes"\n', "schedule: expected true or false"),
        ('[parameters.damping]\npooling = "some"\n', "pooling: expected one of separate, shared, partial"),
        ('[parameters.damping]\npooling = "partial"\n', "damping.spread: missing"),
        ('[parameters.damping.spread]\ndistribution = "HalfNormal"\n', "only partial pooling has one"),
        ("[parameters.damping.predictors.group_size]\n", "separate parameters are not predicted"),
        ('[parameters.damping]\npooling = "shared"\n[parameters.damping.predictors.seed]\n', "one of learning_rate"),
    ],
)
def test_switches_and_pooling_that_do_not_go_together(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_model(extending(tmp_path, text))


def test_a_file_cannot_extend_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 5 models one upon another"):
        load_model(extending(tmp_path, "", base="./mine.toml"))


def test_all_faults_of_a_file_come_at_once(tmp_path: Path) -> None:
    path = edited(tmp_path, ('"StudentT"', '"Cauchyy"'), ('high = "reward_upper"', 'hihg = "reward_upper"'))
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert len(caught.value.faults) >= 3
    assert str(path) in str(caught.value)


def test_impossible_arguments_for_a_run_name_the_argument(tmp_path: Path) -> None:
    model = load_model(edited(tmp_path, ("scale = 0.25", 'scale = "1 - planned_steps"')))
    with pytest.raises(InputError, match="damping.scale: expected a positive number, found -399"):
        model.resolve(VALUES)


def test_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(
        InputError, match=r"bounded, .*exponential, .*oscillator, oscillator_free, .*did you mean 'oscillator'"
    ):
        load_model("oscilator")


def test_expressions() -> None:
    assert evaluate("-log(reward_range / 3) ** 2 + sqrt(4) * exp(0)", VALUES) == pytest.approx(2 - np.log(5) ** 2)
    for bad in ("reward_range.real", "[1]", "1 if 1 else 2", "'a'", "True", "f(1)", "1 +", "log(1, 2)"):
        with pytest.raises(ValueError, match="expected|unknown"):
            evaluate(bad, VALUES)
    with pytest.raises((ValueError, ArithmeticError)):
        evaluate("1 / 0", VALUES)
