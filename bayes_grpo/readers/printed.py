"""Printed lines without what is printed around rows: colours, prefixes of processes, timestamps, progress bars."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from bayes_grpo.readers.cells import with_plain_signs
from bayes_grpo.readers.column_names import SUMMARY_KEYS
from bayes_grpo.readers.column_words import reward_rank, step_rank
from bayes_grpo.readers.contract import Dialect
from bayes_grpo.readers.keys import plain, words
from bayes_grpo.readers.log import BAR, COUNT, RANK, Entry, Facts, Row, reading_note
from bayes_grpo.readers.printed_bars import TRAINING, Bars
from bayes_grpo.readers.printed_runs import RunStarts
from bayes_grpo.readers.recognise_trainer import names_a_step
from bayes_grpo.readers.text import message_in
from bayes_grpo.readers.values import is_number

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
#: A bar of tqdm with what stands before it; group 1 is its description, and group 4 times and figures behind it.
_TQDM = re.compile(
    r"\r?[ \t]*((?:[A-Za-z][\w .()/-]{0,40}(?:\[\d+/\d+\])?: *)?)\d{1,3}(?:\.\d+)?%\|[^|\r\n]{0,200}\|\s*(\d+)/(\d+)"
    r"(?:\s*\[(?:([^\[\]{}\r\n]{0,1000})\]|[^\]\r\n]{0,120}\]?))?[ \t]*\r?"
)
#: Ray's, torchrun's, Monarch's and SLURM's.
_PROCESS = re.compile(
    r"^\s*(?:\([\w.:]+(?:\([^()]*\))? pid=\d+(?:, ip=[\d.]+)?\)|\[rank\d+\]:?|\[(?:actor|proc|host)=[^\]\s]*\]:?|"
    r"\[\d+\](?::|(?=\s|$))|\d+:)\s?"
)
_REPEATED = re.compile(r"(?<!\s)\s*\[repeated \d+x across cluster\]\s*$")
#: Lines of W&B's own, which repeat the last values of a run.
_TRACKER = re.compile(r"^\s*(?:wandb|swanlab):")
_STAMP = re.compile(
    r"^(?:\[[A-Za-z][\w.-]*\]\s*)?\W{0,3}"
    r"(?:\d{4}[-/]\d\d[-/]\d\d[T _-]?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|"
    r"\d{8}-\d\d:\d\d:\d\d(?:[.,]\d+)?|\d\d:\d\d:\d\d(?:[.,]\d+)?)"
    r"[\])|,\s-]*"
)
_LEVEL = re.compile(
    r"^[\[(|\s]*(?:[\w.]+ (?:[-|] )?)?(?:DEBUG|INFO|SUCCESS|WARNING|ERROR|CRITICAL|TRACE)(?::[\w.]+)?[\])|:\s-]*"
    r"(?:[\w.<>/]+:[\w.<>]+:\d+\s*-\s*|\[?[\w./]+\.py:\d+\]?[\s:-]*)?",
    re.IGNORECASE,
)
#: A bar of one epoch; group 1 is the epoch.
_OF_EPOCH = re.compile(r"^(?:epoch|episode)\W*(\d+\s*/\s*\d+)\W*$", re.IGNORECASE)


class TrainingBar(NamedTuple):
    """One drawing of a bar of training: the epoch, as ``1/3``, where it names one, and what is written behind it."""

    position: int
    total: int
    epoch: str
    postfix: str


def cleaned(lines: Iterable[str], bars: Bars) -> Iterator[str]:
    """Lines without colours, processes' prefixes and bars; what the bars say is taken in."""
    for wrapped in lines:
        raw = message_in(wrapped) if wrapped.startswith('{"') else wrapped
        line = _ANSI.sub("", raw) if "\x1b" in raw else raw
        line = line.rstrip("\n")
        bars.ranks.see(line)
        if "%|" in line:
            line = _without_bars(line, bars)
            if not line.strip():
                continue
        elif "\r" in line:
            line = line.rstrip("\r").rpartition("\r")[2] or line
        if "pid=" in line or line[:1] in "[0123456789 ":
            line = _PROCESS.sub("", line, count=1)
            line = _REPEATED.sub("", line)
        if line.lstrip()[:6] in ("wandb:", "swanla") and _TRACKER.match(line):
            continue
        yield line if line.isascii() else with_plain_signs(line)


