"""Guides agree with the code: trainers and their settings, llms.txt, the skill, the glossary, Dockerfile and recipe."""

import inspect
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from bayes_grpo.cli import _parser
from bayes_grpo.readers.contract import trainers
from tests.common import LIMIT, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_trainers_are_known_and_their_settings_are_those_that_are_read() -> None:
    """Every setting named is a key that the trainer's own reader takes."""
    sections = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n)*)", text_of("docs/trainers.md"), re.MULTILINE))
    known = {trainer.name: inspect.getsource(sys.modules[trainer.hyperparameters.__module__]) for trainer in trainers()}
    assert set(sections) - {"Unsloth", "Any other"} <= set(known)
    assert {"TRL", "verl", "OpenRLHF", "NeMo-RL", "ms-swift", "slime", "prime-rl", "Unsloth"} <= set(sections)
    options = set(_parser()._subparsers._group_actions[0].choices["fit"]._option_string_actions)
    keys = 0
    for name, section in sections.items():
        for option, meaning in re.findall(r"^\| `(--[\w-]+)` \| (.*) \|$", section, re.MULTILINE):
            assert option in options
            for key in re.findall(r"`([\w.]+)`", meaning):
                keys += 1
                assert re.search(rf"[\"/]{key.rpartition('.')[2]}\"", known[name]), (name, key)
    assert keys > 25


def test_llms_txt_links_pages_that_are_there() -> None:
    links = re.findall(r"\]\(([\w/.]+)\)", text_of("llms.txt"))
    assert len(links) > 10 and [link for link in links if not (ROOT / link).is_file()] == []


def test_commands_of_the_skill_are_understood() -> None:
    commands = re.findall(r"`bayes-grpo (.+?)`", text_of("docs/skill.md"))
    assert len(commands) >= 10
    for command in commands:
        words = ["0.2" if word == "P" else "900" if word == "STEP" else word for word in shlex.split(command)]
        assert callable(_parser().parse_args(words).run)


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\| ([^|]+?) \|", text_of("docs/glossary.md"), re.MULTILINE)[1:]
    assert words == sorted(set(words), key=str.lower) and len(words) > 30


def test_steps_of_the_dockerfile(tmp_path: Path) -> None:
    """What it copies is there and enough to build; its constraints hold every dependency at a version that fits."""
    steps = text_of("Dockerfile").splitlines()
    for step in steps:
        if step.startswith("COPY "):
            *sources, target = step.split()[1:]
            for source in sources:
                place = tmp_path / target / (source if target.endswith("/") else "")
                (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, place)
                assert f"!{source}" in text_of(".dockerignore").splitlines()
    (written,) = [step.removeprefix("RUN ") for step in steps if step.endswith("> constraints.txt")]
    subprocess.run(["bash", "-ec", written], cwd=tmp_path, check=True, timeout=LIMIT)
    pinned: dict[str, list[Requirement]] = {}
    for line in (tmp_path / "constraints.txt").read_text().splitlines():
        requirement = Requirement(line)
        pinned.setdefault(requirement.name, []).append(requirement)
    for text in PROJECT["dependencies"]:
        need = Requirement(text)
        versions = [str(pin.specifier).removeprefix("==") for pin in pinned[need.name]]
        assert versions and all(need.specifier.contains(version) for version in versions), text
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=LIMIT)
    assert steps[-1] == 'ENTRYPOINT ["bayes-grpo"]' and "bayes-grpo" in PROJECT["scripts"]
    image = next(step for step in steps if step.startswith("FROM python:"))
    assert f"Programming Language :: Python :: {re.search(r'3[.]\d+', image)[0]}" in PROJECT["classifiers"]


def test_the_conda_recipe_has_the_dependencies_of_the_project() -> None:
    recipe = yaml.safe_load(text_of(".ci/conda/recipe.yaml"))
    other = {
        "matplotlib": ["matplotlib-base"],
        "h5netcdf": ["h5netcdf", "h5py"],
        "flatbuffers": ["python-flatbuffers"],
    }
    wanted = {}
    for text in PROJECT["dependencies"]:
        need = Requirement(text)
        first, *more = other.get(need.name, [need.name])
        wanted |= {first: str(need.specifier)} | dict.fromkeys(more, "")
    listed = dict((f"{line} ".split(" ")[:2]) for line in recipe["requirements"]["run"])
    assert listed.pop("python") == PROJECT["requires-python"]
    assert listed == wanted
    assert recipe["context"]["version"] == PROJECT["version"]
    assert recipe["build"]["python"]["entry_points"] == [f"{k} = {v}" for k, v in PROJECT["scripts"].items()]


@pytest.mark.parametrize("page", ["trainers", "limits", "glossary", "skill", "trust", "interoperation"])
def test_pages_are_in_the_index(page: str) -> None:
    assert f"\n{page}\n" in text_of("docs/index.md")
