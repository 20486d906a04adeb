"""Keys of logs: their plain form, patterns of them, and the words they are made of."""

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache

_SLASH = re.compile(r"\s*/\s*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JOINED = (
    (re.compile(r"log[ _-]?p(?:rob)?s?(?![a-z])"), "logprob"),
    (re.compile(r"chi[ _-]?(?:2|sq(?:uared?)?)(?![a-z])|χ[²2]"), "chisquare"),
    (re.compile(r"clip[ _-]?frac(?:tion)?(?![a-z])"), "clip fraction"),
)

#: Words that mean the same, by the one that `words` gives.
_SAME = {
    "reward": "rewards rew rews rwd rwds",
    "score": "scores",
    "return": "returns",
    "step": "steps",
    "iteration": "iterations iter iters",
    "update": "updates",
    "length": "lengths len lens",
    "group": "groups",
    "completion": "completions",
    "response": "responses",
    "token": "tokens toks tok",
    "epoch": "epochs",
    "grad": "grads gradient gradients",
    "effective": "eff",
    "fraction": "frac ratio share pct percentage percent",
    "difference": "diff diffs",
    "reference": "ref",
    "evaluation": "eval val validation test heldout holdout dev",
    "accuracy": "acc",
    "deviation": "std stddev sd stdev",
    "mean": "avg average averaged means",
    "training": "train",
    "second": "seconds sec secs",
    "run": "runs",
    "value": "values",
    "metric": "metrics",
}
_WORD = {other: word for word, others in _SAME.items() for other in others.split()}


@lru_cache(maxsize=100_000)
def plain(key: str) -> str:
    """A key in lower case without spaces around its slashes (as notebooks show it)."""
    return without_spaces(key).lower()


def without_spaces(key: str) -> str:
    """A key without spaces around its slashes."""
    return _SLASH.sub("/", key).strip()


@lru_cache(maxsize=10_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern if pattern.startswith("^") else translate(pattern))


def is_pattern(key: str) -> bool:
    """Whether a trainer's key stands for many: one with *, or a regular expression that begins with ^."""
    return "*" in key or key.startswith("^")


def matches(key: str, pattern: str) -> bool:
    """Whether a plain key is the one named, or one of those that a pattern stands for."""
    return _compiled(pattern).match(key) is not None if is_pattern(pattern) else key == pattern


def first(pattern: str, keys: Iterable[str]) -> str | None:
    """The first of the plain keys that a pattern stands for."""
    return next((key for key in keys if matches(key, pattern)), None)


@lru_cache(maxsize=100_000)
def words(key: str) -> frozenset[str]:
    """The words of a key in one form each: ``Train/AvgRewards`` is {'training', 'mean', 'reward'}."""
    text = _CAMEL.sub(" ", key).lower()
    for pattern, joined in _JOINED:
        text = pattern.sub(f" {joined} ", text)
    return frozenset(_WORD.get(part, part) for part in re.findall(r"[^\W\d_]+|\d+", text))
