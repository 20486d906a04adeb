"""TensorBoard event files, record by record through TensorBoard's own reader: every point is kept, none is held.

`EventAccumulator` would hold all points, and by default keeps 10,000 of a tag.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from bayes_grpo.errors import InputError, Note
from bayes_grpo.readers.log import Entry, Facts, Log, Row, Source, reading_note
from bayes_grpo.readers.optional import need
from bayes_grpo.readers.text import flatten

NAME = "TensorBoard events"
ORDER = 35

_WHAT = "TensorBoard event files"


def recognises(source: Source) -> bool:
    """A file whose first record has the version mark of event files; or a folder with files named as they are."""
    if source.is_folder:
        return bool(_files(source.path))
    return b"brain.Event:" in source.head[:64]


def _files(folder: Path) -> list[Path]:
    """Event files of a folder by their time of creation, which is in their names."""
    try:
        return sorted(
            p
            for p in folder.iterdir()
            if "tfevents" in p.name and not p.name.endswith(".profile-empty") and p.is_file()
        )
    except OSError:
        return []


def read(source: Source) -> list[Log]:
    """The scalars by step, all files of a folder being one run; the arguments that were logged as text or hparams."""
    files = _files(source.path) if source.is_folder else [source.path]
    return [Log(_rows(files), by_step=True)]


def arguments(path: Path) -> dict[str, Any]:
    """The training arguments at the beginning of an event file; {} where there are none or they cannot be read."""
    try:
        for entry in islice(_scalars(path), 100):
            if isinstance(entry, Facts):
                return dict(entry.config)
    except InputError:
        return {}
    return {}


def _rows(files: list[Path]) -> Iterator[Entry]:
    if len(files) > 1:
        yield reading_note("", f"one run in {len(files)} event files, read in the order of their names")
    for path in files:
        row: Row = {}
        for entry in _scalars(path):
            if isinstance(entry, Facts | Note):
                yield entry
                continue
            step, tag, value = entry
            if row.get("step") != step or tag in row:
                if len(row) > 1:
                    yield row
                row = {"step": step}
            row[tag] = value
        if len(row) > 1:
            yield row


def _scalars(path: Path) -> Iterator[tuple[int, str, float] | Facts | Note]:
    """Step, tag and value of each scalar of a file, and among them the arguments."""
    loader = need("tensorboard.backend.event_processing.event_file_loader", str(path), _WHAT)
    events = need("tensorboard.compat.proto.event_pb2", str(path), _WHAT)
    decode_error = need("google.protobuf.message", str(path), _WHAT).DecodeError
    whole = 0
    try:
        for record in loader.RawEventFileLoader(str(path)).Load():
            event = events.Event.FromString(record)
            whole += len(record) + 16
            for value in event.summary.value:
                kind = value.WhichOneof("value")
                if kind == "simple_value":
                    yield event.step, value.tag, value.simple_value
                elif kind == "tensor":
                    yield from _tensor(event.step, value)
                if value.metadata.plugin_data.plugin_name == "hparams":
                    yield from _hparams(value)
    except decode_error as error:
        raise InputError(str(path), "expected TensorBoard events, found a record that is none") from error
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror})") from error
    rest = path.stat().st_size - whole
    if rest > 0:
        yield reading_note("", f"{path.name}: the last {rest} bytes, broken or still being written, were left out")


def _tensor(step: int, value: Any) -> Iterator[tuple[int, str, float] | Facts]:
    """A scalar written as a tensor (TensorFlow 2), or text."""
    tensor = value.tensor
    if tensor.string_val:
        if value.tag.removesuffix("/text_summary") == "args":
            yield from _arguments(tensor.string_val[0])
        return
    if tensor.tensor_shape.dim:
        return
    import struct

    for held in (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val):
        if held:
            yield step, value.tag, float(held[0])
            return
    formats = {1: "<f", 2: "<d", 3: "<i", 9: "<q"}  # DT_FLOAT, DT_DOUBLE, DT_INT32, DT_INT64
    form = formats.get(tensor.dtype)
    if form and len(tensor.tensor_content) == struct.calcsize(form):
        yield step, value.tag, float(struct.unpack(form, tensor.tensor_content)[0])


def _arguments(text: bytes) -> Iterator[Facts]:
    """The training arguments that transformers writes as JSON."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(content, dict):
        yield Facts(config=flatten(content))


def _hparams(value: Any) -> Iterator[Facts]:
    """Settings of the hparams plugin."""
    decode_error = need("google.protobuf.message", "", _WHAT).DecodeError
    hparams = need("tensorboard.plugins.hparams.plugin_data_pb2", "", _WHAT)
    try:
        data = hparams.HParamsPluginData.FromString(value.metadata.plugin_data.content)
    except decode_error:
        return
    config = {
        name.replace(".", "/"): getattr(held, kind)
        for name, held in data.session_start_info.hparams.items()
        if (kind := held.WhichOneof("kind")) in ("number_value", "string_value")
    }
    if config:
        yield Facts(config=config)
