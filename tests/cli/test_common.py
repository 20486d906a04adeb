"""How every command ends: tables or one JSON object, notes once, the exit code."""

import json
from pathlib import Path

import pytest

from bayes_grpo import InputError
from bayes_grpo.analysis.notes import noted
from bayes_grpo.cli.common import BAD_INPUT, NOT_CONVERGED, OK, finish, refuse, suffix_faults
from bayes_grpo.errors import Note

SHARED = Note("assumption", "momentum", "momentum unknown")
FAILED = Note("not_converged", "max_rhat", "R-hat 1.2")


def answers() -> list[dict]:
    notes = {"a": [SHARED, FAILED], "b": [SHARED]}
    return [{"run": run, **noted(of_run)} for run, of_run in notes.items()]


def test_tables_come_first_and_each_note_once(capsys: pytest.CaptureFixture) -> None:
    assert finish(answers(), lambda answer: f"table of {answer['run']}", as_json=False) == NOT_CONVERGED
    out, err = capsys.readouterr()
    assert out.splitlines() == ["table of a", "table of b"]
    # What holds for one of several runs names it.
    assert err.splitlines() == ["note: momentum unknown", "*** a: NOT CONVERGED: R-hat 1.2"]


def test_json_is_alone_on_stdout(capsys: pytest.CaptureFixture) -> None:
    assert finish(answers(), lambda answer: "table", as_json=True) == NOT_CONVERGED
    assert [run["run"] for run in json.loads(capsys.readouterr().out)["runs"]] == ["a", "b"]
    assert finish(answers()[1:], lambda answer: "table", as_json=True) == OK
    assert json.loads(capsys.readouterr().out)["run"] == "b"


def test_a_fault_of_the_input_counts_before_a_fit_that_did_not_converge(capsys: pytest.CaptureFixture) -> None:
    assert finish(answers(), lambda answer: "", as_json=False, faults=["one log could not be read"]) == BAD_INPUT
    assert finish([], lambda answer: "", as_json=True) == OK and capsys.readouterr().out.strip() == ""


def test_all_faults_of_a_command_line_at_once() -> None:
    assert suffix_faults("--out", None, (".html",)) == suffix_faults("--out", Path("a.html"), (".html",)) == []
    faults = suffix_faults("--out", Path("page.pdf"), (".html", ".htm"))
    with pytest.raises(InputError) as caught:
        refuse(["--until: expected a number, found 'soon'", *faults, faults[0]])  # each is told once
    assert caught.value.faults == [
        "--until: expected a number, found 'soon'",
        "--out: expected a name ending in .html, .htm, found page.pdf",
    ]
    refuse([])
