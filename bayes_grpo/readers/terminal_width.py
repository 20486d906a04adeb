"""Lines that a terminal broke at its width, as they are copied from one, put together again."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from bayes_grpo.readers.cells import place_of

#: Widths that a terminal may have.
_NARROWEST, _WIDEST = 20, 400
#: A longer line is no row.
_LONGEST = 4_000
#: So many lines of the full width must be broken, this share of those whose break tells something, which one between
#: two pairs or before another row does not, and this share of all.
_FEWEST, _SHARE, _LEAST = 3, 0.8, 0.2
#: A value and a key behind it whose value does not follow, at the end of a line; what goes on with such a key.
_OPEN_KEY = re.compile(r"\d[^\w.]{1,4}[A-Za-z][\w/. -]{0,60}\s{0,3}[:=]?\s{0,3}$")
_REST_OF_KEY = re.compile(r"[\w/.-]{0,60}\s{0,3}[:=]?\s{0,3}[-+]?\.?\d")
#: What goes on with a number: its digits, and nothing or a further key with its value.
_NUMBER_AT_END = re.compile(r"[:=\s][-+]?\d[\d.]{0,30}(?:[eE][-+]?\d{0,3})?$")
_PAIR = r"[A-Za-z][\w/. -]{0,60}[:=]\s{0,3}[-+]?\.?\d"
_REST_OF_NUMBER = re.compile(
    rf"(?:\d{{1,30}}(?:\.\d{{0,30}})?|\.\d{{1,30}})?(?:[eE][-+]?\d{{1,3}})?(?:(?:[\s,;|]{{1,5}}|\s-\s){_PAIR}|\s*$)"
)
#: What follows a break between two pairs.
_NEXT_PAIR = re.compile(rf"(?:[\s,;|]{{0,5}}|\s?-\s){_PAIR}")
#: A sign between pairs where a line begins.
_SEPARATED = re.compile(rf"\s?[|;,]\s?{_PAIR}")
_A_VALUE = re.compile(r"[:=]\s?[-+]?\.?\d")
_EXPONENT = re.compile(r"[eE][-+]?\d")
_NUMBER = re.compile(r"[+-]?[0.]*")
_DIGITS = re.compile(r"\d+")
_COLOUR = re.compile(r"\x1b\[[\d;]{0,20}m")


def terminal_width(lines: Sequence[str]) -> int | None:
    """The width at which a terminal broke lines; None where none did.

    Parameters
    ----------
    lines : sequence of str
        The first lines of a file.

    Returns
    -------
    int or None
        The length of the longest lines, where those are broken within a key or a number and go on in the next line.
    """
    plain = [_plain(line) for line in lines if "%|" not in line]
    width = max(map(len, plain), default=0)
    if not _NARROWEST <= width <= _WIDEST:
        return None
    lines_after = list(zip(plain, [*plain[1:], ""], strict=True))
    full = [(line, after) for line, after in lines_after if len(line) == width and after]
    full += [(line, after) for line, after in lines_after if len(line) == width - 1 and _is_separated(line, after)]
    broken = [_goes_on(line, after) for line, after in full]
    row, _ = Counter(_first_word(line) for line in plain).most_common(1)[0]
    silent = sum(
        not goes_on and (_first_word(after) == row or _NEXT_PAIR.match(after) is not None)
        for goes_on, (_, after) in zip(broken, full, strict=True)
    )
    least = max(_FEWEST, _SHARE * (len(full) - silent), _LEAST * len(full))
    return width if sum(broken) >= least else None


def rejoined(lines: Iterable[str], width: int) -> Iterator[str]:
    """Lines with those that go on in the next one put together.

    Parameters
    ----------
    lines : iterable of str
        Lines of a file.
    width : int
        The width at which a terminal broke them.

    Yields
    ------
    str
        Lines without breaks and colours.
    """
    held = last = ""
    begun = False
    for line in lines:
        plain = _plain(line)
        full = begun and len(last) in (width, width - 1) and len(held) < _LONGEST
        if full and plain.strip() and not _begins_anew(held, plain):
            held += _between(held, plain, len(last) < width) + plain
        else:
            if begun:
                yield held
            held = plain
        begun, last = True, plain
    if begun:
        yield held


def _begins_anew(line: str, after: str) -> bool:
    """Whether both lines say a step, or begin with the same word, or with a time each: then each is a row."""
    word = _first_word(line)
    alike = word == _first_word(after) and _NUMBER.fullmatch(word) is None
    return alike or (place_of(after) is not None and place_of(line) is not None)


def _first_word(line: str) -> str:
    """The first word of a line, all numbers as one."""
    return _DIGITS.sub("0", (line.split(maxsplit=1) or [""])[0][:40])


def _between(line: str, after: str, shorter: bool) -> str:
    """The space at which a line was broken, where it was taken away as the line was copied."""
    cut = line[-1:].isdigit() and after[:1].isalpha() and not _EXPONENT.match(after)
    return " " if shorter or cut else ""


def _plain(line: str) -> str:
    line = line.rstrip("\r\n")
    return _COLOUR.sub("", line) if "\x1b" in line else line


def _goes_on(line: str, after: str) -> bool:
    """Whether a line breaks off within a key or a number, and the next one goes on with it."""
    if _begins_anew(line, after):
        return False
    if _is_separated(line, after):
        return True
    if _OPEN_KEY.search(line, max(0, len(line) - 80)):
        return _REST_OF_KEY.match(after) is not None
    if not _NUMBER_AT_END.search(line, max(0, len(line) - 80)):
        return False
    exponent = line[-1] in "eE"
    begins = after[0] in "0123456789" or after[0] in ("-+" if exponent else ".eE")
    return begins and _REST_OF_NUMBER.match(after, int(exponent and after[0] in "-+")) is not None


def _is_separated(line: str, after: str) -> bool:
    """Whether a line breaks at the sign between two pairs: it has pairs, and no frame."""
    if line.lstrip()[:1] == "|" or len(_A_VALUE.findall(line)) < 2:
        return False
    ends = line.rstrip()[-1:] in ("|", ";", ",") and _NEXT_PAIR.match(after) is not None
    return ends or _SEPARATED.match(after) is not None
