"""`bayes-grpo demo`: its answers come from the first 60 % alone, and the README shows what it prints."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bayes_grpo import example_run, load_fit
from bayes_grpo.cli import demo
from tests.common import ROOT, Done, call

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Done, Path]:
    """What it prints for people and as JSON, from the same results, and the folder with its files."""
    folder = tmp_path_factory.mktemp("demo")
    computed = []
    compute = demo._computed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "_computed", lambda: computed[0] if computed else computed.append(compute()) or computed[0])
        return call("demo", folder=folder), call("demo", "--json", folder=folder), folder / "bayes_grpo_demo"


def test_the_readme_shows_what_it_prints(shown: tuple[Done, Done, Path]) -> None:
    """Word for word; numbers may differ as far as another processor draws otherwise."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (transcript,) = re.findall(r"^```text\n(A real GRPO run.*?)^```$", text, re.MULTILINE | re.DOTALL)
    printed = " ".join(shown[0].stdout.split())
    stated = " ".join(transcript.split())
    assert _NUMBER.sub("N", printed) == _NUMBER.sub("N", stated)
    now, then = (np.array([float(number) for number in _NUMBER.findall(part)]) for part in (printed, stated))
    # Rewards and probabilities; steps, and limits of reuse that are known within a factor of ten only.
    assert (np.abs(now - then) <= np.where(then < 20, 0.06, 0.3 * then)).all(), (now, then)


def test_the_answers_rest_on_the_first_steps_alone(shown: tuple[Done, Done, Path]) -> None:
    run, folder = example_run(), shown[2]
    found = json.loads(shown[1].stdout)
    assert shown[0].returncode == shown[1].returncode == 0
    fit, whole = load_fit(folder / "first_60_percent.nc"), load_fit(folder / "whole_run.nc")
    assert fit["observed_data"]["reward"].size == 228 and whole["observed_data"]["reward"].size == 380
    assert (found["forecast"]["last_step"], found["forecast"]["until"]) == (228, 380)
    rest = run["reward"].values[0, 228:]
    assert found["hindsight"]["whole"]["came"] == pytest.approx(rest.mean())
    assert found["whole_fit"]["parameters"]["plateau"]["median"] != found["fit"]["parameters"]["plateau"]["median"]
    with Image.open(folder / "forecast.png") as figure:
        assert figure.size[0] > 800
