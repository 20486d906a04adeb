"""What lies at a path: the log of a file, the run of a folder, or all runs below it, and what was left out and why."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bayes_grpo.errors import InputError
from bayes_grpo.readers.contract import Format, formats
from bayes_grpo.readers.log import Source
from bayes_grpo.readers.text import check_text, text_head

#: Formats of a lower order have marks of their own; the others are text that may be anything.
CERTAIN = 50

#: Limits of a search below a folder; symbolic links to folders are not followed.
DEEPEST = 8
MOST_ENTRIES = 20_000

#: Endings and names that a log below a folder may have; other files are looked at only when they are named.
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".log", ".txt", ".out", ".ipynb", ".db", ".wandb", ".swanlab", ".nc")
_NO_LOGS = (
    "hyperparameters",
    "config",
    "tokenizer",
    "vocab",
    "generation_config",
    "adapter_config",
    "requirements",
    "package",
)
_NO_LOG = "no log of training: it does not speak of rewards and steps"


class Candidate(NamedTuple):
    """A source, its format, and its rank: whole folders 0, files with marks of their own 1, other text 2."""

    rank: int
    format: Format
    source: Source


@dataclass
class Search:
    """What was found at a path.

    Attributes
    ----------
    logs : list of Candidate
        The logs, each with its format.
    left_out : list of tuple
        Sources that were not taken, each with the reason.
    """

    logs: list[Candidate] = field(default_factory=list)
    left_out: list[tuple[Source, str]] = field(default_factory=list)


def find(path: str | Path) -> Search:
    """The logs of a path, each with its format.

    Parameters
    ----------
    path : str or Path
        A file; a folder that is one run, or has runs below it; or a run's address, ``wandb:ENTITY/PROJECT/RUN``.

    Raises
    ------
    InputError
        If nothing is there, or nothing that is a log.
    """
    text = str(path)
    on_wandb = text.startswith(("wandb:", "https://wandb.ai/"))
    source = Source(Path("."), address=text) if on_wandb else Source(Path(path))
    _check_there(source)
    format_ = format_of(source)
    if format_ is not None:
        return Search([Candidate(0, format_, source)])
    if not source.is_folder:
        check_text(source)
        raise InputError(
            str(source),
            "expected a training log, found text without log rows; the formats are listed in the documentation, and "
            "`bayes-grpo inspect` shows how a log is read",
        )
    search = Search()
    every = list(_below(source.path, search))
    if not every:
        raise InputError(
            str(path),
            "expected trainer_state.json in the folder or in a checkpoint-N folder, or another training log below it, "
            "found neither; name the log file itself, or call trainer.save_state() after training",
        )
    _choose(every, search)
    return search


def format_of(source: Source) -> Format | None:
    """The first format that recognises the source."""
    return next((format_ for format_ in formats() if format_.recognises(source)), None)


def _choose(every: list[Candidate], search: Search) -> None:
    """Keep the sources that no surer one of the same folder, of one below it or above it stands for."""
    for log in every:
        folder = _folder(log.source)
        surer = next(
            (
                other
                for other in every
                if other.rank < log.rank
                and (_folder(other.source).is_relative_to(folder) or folder.is_relative_to(_folder(other.source)))
            ),
            None,
        )
        if surer is None:
            search.logs.append(log)
        else:
            search.left_out.append((log.source, f"{surer.format.NAME} {surer.source} beside it was taken"))


def _folder(source: Source) -> Path:
    return source.path if source.is_folder else source.path.parent


def _check_there(source: Source) -> None:
    if source.address:
        return
    try:
        source.path.stat()
    except FileNotFoundError as error:
        raise InputError(str(source), "no such file or folder; check the path") from error
    except OSError as error:
        raise InputError(
            str(source), f"cannot be read ({error.strerror}); check the path and its permissions"
        ) from error


def _below(folder: Path, search: Search) -> Iterator[Candidate]:
    """Runs below a folder: whole folders and trackers' files before other text."""
    pending = [(folder, 0)]
    seen = 0
    while pending:
        here, depth = pending.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError:
            continue
        folders = []
        for entry in entries:
            seen += 1
            if seen > MOST_ENTRIES:
                raise InputError(
                    str(folder),
                    f"expected the folder of a run, found more than {MOST_ENTRIES} files in it; name the log itself",
                )
            source = Source(Path(entry.path))
            if entry.is_dir(follow_symlinks=False):
                format_ = format_of(source)
                if format_ is not None:
                    yield Candidate(0, format_, source)
                elif depth < DEEPEST and not entry.name.startswith("."):
                    folders.append((source.path, depth + 1))
            elif _may_be_log(entry):
                yield from _ranked(source, search)
        pending += reversed(folders)


def _may_be_log(entry: os.DirEntry[str]) -> bool:
    """Whether a file's name is worth a look inside."""
    name = entry.name
    try:
        if entry.is_symlink() or not entry.is_file():
            return False
    except OSError:
        return False
    return "tfevents" in name or (name.endswith(_SUFFIXES) and not name.startswith((".", *_NO_LOGS)))


def _ranked(source: Source, search: Search) -> Iterator[Candidate]:
    """A file with its rank; text counts only if rewards are spoken of."""
    try:
        format_ = format_of(source)
        if format_ is None:
            check_text(source)
    except InputError as error:
        search.left_out.append((source, "; ".join(error.faults)))
        return
    if format_ is None:
        search.left_out.append((source, _NO_LOG))
        return
    if format_.ORDER < CERTAIN:
        yield Candidate(1, format_, source)
        return
    if not getattr(format_, "ANYTHING", False) or _speaks(text_head(source).lower()):
        yield Candidate(2, format_, source)
    else:
        search.left_out.append((source, _NO_LOG))


def _speaks(head: str) -> bool:
    """Whether text speaks of rewards and steps."""
    rewards = any(word in head for word in ("reward", "score", "accuracy"))
    return rewards and any(word in head for word in ("step", "iter", "epoch"))
