"""W&B run folders and their ``.wandb`` files, read without login, network or service.

Such a file holds records, each a ``wandb_internal_pb2.Record``; see `bayes_grpo.readers.record_file`. The package's own
reader of it is gone since 0.31; its message definitions are used.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.log import Entry, Facts, Log, Row, Source
from bayes_grpo.readers.optional import need
from bayes_grpo.readers.record_file import cut_note, records_of
from bayes_grpo.readers.text import flatten

NAME = "W&B run"
ORDER = 30

_MARK = b":W&B"


def recognises(source: Source) -> bool:
    """The mark of a ``.wandb`` file, or a folder with one."""
    if source.is_folder:
        return _file(source.path) is not None
    return source.head.startswith(_MARK)


def _file(folder: Path) -> Path | None:
    return next((path for path in sorted(folder.glob("run-*.wandb")) if path.is_file()), None)


def read(source: Source) -> list[Log]:
    """The history, with the run's config; folders of one run id are parts of one run."""
    path = (_file(source.path) or source.path) if source.is_folder else source.path
    records = need("wandb.proto.wandb_internal_pb2", str(path), "W&B run files")
    version = _installed(path.parent / "files" / "requirements.txt", "trl")
    return [
        Log(
            _rows(path, records),
            label=_label(path, records),
            same_run=f"wandb {path.parent.parent} {path.stem}" if path.stem.startswith("run-") else "",
            facts=Facts(extras={"trl_version": version} if version else {}),
        )
    ]


def _label(path: Path, records: Any) -> str:
    """The run's name, which stands in one of the first records."""
    for number, record in enumerate(_records(path, records)):
        if number > 50 or isinstance(record, Note):
            break
        if record.WhichOneof("record_type") == "run":
            return str(record.run.display_name or record.run.run_id)
    return ""


def _rows(path: Path, records: Any) -> Iterator[Entry]:
    for record in _records(path, records):
        if isinstance(record, Note):
            yield record
            continue
        kind = record.WhichOneof("record_type")
        if kind == "history":
            row: Row = {}
            for item in record.history.item:
                text = item.value_json
                if text[:1] not in ("[", "{") and len(text) < 100:
                    row["/".join(item.nested_key) or item.key] = _value(text)
            row.setdefault("_step", record.history.step.num)
            yield row
        elif kind in ("run", "config"):
            config: dict[str, Any] = {}
            for item in (record.run.config if kind == "run" else record.config).update:
                key = "/".join(item.nested_key) or item.key
                if key != "_wandb":
                    config |= flatten({key: _value(item.value_json)})
            yield Facts(config=config)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _records(path: Path, records: Any) -> Iterator[Any]:
    """Messages of a file, and a note where it breaks off."""
    decode_error = need("google.protobuf.message", str(path), "W&B run files").DecodeError
    for count, data in enumerate(records_of(path, _MARK, "a W&B run file")):
        if isinstance(data, Note):
            yield data
            return
        try:
            yield records.Record.FromString(data)
        except decode_error as error:
            if not count:
                raise InputError(str(path), f"expected a W&B run file, found {error or 'no record'}") from error
            yield cut_note(path, str(error), count)
            return


def _installed(path: Path, package: str) -> str:
    """The version of a package in the run's list of requirements."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[:1_000_000]
    except OSError:
        return ""
    match = re.search(rf"^{package}==(\S+)", text, re.MULTILINE)
    return match[1] if match else ""
