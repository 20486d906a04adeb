"""Console output: TRL's printed dicts and verl's ``step:N - key:value`` lines, among anything else that was printed."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bayes_grpo.readers.contract import Log, Row, Source
from bayes_grpo.readers.text import lines_of, open_text, text_head

NAME = "console output"
ORDER = 50

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_VERL = re.compile(r"(?:^|[\s)\]])step:(\d+) - (?=[^\s:]+:)")
_DICT = re.compile(r"\{'[^{}]*\}")
_BAR = re.compile(r"\|\s*(\d+)/(\d+)\s*\[")
_BARE = re.compile(r"(?<=: )(nan|inf|-inf)(?=[,}])")
_WRAPPED = re.compile(r"(?:np|numpy)\.\w+\(([^()]*)\)|tensor\(([^(),]*)[^()]*\)")
#: How far a console log is searched for its first row.
_SEARCHED = 1 << 23


def recognises(source: Source) -> bool:
    """Text with a printed row of a trainer's near its beginning."""
    head = text_head(source)
    start = head.lstrip()
    if source.is_folder or not start or start.startswith('{"') or re.match(r"\[\s*\{\s*\"", start):
        return False
    if any(True for _ in _found(head)):
        return True
    if start[0] in "{[" or source.path.stat().st_size <= len(source.head) or "," in start.split("\n", 1)[0]:
        return False
    with open_text(source.path, errors="replace") as file:
        return any(True for _ in _found(file.read(_SEARCHED)))


def _found(text: str) -> Iterator[Row]:
    for line in re.split(r"[\r\n]+", text):
        row = _row(_ANSI.sub("", line))
        if row is not None and any("reward" in key or "loss" in key or "/" in key for key in row):
            yield row


def read(source: Source) -> list[Log]:
    """Rows of all lines that hold one."""
    log = Log([])
    log.rows = _rows(source.path, log)
    return [log]


def _row(line: str) -> Row | None:
    """The row that a line holds, if it holds one."""
    if verl := _VERL.search(line):
        row: Row = {"step": int(verl[1])}
        for cell in line[verl.end() :].rstrip().split(" - "):
            key, mark, value = cell.rpartition(":")
            if mark and key:
                row[key.strip()] = value.strip()
        return row
    if "{'" in line and len(line) < 1_000_000 and (match := _DICT.search(line)):
        text = _WRAPPED.sub(lambda m: m[1] or m[2], match[0])
        text = _BARE.sub(lambda m: f"'{m[1]}'", text)
        try:
            content = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
        if isinstance(content, dict) and all(isinstance(key, str) for key in content):
            return content
    return None


def _rows(path: Path, log: Log) -> Iterator[Row]:
    with open_text(path, errors="replace") as file:
        yield from rows_of(lines_of(file, path), log)


def rows_of(lines: Iterable[str], log: Log) -> Iterator[Row]:
    """Rows of printed lines with their step: printed, or read off the progress bar before them, or counted."""
    steps = _Steps()
    for whole in lines:
        for line in _ANSI.sub("", whole).split("\r"):
            if marks := _BAR.findall(line):
                steps.bar, steps.total = int(marks[-1][0]), int(marks[-1][1])
            row = _row(line)
            if row is None:
                continue
            if "step" not in row:
                trained = "reward" in row or "loss" in row
                if not trained and "train_runtime" not in row and not any(key.startswith("eval_") for key in row):
                    continue
                row["step"] = steps.next(trained)
            yield row
    if steps.by_count:
        log.notes.append(
            f"{steps.by_count} printed rows carry no step: counted 1, 2, ... (right for logging_steps=1; else read the "
            "trainer state)"
        )
    if steps.by_bar:
        log.notes.append(f"steps of {steps.by_bar} printed rows read off the progress bar before each")
        if steps.total > 1:
            log.stated["planned_steps"] = steps.total


@dataclass
class _Steps:
    """Steps of rows that carry none."""

    bar: int | None = None
    total: int = 0
    last: int = 0
    by_bar: int = 0
    by_count: int = 0

    def next(self, trained: bool) -> int:
        """The step of the next row: the bar's if it has moved on, else one more than the last."""
        if self.bar is not None and (self.bar > self.last or (self.bar == self.last and not trained)):
            self.last = self.bar
            self.by_bar += trained
        elif trained:
            self.last += 1
            self.by_count += 1
        return self.last
