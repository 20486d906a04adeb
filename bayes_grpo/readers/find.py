"""What lies at a path: the log of a file, the run of a folder, or all runs below it."""

import os
from collections.abc import Iterator
from pathlib import Path

from bayes_grpo.errors import InputError
from bayes_grpo.readers.contract import Format, Source, formats
from bayes_grpo.readers.text import check_text, text_head

#: Formats of a lower order have marks of their own; the others are text that may be anything.
CERTAIN = 50

#: Limits of a search below a folder; symbolic links to folders are not followed.
DEEPEST = 8
MOST_ENTRIES = 20_000

#: Endings and names that a log below a folder may have; other files are looked at only when they are named.
_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".log", ".txt", ".out", ".ipynb", ".db", ".wandb", ".nc")
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


def find(path: str | Path) -> list[tuple[Format, Source]]:
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
    found = format_of(source)
    if found is not None:
        return [(found, source)]
    if not source.is_folder:
        check_text(source)
        raise InputError(
            str(source),
            "expected a training log, found text without log rows; the formats are listed in the documentation, and "
            "`bayes-grpo inspect` shows how a log is read",
        )
    runs = list(_below(source.path))
    if not runs:
        raise InputError(
            str(path),
            "expected trainer_state.json in the folder or in a checkpoint-N folder, or another training log below it, found "
            "neither; name the log file itself, or call trainer.save_state() after training",
        )
    best = min(rank for rank, _, _ in runs)
    return [(found, source) for rank, found, source in runs if rank == best]


def format_of(source: Source) -> Format | None:
    """The first format that recognises the source."""
    return next((found for found in formats() if found.recognises(source)), None)


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


def _below(folder: Path) -> Iterator[tuple[int, Format, Source]]:
    """Runs below a folder with their rank: whole folders and trackers' files before other text."""
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
                found = format_of(source)
                if found is not None:
                    yield 0, found, source
                elif depth < DEEPEST and not entry.name.startswith("."):
                    folders.append((source.path, depth + 1))
            elif _may_be_log(entry):
                rank, found = _ranked(source)
                if found is not None:
                    yield rank, found, source
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


def _ranked(source: Source) -> tuple[int, Format | None]:
    """Format of a file; text counts only if rewards are spoken of, and after what is certain."""
    try:
        found = format_of(source)
    except InputError:
        return 9, None
    if found is None:
        return 9, None
    if found.ORDER < CERTAIN:
        return 1, found
    head = text_head(source).lower()
    return (2, found) if ("reward" in head or "scores" in head) and "step" in head else (9, None)
