"""Model files: what ships is valid, edits work, faults list what exists."""

from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, list_models, load_model
from bayes_grpo.spec import QUANTITIES, evaluate

VALUES = dict(zip(QUANTITIES, (-5.0, 10.0, 15.0, 400.0, 0.9, 9.5, 8.0), strict=True))


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
    assert set(models) == {"oscillator", "oscillator_free", "overdamped", "exponential"}
    for model in models.values():
        assert model.equation
        assert model.source
        for prior in model.parameters.values():
            assert prior.unit and prior.source and prior.reason
        assert model.resolve(VALUES)["plateau"] == {"low": -5.0, "high": 10.0}
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
        ('"second_order"', '"third_order"', "expected one of first_order, second_order"),
        ("process_noise = true", "process_noise = true\nnoise = 3", "unknown key 'noise'"),
        ("process_noise = true", "process_noise = true\n= 3", "syntax error"),
    ],
)
def test_faults_list_what_exists(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_model(edited(tmp_path, (old, new)))


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
        InputError, match=r"exponential, oscillator, oscillator_free, overdamped.*did you mean 'oscillator'"
    ):
        load_model("oscilator")


def test_expressions() -> None:
    assert evaluate("-log(reward_range / 3) ** 2 + sqrt(4) * exp(0)", VALUES) == pytest.approx(2 - np.log(5) ** 2)
    for bad in ("reward_range.real", "[1]", "1 if 1 else 2", "'a'", "True", "f(1)", "1 +", "log(1, 2)"):
        with pytest.raises(ValueError, match="expected|unknown"):
            evaluate(bad, VALUES)
    with pytest.raises((ValueError, ArithmeticError)):
        evaluate("1 / 0", VALUES)
