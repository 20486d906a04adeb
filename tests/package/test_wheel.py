"""What is published: wheel and sdist are complete and pass their checks, and the wheel works where nothing else is."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import bayes_grpo
from tests.common import LIMIT, ROOT

BIN = Path(sys.executable).parent


def run(*command: object, folder: Path = ROOT) -> str:
    """Output of a command that must succeed, without what this process imports from."""
    environment = {"PATH": str(BIN), "HOME": str(folder), "NO_COLOR": "1"}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is built from it: without a checkout, and without the network."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=source)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def test_checks_of_the_index_pass(built: Path, wheel: Path) -> None:
    """Long description, metadata, and nothing in the wheel that does not belong there."""
    assert "FAILED" not in run(BIN / "twine", "check", "--strict", wheel, *built.glob("*.tar.gz"))
    assert run(BIN / "check-wheel-contents", wheel).strip().endswith("OK")


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(about).decode()
    package = ROOT / "bayes_grpo"
    there = {str(path.relative_to(ROOT)) for path in package.rglob("*") if path.is_file()}
    models = {f"bayes_grpo/{path.relative_to(ROOT)}" for path in (ROOT / "models").glob("*.toml")}
    assert names == {name for name in there if "__pycache__" not in name} | models
    assert "bayes_grpo/py.typed" in names and len(models) > 20
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata.count("Requires-Dist: ") >= len(project["dependencies"])
    assert f"Version: {project['version']}" in metadata and "License-Expression: Apache-2.0" in metadata


def test_the_version_is_one(wheel: Path) -> None:
    """In pyproject.toml, the citation, the wheel's name, the changelog's newest heading, and a tag of this commit."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"-{version}-py3" in wheel.name
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    released = [number for number, _ in headings if number != "Unreleased"]
    assert released[0] == version and len(set(released)) == len(released)
    assert all(re.fullmatch(r" - \d{4}-\d{2}-\d{2}", date) for number, date in headings if number != "Unreleased")
    if git := shutil.which("git"):  # outside a checkout it tells no tag
        told = subprocess.run([git, "tag", "--points-at", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=False)
        assert {tag for tag in told.stdout.decode().split() if re.match(r"v\d", tag)} <= {f"v{version}"}


def test_the_wheel_works_in_a_bare_environment(wheel: Path, tmp_path: Path) -> None:
    """Installed by itself beside the locked dependencies, far from the checkout."""
    place = tmp_path / "bare"
    venv.create(place, symlinks=True)
    python = place / "bin" / "python"
    run(
        BIN / "uv", "pip", "install", "--offline", "--no-deps", "--no-cache", "--python", python, wheel, folder=tmp_path
    )
    # The folder of the locked packages is searched as well, but not the .pth file there, which names the checkout.
    site = next(place.glob("lib/python*/site-packages"))
    (site / "locked.pth").write_text(sysconfig.get_path("purelib"))
    code = "import bayes_grpo as b; print(b.__file__); print(len(b.list_models()), b.example_run().sizes['step'])"
    where, facts = run(python, "-c", code, folder=tmp_path).splitlines()
    assert Path(where).is_relative_to(place)
    assert facts == f"{len(bayes_grpo.list_models())} 380"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert run(place / "bin" / "bayes-grpo", "--version", folder=tmp_path) == f"bayes-grpo {version}\n"
    shown = run(place / "bin" / "bayes-grpo", "demo", folder=tmp_path)
    assert "plateau" in shown
    assert {path.suffix for path in (tmp_path / "bayes_grpo_demo").iterdir()} == {".nc", ".png"}
