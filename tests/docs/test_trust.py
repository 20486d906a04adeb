"""What docs/trust.md and SECURITY.md state holds: limits, licences, and the files that they name."""

import importlib
import importlib.util
import re

from tests.common import ROOT

_UNITS = {"": 1, "MB": 1e6, "MiB": 1 << 20, "GiB": 1 << 30}


def test_stated_limits_are_the_constants() -> None:
    text = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| ([\d,]+) ?(\w*) \| `([\w.]+)` \|$", text, re.MULTILINE)
    assert len(rows) == text.count("| `bayes_grpo.")
    for number, unit, constant in rows:
        module, _, name = constant.rpartition(".")
        assert getattr(importlib.import_module(module), name) == int(number.replace(",", "")) * _UNITS[unit], constant


def test_every_dependency_has_a_licence_that_may_be_depended_on() -> None:
    spec = importlib.util.spec_from_file_location("licences", ROOT / ".ci" / "licences.py")
    licences = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(licences)
    packages = licences.dependencies("bayes-grpo")
    assert {"bayes-grpo", "jax", "numpy", "xarray"} <= set(packages)
    refused = {name: licences.licence(package) for name, package in packages.items()}
    assert {name: text for name, text in refused.items() if not licences.acceptable(text)} == {}
    assert licences.acceptable("GPL-3.0 OR MIT") and not licences.acceptable("GPL-3.0-only")
    assert not licences.acceptable("unknown") and not licences.acceptable("LGPL with BSD parts")


def test_files_that_security_names_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|benchmarks|docs)/[\w/.]+)`|\]\((docs/[\w/.]+)\)", text)
    assert len(named) >= 3
    assert [path for pair in named for path in pair if path and not (ROOT / path).is_file()] == []
