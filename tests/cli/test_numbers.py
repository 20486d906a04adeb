"""Values of options: read as the command line is, and all that cannot be read told together."""

import argparse

import pytest

from bayes_grpo.cli.numbers import evaluation, number, number_faults, positive, share, steps, variation, whole


def parser() -> argparse.ArgumentParser:
    command = argparse.ArgumentParser()
    command.add_argument("--until", type=number)
    command.add_argument("--step-seconds", type=positive, default=2.0)
    command.add_argument("--seeds", type=whole)
    command.add_argument("--lag-share", type=share)
    command.add_argument("--steps", type=steps)
    command.add_argument("--evaluated", type=evaluation, nargs="+")
    command.add_argument("--vary", type=variation)
    return command


def test_values_that_can_be_read() -> None:
    words = "--until -1000 --seeds 7 --lag-share 1 --steps 100,200.5 --evaluated 100=0.41 200=.5"
    options = parser().parse_args([*words.split(), "--vary", "group-size = 2, 4"])
    assert number_faults(options) == [] and options.unread == []
    assert (options.until, options.step_seconds, options.seeds, options.lag_share) == (-1000, 2, 7, 1)
    assert options.steps == [100, 200.5] and dict(options.evaluated) == {100: 0.41, 200: 0.5}
    assert options.vary == ("group_size", [2, 4])


@pytest.mark.parametrize(
    ("option", "texts", "expected", "kept"),
    [
        ("--until", ["soon"], ["a number, found 'soon'"], None),
        ("--until", ["nan"], ["a number, found 'nan'"], None),
        ("--until", ["inf"], ["a number, found inf"], None),
        ("--step-seconds", ["0"], ["a number above 0, found 0"], None),
        ("--step-seconds", ["-1"], ["a number above 0, found -1"], None),
        ("--seeds", ["1.5"], ["a whole number, found '1.5'"], None),
        ("--lag-share", ["1.01"], ["a number from 0 to 1, found 1.01"], None),
        ("--steps", ["1,,2"], ["numbers, such as 100,200,300, found '1,,2'"], None),
        (
            "--evaluated",
            ["100", "200=0.5", "x=1"],
            ["STEP=VALUE, such as 100=0.41, found '100'", "STEP=VALUE, such as 100=0.41, found 'x=1'"],
            [(200, 0.5)],
        ),
        ("--vary", ["group_size"], ["NAME=V1,V2,..., such as group_size=2,4,8, found 'group_size'"], None),
        ("--vary", ["kl=0,few"], ["NAME=V1,V2,..., such as group_size=2,4,8, found 'kl=0,few'"], ("kl", [0])),
    ],
)
def test_values_that_cannot(option: str, texts: list[str], expected: list[str], kept: object) -> None:
    options = parser().parse_args([option, *texts])
    assert number_faults(options) == [f"{option}: expected {text}" for text in expected]
    name = option.removeprefix("--").replace("-", "_")
    assert options.unread == [name] and (getattr(options, name) or None) == kept


def test_all_at_once() -> None:
    options = parser().parse_args(["--until", "soon", "--lag-share", "x", "--steps", "3"])
    assert [fault.partition(":")[0] for fault in number_faults(options)] == ["--until", "--lag-share"]
    assert options.steps == [3]
