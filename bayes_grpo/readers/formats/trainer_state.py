"""transformers' ``trainer_state.json``: by itself, in a checkpoint folder, or the newest in an output folder."""

import json
from collections.abc import Iterator
from pathlib import Path

from bayes_grpo.errors import InputError
from bayes_grpo.readers.formats import completions, tfevents
from bayes_grpo.readers.json_stream import stream_member
from bayes_grpo.readers.log import Entry, Facts, Log, Source, reading_note
from bayes_grpo.readers.text import flatten, text_head

NAME = "TRL trainer state"
ORDER = 10


def recognises(source: Source) -> bool:
    """An object with ``log_history``, or a folder that has such a file."""
    if source.is_folder:
        return _in_folder(source.path) is not None
    head = text_head(source).lstrip()
    if not head.startswith("{"):
        return False
    return source.path.name == "trainer_state.json" or ('"log_history"' in head and not _is_row(head))


def _is_row(head: str) -> bool:
    """Whether the first line is an object of its own that has no log history: a row of JSONL."""
    try:
        content = json.loads(head.split("\n", 1)[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "log_history" not in content


def _in_folder(folder: Path) -> Path | None:
    here = folder / "trainer_state.json"
    if here.is_file():
        return here
    checkpoints = [
        (int(state.parent.name.removeprefix("checkpoint-")), state)
        for state in folder.glob("checkpoint-*/trainer_state.json")
        if state.parent.name.removeprefix("checkpoint-").isdigit()
    ]
    return max(checkpoints)[1] if checkpoints else None


def read(source: Source) -> list[Log]:
    """Rows of the log history, and what lies beside it: the spread within groups, and the arguments."""
    path = (_in_folder(source.path) or source.path) if source.is_folder else source.path
    rows = _rows(path)
    output = path.parent.parent if path.parent.name.startswith("checkpoint-") else path.parent
    if (output / "completions").is_dir():
        rows = completions.with_spread(rows, output / "completions")
    events = sorted(output.glob("runs/*/events.out.tfevents.*"))
    config = tfevents.arguments(events[-1]) if events else {}
    note = reading_note("", f"hyperparameters read from {events[-1].relative_to(output)}") if config else None
    return [Log(rows, facts=Facts(config=config), notes=(note,) if note else ())]


def _rows(path: Path) -> Iterator[Entry]:
    others: dict[str, object] = {}
    for number, row in enumerate(stream_member(path, "log_history", others), 1):
        if not isinstance(row, dict):
            raise InputError(str(path), f"row {number}: expected an object, found a {type(row).__name__}")
        yield flatten(row)
    planned = others.get("max_steps")
    if isinstance(planned, int) and planned > 0:
        yield Facts(stated={"planned_steps": planned})
