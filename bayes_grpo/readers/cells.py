"""Keys and values in a printed line: ``Reward: 0.43``, ``reward=0.43``, ``| kl | 0.01 |``, ``reward 0.43``."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_NUMBER = r"[-+]?(?:(?:\d[\d,]*)?\.?\d+(?:\.(?!\d))?(?:[eE][-+]?\d+)?|\binf\b|\bnan\b|\bNaN\b|\bNone\b)"
_PERCENT = r"(?:%|per ?cent\b|pct\b)"
_WHICH = "mean|avg|average|max|maximum|min|minimum|std|median|total|sum|var"
_OF_WHICH = "best|worst|running|moving|smoothed|ema|last|previous|prev|old|target|baseline|eval|val|test|validation"
_CELL = re.compile(
    rf"^[^A-Za-z]*([A-Za-z](?:[^=:]|:(?!\s*[-+.\d]))*?)\s*(?::|=|→|->)\s*({_NUMBER})\s*({_PERCENT}|)"
    r"(?:\s*[^\d\s:=][^:=]{0,40}|/\d+)?\s*$"
)
#: A key of one word, or with one of these before or behind it that say which number of several it is.
_LOOSE = re.compile(
    rf"((?<![A-Za-z])(?i:(?:(?<![\w/.-])(?:{_WHICH}|{_OF_WHICH})[ ]){{0,3}}"
    rf"[A-Z][\w/.()@-]{{0,120}}(?:[ ](?:{_WHICH})(?![\w/.-]))?))"
    rf"(?:\s*[:=]\s*|\s(?:is|was)\s|\s+)({_NUMBER})(\s?{_PERCENT}|)(?![\w/:.])"
)
#: Words before a key, which are asked for where two keys of a line are the same.
_BEFORE_KEY = re.compile(r"(?:(?<![\w/.-])[A-Za-z][\w/.-]{0,30}[ ]){1,3}$")
#: A number as Python shows those of NumPy and PyTorch.
_WRAPPED = re.compile(
    rf"\b(?:(?:np|numpy|jnp|torch)\.)?(?:float\d+|int\d+|tensor|array|Array)\(\s*\[?\s*({_NUMBER})\s*\]?\s*(?:,[^()]{{0,100}})?\)"
)
#: What follows a key that names its step itself: ``Reward at step 10: 0.41``.
_AT_STEP = re.compile(
    r"\s(?:at|for|in|after|on)\s(?:global[ _])?(?:step|iter(?:ation)?|update|batch)\W{0,3}[\d,]+$", re.IGNORECASE
)
_SEPARATORS = re.compile(r"\s*(?:[|;│┃║\t•]|,(?!\d{3}\b)|,(?=\s)|\s{2,}|\s-\s)\s*")
#: A value with a decimal comma that is none of thousands, any with a comma, and one with a point.
_DECIMAL = re.compile(r"[A-Za-z_)]\s*[:=]\s*[-+]?(?:0,\d+|\d+,(?:\d{1,2}|\d{4,}))(?![\d.]|,\d)")
_COMMA = re.compile(r"(?<![\d,.])([-+]?\d+),(\d+)(?![\d.]|,\d)")
_POINT = re.compile(r"[:=]\s*[-+]?\d*\.\d")
_TABLE = re.compile(r"[│┃║]|^\s*\|")
_STEP = re.compile(
    r"(?:^|[^\w/])((?:global[_ ]|train(?:ing)?[_ ]|optimi[sz]er[_ ])?(?:step|iter(?:ation)?|update)|it|batch|rollout)s?"
    r"\s*[:=#\[(]*\s*(\d+(?:\.\d+)?[kKM]\b|\d[\d,]*)(?:\s*(?:/|of)\s*(\d+(?:\.\d+)?[kKM]\b|\d[\d,]*))?",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"epochs?\s*[:=]?\s*[\[(]?\s*(\d+)(?![\d.])", re.IGNORECASE)
_OF_EPOCH = re.compile(
    r"epochs?\s*[:=]?\s*\[\s*(\d+)\s*/\s*(\d+)\s*\]\s*[,:]?\s*\(?\s*(?:step\s*)?[\[(]?\s*(\d+)\s*/\s*(\d+)",
    re.IGNORECASE,
)
_BEFORE = re.compile(r"\]\s+|\s-\s|:\s")
#: A step alone: in brackets, or before Keras's bar.
_LONE = re.compile(r"^\W*[\[(]\s*(\d[\d,]*)\s*/\s*(\d[\d,]*)\s*[\])]|^\s*(\d+)/(\d+)\s+(?:\[[=>.\s]*\]|[━╸╺]+)\s")
#: Signs that stand for those of ASCII where Chinese or typeset text is printed.
_SIGNS = {0xFF1A: ": ", 0xFF0C: ", ", 0xFF1B: "; ", 0xFF08: "(", 0xFF09: ")"}
_SIGNS |= {0xFF1D: "=", 0xFF5C: "|", 0xFF05: "%", 0x2212: "-"}
_SIGN = re.compile(f"[{''.join(map(chr, _SIGNS))}]")
_MULTIPLES = {"k": 1_000, "K": 1_000, "M": 1_000_000}


class Place(NamedTuple):
    """Where in training a line stands: its step and the planned length, as printed, and the epoch."""

    step: int
    total: int | None
    epoch: int | None = None


def place_of(line: str) -> Place | None:
    """The step that a line speaks of; in ``Epoch:[1/2](3/500)`` steps count anew in each epoch."""
    speaks_of_epochs = "poch" in line or "POCH" in line
    if speaks_of_epochs and (match := _OF_EPOCH.search(line)):
        number, epochs, step, steps = (int(match[i]) for i in range(1, 5))
        return Place((number - 1) * steps + step, epochs * steps, number)
    named = _EPOCH.search(line) if speaks_of_epochs else None
    epoch = int(named[1]) if named else None
    matches = list(_STEP.finditer(line))
    if matches:
        best = next((m for m in reversed(matches) if "step" in m[1].lower()), matches[-1])
        return Place(_whole(best[2]), _whole(best[3]) if best[3] else None, epoch)
    if match := _LONE.match(line):
        return Place(_whole(match[1] or match[3]), _whole(match[2] or match[4]), epoch)
    return None


def pairs_of(line: str, loose: bool = False) -> dict[str, str]:
    """Keys and values of a line, percentages as shares; ``loose`` takes values that only a space parts from a key."""
    out: dict[str, str] = {}
    if "(" in line:
        line = _WRAPPED.sub(r"\1", line)
    if "," in line and _DECIMAL.search(line) and not _POINT.search(line):
        line = _COMMA.sub(r"\1.\2", line)
    if ("|" in line or "\u2502" in line or "\u2503" in line or "\u2551" in line) and _TABLE.search(line):
        return dict(_table_cells(line))
    for cell in _SEPARATORS.split(line):
        if match := _CELL.match(cell):
            out.setdefault(_key(match[1]), _value(match[2], match[3]))
    if loose:
        for key, match in _loose_pairs(line):
            out.setdefault(_key(key), _value(match[2], match[3]))
    return out


def _loose_pairs(line: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Keys, and the matches of `_LOOSE`; of keys that are the same, each has the words before it."""
    matches = list(_LOOSE.finditer(line))
    times = Counter(match[1] for match in matches)
    begin = 0
    for match in matches:
        before = line[max(begin, match.start() - 100) : match.start()]
        words = _BEFORE_KEY.search(before) if times[match[1]] > 1 else None
        yield (words[0] if words else "") + match[1], match
        begin = match.end()


