"""The plain part of YAML that trackers write: keys and values by indentation; nothing is constructed."""

import json
import re
from typing import Any

_LINE = re.compile(r"^( *)(?:'([^']*)'|\"([^\"]*)\"|([^\s:#'\"-][^:#]*)):(?:\s+(.*))?$")
_ITEM = re.compile(r"^( *)- (.*)$")
#: Longer files hold no settings.
LARGEST = 1 << 22


def settings_of(text: str) -> dict[str, Any]:
    """Nested settings of a text; lines that are none are passed over."""
    root: dict[str, Any] = {}
    open_: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    last: tuple[dict[str, Any], str] | None = None
    for line in text[:LARGEST].splitlines():
        if item := _ITEM.match(line):
            if last is not None and not last[0][last[1]]:
                last[0][last[1]] = []
            if last is not None and isinstance(last[0][last[1]], list):
                last[0][last[1]].append(_scalar(item[2]))
            continue
        match = _LINE.match(line.rstrip())
        if match is None:
            continue
        indent = len(match[1])
        key = (match[2] or match[3] or match[4] or "").strip()
        while open_[-1][0] >= indent:
            open_.pop()
        parent = open_[-1][1]
        if match[5]:
            parent[key] = _scalar(match[5])
            last = None
        else:
            parent[key] = {}
            open_.append((indent, parent[key]))
            last = (parent, key)
    return root


def _scalar(text: str) -> Any:
    """A value: a number, a truth value, nothing, or text."""
    bare = text.strip()
    word = {"true": True, "false": False, "null": None, "~": None, "''": "", '""': ""}
    if bare.lower() in word:
        return word[bare.lower()]
    if bare[:1] in '[{"':
        try:
            return json.loads(bare)
        except ValueError:
            return bare
    try:
        return int(bare)
    except ValueError:
        pass
    try:
        return float(bare)
    except ValueError:
        return bare.strip("'")
