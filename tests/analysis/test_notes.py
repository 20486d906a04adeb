"""Notes of results: stored as data, read also from version 0.1.0, and asked for by kind."""

import ast
import json

import numpy as np
import pytest
import xarray as xr

from bayes_grpo import load_fit, save_fit, summarise
from bayes_grpo.analysis.notes import noted, notes_of, stored, stored_notes
from bayes_grpo.errors import KINDS, Note
from bayes_grpo.inference.attributes import assumptions
from tests.common import ROOT

NOTES = [Note("not_converged", "max_rhat", "R-hat 1.2"), Note("little_learned", "plateau, damping", "little")]


def test_notes_go_through_a_result_and_a_summary() -> None:
    result = xr.Dataset(attrs=stored(NOTES))
    assert stored_notes(result) == NOTES
    summary = noted([*NOTES, NOTES[0]])
    assert summary["warnings"] == ["NOT CONVERGED: R-hat 1.2", "little"]
    assert notes_of(json.loads(json.dumps(summary))) == NOTES
    assert NOTES[1].concerns("damping") and not NOTES[1].concerns("dam")


@pytest.mark.parametrize(
    "attrs",
    [
        {"warnings": json.dumps(["first", "second"])},  # forecasts and diagnoses
        {"warnings": "first\nsecond", "failures": ""},  # invariance
    ],
)
def test_plain_sentences_of_version_0_1_0_are_read(attrs: dict[str, str]) -> None:
    assert [str(note) for note in stored_notes(xr.Dataset(attrs=attrs))] == ["first", "second"]


def test_failures_of_version_0_1_0_are_read_as_such() -> None:
    notes = stored_notes(xr.Dataset(attrs={"warnings": "", "failures": "law: chains disagree"}))
    assert notes == [Note("not_converged", "", "law: chains disagree")]


def test_a_fit_of_version_0_1_0_is_loaded(small_fit: xr.DataTree, tmp_path) -> None:
    """Its assumptions are plain sentences."""
    old = small_fit.copy()
    old.attrs["assumptions"] = json.dumps(["momentum unknown: assumed 0.9"])
    loaded = load_fit(save_fit(old, tmp_path / "old.nc"))
    assert [(note.kind, note.text) for note in assumptions(loaded)] == [("assumption", "momentum unknown: assumed 0.9")]
    assert "momentum unknown: assumed 0.9" in summarise(loaded)["warnings"]


def test_a_parameter_that_the_rewards_say_little_about_is_the_subject(small_fit: xr.DataTree) -> None:
    vague = small_fit.copy()
    posterior = vague["posterior"].to_dataset()
    prior = np.resize(vague["prior"]["timescale"].values, posterior["timescale"].shape)
    vague["posterior"] = xr.DataTree(posterior.assign(timescale=posterior["timescale"].copy(data=prior)))
    (note,) = [note for note in notes_of(summarise(vague)) if note.kind == "little_learned"]
    assert note.concerns("timescale") and not note.concerns("plateau")


def test_every_note_has_a_kind_that_is_listed() -> None:
    """All places that make a note, by their source."""
    kinds = set()
    for path in (ROOT / "bayes_grpo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func if isinstance(node, ast.Call) else None
            if (
                isinstance(name, ast.Name)
                and name.id == "Note"
                and isinstance(node.args[0] if node.args else None, ast.Constant)
            ):
                kinds.add(node.args[0].value)
    assert kinds and kinds <= set(KINDS)


def test_no_code_of_answers_reads_a_sentence() -> None:
    """The rooms that answer compare no text of a note or warning with words: they ask for kind and subject."""
    for room in ("analysis", "report", "cli"):
        for path in (ROOT / "bayes_grpo" / room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for wording in (
                'startswith("NOT CONVERGED',
                '"no mass"',
                'startswith("the rewards',
                "json.loads(found.attrs",
                "in text for",
            ):
                assert wording not in text, f"{path.name}: {wording}"
