"""Protocol buffer messages without their definitions: fields by number, as they stand in the wire format."""

import struct


def fields_of(data: bytes) -> dict[int, int | float | bytes]:
    """The fields of a message by their number, the last of each; text and inner messages are bytes.

    Raises
    ------
    ValueError
        If it is no message.
    """
    out: dict[int, int | float | bytes] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        value: int | float | bytes
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 1:
            value, at = struct.unpack("<d", _piece(data, at, 8))[0], at + 8
        elif kind == 2:
            length, at = _varint(data, at)
            value, at = _piece(data, at, length), at + length
        elif kind == 5:
            value, at = struct.unpack("<f", _piece(data, at, 4))[0], at + 4
        else:
            raise ValueError(f"no field of kind {kind}")
        out[number] = value
    return out


def text_field(fields: dict[int, int | float | bytes], number: int) -> str:
    """A field as text; '' where it is missing."""
    value = fields.get(number, b"")
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else ""


def message_field(fields: dict[int, int | float | bytes], number: int) -> dict[int, int | float | bytes]:
    """A field as a message; {} where it is missing."""
    value = fields.get(number)
    return fields_of(value) if isinstance(value, bytes) else {}


def signed(value: int | float | bytes | None) -> int:
    """A whole number that may be negative; 0 where it is missing, as the format has it."""
    if not isinstance(value, int):
        return 0
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number that breaks off")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _piece(data: bytes, at: int, length: int) -> bytes:
    if length < 0 or at + length > len(data):
        raise ValueError("a field that breaks off")
    return data[at : at + length]