def training_bars(lines: Iterable[str]) -> Iterator[TrainingBar]:
    """Bars of training among lines, as they were drawn."""
    for line in lines:
        for match in _TQDM.finditer(_ANSI.sub("", line)) if "%|" in line else ():
            description = match[1].strip().rstrip(":")
            of_epoch = _OF_EPOCH.match(description)
            if of_epoch or TRAINING.match(description):
                yield TrainingBar(int(match[2]), int(match[3]), of_epoch[1] if of_epoch else "", match[4] or "")


def lines_for(dialect: Dialect, lines: Iterable[str], bars: Bars) -> Iterable[str]:
    """Lines as a dialect reads them: cleaned, unless its rows stand in progress bars."""
    return lines if of_bars(dialect) else cleaned(lines, bars)


def of_bars(dialect: Dialect) -> bool:
    """Whether a dialect's rows stand in progress bars."""
    return getattr(dialect, "OF_BARS", False)


def _without_bars(line: str, bars: Bars) -> str:
    def taken(match: re.Match[str]) -> str:
        bars.see(match[1].strip().rstrip(":"), int(match[2]), int(match[3]))
        return ""

    return _TQDM.sub(taken, line)


def without_stamp(line: str) -> str:
    """A line without the time and the level that a logger puts before its message."""
    short = _STAMP.sub("", line, count=1)
    return _LEVEL.sub("", short, count=1) if short is not line else _LEVEL.sub("", line, count=1)


def indented(line: str) -> str:
    """A line without its logger's prefix, as far indented as its message is."""
    text = without_stamp(line)
    prefix = line[: len(line) - len(text)]
    if prefix.islower() and (line[:1].isspace() or not text or is_number(text)):
        return line  # a key such as `error: 0.1`, and no level
    return " " * max(0, len(prefix) - len(prefix.rstrip()) - 1) + text


def rows_of(lines: Iterable[str], dialect: Dialect) -> Iterator[Entry]:
    """Rows of printed lines, and what the progress bar tells of them.

    Rows without a step are counted, those of training from 1 in each run; the others repeat the last count.
    """
    bars, starts = Bars(), RunStarts()
    count = summaries = 0
    facts: list[Facts] = []
    for row in dialect.rows(lines_for(dialect, lines, bars)):
        if not SUMMARY_KEYS.isdisjoint(row):
            summaries += 1
            starts.end()
            continue
        if (rank := bars.ranks.number()) is not None:
            row[RANK] = rank
        if not has_step(row):
            trains = any(_of_training(key) and is_number(value) for key, value in row.items())
            if not trains and not any(key.startswith("eval") for key in row):
                continue
            if starts.begins(row, bars.fall()):
                facts += _facts(bars, count)
                bars.begin_anew()
                count = 0
            count += trains
            row[COUNT] = count
            if bars.position is not None:
                row[BAR] = bars.position
        yield row
    if summaries:
        yield reading_note("", "the summary at the end of training was left out")
    facts += _facts(bars, count)
    # What the bars of several runs tell counts only where it is the same for all.
    if facts and all(told == facts[0] for told in facts):
        yield facts[0]


def _facts(bars: Bars, count: int) -> list[Facts]:
    """What the progress bar tells of a run with counted rows."""
    if not count or bars.total is None or bars.total < 2:
        return []
    return [Facts(stated={"planned_steps": bars.total}, extras={"bar_start": bars.first[bars.total]})]


@lru_cache(maxsize=10_000)
def _of_training(key: str) -> bool:
    """Whether a key stands in rows of training only."""
    key_words = words(key)
    return "evaluation" not in key_words and (reward_rank(key) in (0, 1) or "loss" in key_words)


def has_step(row: Row) -> bool:
    """Whether a row says its step."""
    return "step" in row or any(_is_step_key(key) for key in row)


@lru_cache(maxsize=10_000)
def _is_step_key(key: str) -> bool:
    rank = step_rank(key)
    return (rank is not None and rank < 100) or names_a_step(plain(key))
