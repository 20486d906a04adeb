"""Saved fits that someone has changed: each loads and can be used, or is refused by name."""

from pathlib import Path

import pytest
import xarray as xr

from bayes_grpo import InputError, load_fit, save_fit, summarise

#: Of every kind: no number, no text, no JSON, JSON of another kind, a name that is too long.
NASTY = ("x", "[1]", -1, "9" * 400)


def outcome(tree: xr.DataTree, path: Path) -> str:
    """'used' or what the refusal says; any other exception fails the test."""
    save_fit(tree, path)
    try:
        summarise(load_fit(path))
    except InputError as error:
        assert str(path) in str(error) or "model" in str(error)
        return str(error)
    return "used"


@pytest.fixture(scope="module")
def plain(small_fit: xr.DataTree) -> xr.DataTree:
    return small_fit.copy()


def test_the_fit_itself_is_used(plain: xr.DataTree, tmp_path: Path) -> None:
    assert outcome(plain, tmp_path / "fit.nc") == "used"


@pytest.mark.parametrize(
    "name", ["run", "model", "model_file", "hyperparameters", "quantities", "assumptions", "notes", "chains", "seed"]
)
def test_attributes_of_another_kind(name: str, plain: xr.DataTree, tmp_path: Path) -> None:
    without = plain.copy()
    del without.attrs[name]
    said = outcome(without, tmp_path / "fit.nc")
    assert name in said or name in ("chains", "seed", "model_file")
    kinds = set()
    for value in NASTY:
        changed = plain.copy()
        changed.attrs[name] = value
        kinds.add(outcome(changed, tmp_path / "fit.nc").partition(f"{name}: expected")[1])
    assert f"{name}: expected" in kinds  # at least one of them is of a kind that is refused by name


@pytest.mark.parametrize("group", ["posterior", "observed_data", "constant_data"])
def test_groups_that_are_missing(group: str, plain: xr.DataTree, tmp_path: Path) -> None:
    without = xr.DataTree.from_dict(
        {name: child.to_dataset() for name, child in plain.children.items() if name != group}
    )
    without.attrs = dict(plain.attrs)
    assert "expected" in outcome(without, tmp_path / "fit.nc") or group == "posterior"


def test_a_fit_that_claims_too_much_is_not_loaded(
    plain: xr.DataTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bayes_grpo.inference.store.LARGEST", 1000)
    assert "expected at most" in outcome(plain, tmp_path / "fit.nc")
