"""JSONL: a row a line, as verl, prime-rl, CS336's and other trainers write it."""

import json

from bayes_grpo.readers.column_words import reward_rank
from bayes_grpo.readers.log import Log, Source
from bayes_grpo.readers.text import flatten, holds_messages, json_lines, text_head
from bayes_grpo.readers.values import is_number

NAME = "JSONL"
ORDER = 60
ANYTHING = True


def recognises(source: Source) -> bool:
    """A whole object in the first line, which is no document of its own; or one that begins and is cut."""
    head = text_head(source).lstrip()
    if not head.startswith("{") or holds_messages(source):
        return False
    line, rest = head.split("\n", 1) if "\n" in head else (head, None)
    if rest is None and source.path.stat().st_size > len(head):
        return head[1:].lstrip().startswith('"')  # a first line longer than the head
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(content, dict) or "log_history" in content or (rest is None and _is_document(content)):
        return False
    return rest is None or _has_reward(content) or not _is_other_text(rest)


def _has_reward(content: dict[str, object]) -> bool:
    """Whether an object is a row rather than a config."""
    return any(reward_rank(name) is not None and is_number(value) for name, value in flatten(content).items())


def _is_other_text(rest: str) -> bool:
    """Whether most of the whole lines below the first are no JSON, as in what a program prints after its config."""
    lines = [line for line in rest.split("\n")[:-1] if line.strip()]
    return sum(map(_is_object, lines)) < len(lines) / 2


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_document(content: dict[str, object]) -> bool:
    """Whether a single line holds columns or rows rather than a row."""
    by_row = [value for value in content.values() if isinstance(value, dict) and value and all(map(str.isdigit, value))]
    return len(by_row) > 1 or any(isinstance(value, list) and len(value) > 1 for value in flatten(content).values())


def read(source: Source) -> list[Log]:
    """Its rows; a cut last line is left out and noted."""
    return [Log(json_lines(source.path))]
