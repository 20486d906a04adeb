"""The notes of a result: kept in its attributes, listed in its summary, asked for by kind and subject.

A note, and so a warning, is made where its reason is found: about a fit in `bayes_grpo.analysis.posterior.notes`, about
an answer beside the answer. Its kind is one of `bayes_grpo.errors.KINDS`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import xarray as xr

from bayes_grpo.errors import Note, read_notes, write_notes


class NoteRow(TypedDict):
    """One note in a summary; its fields are those of `bayes_grpo.errors.Note`."""

    kind: str
    subject: str
    text: str


class Noted(TypedDict):
    """What every summary says beside its numbers: sentences for people, and the same as data."""

    warnings: list[str]
    notes: list[NoteRow]


def noted(notes: Iterable[Note]) -> Noted:
    """Notes as entries of a summary, each once."""
    listed = list(dict.fromkeys(notes))
    return {
        "warnings": [str(note) for note in listed],
        "notes": [NoteRow(kind=note.kind, subject=note.subject, text=note.text) for note in listed],
    }


def notes_of(summary: Mapping[str, Any]) -> list[Note]:
    """The notes of a summary, as they were before they were listed."""
    return [Note(**row) for row in summary["notes"]]


def stored(notes: Iterable[Note]) -> dict[str, str]:
    """Notes as an attribute of a result."""
    return {"notes": write_notes(notes)}


def stored_notes(result: xr.Dataset) -> list[Note]:
    """Notes from the attributes of a result; also those that version 0.1.0 wrote, as plain sentences without a kind."""
    if "notes" in result.attrs:
        return list(read_notes(result.attrs["notes"]))
    text = str(result.attrs.get("warnings", ""))
    sentences = list(read_notes(text)) if text.startswith("[") else [Note("limit", "", line) for line in _lines(text)]
    return [Note("not_converged", "", line) for line in _lines(str(result.attrs.get("failures", "")))] + sentences


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def fit_notes(fit: xr.DataTree | None, subjects: Iterable[str] | None = None) -> list[Note]:
    """The notes that an answer takes over from its fit: why that cannot be believed, and what was assumed.

    Parameters
    ----------
    fit : xarray.DataTree or None
        Without one there are none.
    subjects : iterable of str, optional
        Assumptions that the answer rests on; by default all of them. Assumptions without a subject, as version 0.1.0
        stored them, are always among them.
    """
    if fit is None:
        return []
    # A diagnosis has notes as well, and needs no JAX.
    from bayes_grpo.inference.attributes import assumptions
    from bayes_grpo.inference.convergence import diagnose_sampling

    wanted = None if subjects is None else {"", *subjects}
    assumed = [note for note in assumptions(fit) if wanted is None or note.subject in wanted]
    return [*diagnose_sampling(fit).failures(), *assumed]