def _table_cells(line: str) -> Iterator[tuple[str, str]]:
    """Keys and values that stand in turn in the cells of a table's line."""
    cells = [cell.strip() for cell in re.split(r"[│┃║|]", line)]
    cells = [cell for cell in cells if cell]
    for key, value in zip(cells[::2], cells[1::2], strict=False):
        if re.fullmatch(_NUMBER, value) and re.search(r"[A-Za-z]", key):
            yield key, value


def _key(text: str) -> str:
    """A key without what a logger put before it."""
    if "]" in text or " - " in text or ": " in text:
        text = _BEFORE.split(text)[-1]
    if "(" in text and ")" not in text:
        text = text.rpartition("(")[2]
    if text[-1:].isdigit():
        text = _AT_STEP.sub("", text)
    return text.strip(" *`'\"#")


def _value(text: str, percent: str) -> str:
    return repr(float(text.replace(",", "")) / 100) if percent else text


def _whole(text: str) -> int:
    """A step, also as ``12,000`` or ``1.5k``."""
    multiple = _MULTIPLES.get(text[-1])
    return round(float(text[:-1]) * multiple) if multiple else int(text.replace(",", ""))


def with_plain_signs(line: str) -> str:
    """A line with the signs of ASCII in place of full-width ones and of the typeset minus."""
    return line.translate(_SIGNS) if _SIGN.search(line) else line
