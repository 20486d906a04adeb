"""What every command shares: messages on stderr, tables or one JSON object on stdout, how it ends."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bayes_grpo.cli.numbers import option_name
from bayes_grpo.errors import InputError, Note, printable

OK, BAD_INPUT, NOT_CONVERGED, INTERRUPTED = 0, 2, 3, 130

#: Labels named before a note that does not hold for all of several runs.
_MOST_LABELS = 3


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a command its --json."""
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout; messages stay on stderr")


def add_sampler(
    parser: argparse.ArgumentParser,
    *,
    draws: int = 1000,
    tune: int = 1000,
    chains: int = 4,
    target_accept: float = 0.95,
) -> None:
    """Give a command the sampler's options."""
    sampler = parser.add_argument_group("sampler")
    add_method(sampler)
    for name, default in (("seed", 0), ("draws", draws), ("tune", tune), ("chains", chains)):
        more = " a chain; up to 4 times as many where the chains do not agree yet" if name == "draws" else ""
        sampler.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}{more}")
    sampler.add_argument(
        "--target-accept", type=float, default=target_accept, metavar="P", help=f"default: {target_accept}"
    )


def add_method(parser: Any) -> None:
    """Give a command its --method."""
    parser.add_argument(
        "--method",
        choices=("auto", "importance", "nuts"),
        default="auto",
        help="importance sampling (a second a run), NUTS, or the first and the second where it cannot be trusted "
        "(auto, the default)",
    )


def sampler_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of `bayes_grpo.fit` from a command's options."""
    names = ("method", "seed", "draws", "tune", "chains", "target_accept")
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def check_counts(options: argparse.Namespace, **least: int) -> list[str]:
    """What is wrong with whole numbers that must not be below a least one, where they were given."""
    return [
        f"{option_name(name)}: expected a whole number of at least {low}, found {getattr(options, name)}"
        for name, low in least.items()
        if getattr(options, name) is not None and getattr(options, name) < low
    ]


def sampler_faults(options: argparse.Namespace) -> list[str]:
    """What is wrong with the settings of the sampler."""
    from bayes_grpo.inference.sampler_settings import Sampler

    settings = sampler_options(options)
    if hasattr(options, "backend"):
        settings["backend"] = options.backend
    try:
        Sampler(**settings)
    except InputError as error:
        pairs = [fault.partition(":") for fault in error.faults]
        return [f"{option_name(name)}:{text}" for name, _, text in pairs]
    return []


def suffix_faults(option: str, path: Path | None, suffixes: Sequence[str]) -> list[str]:
    """What is wrong with a file that is to be written, where its name must have one of a few endings."""
    if path is None or path.suffix in suffixes:
        return []
    return [f"{option}: expected a name ending in {', '.join(suffixes)}, found {path}"]


def refuse(faults: Sequence[str]) -> None:
    """Raise InputError with all faults of the command line, if there are any."""
    if faults:
        raise InputError("command line", faults)


def make_folder(folder: Path) -> None:
    """Make a folder for results, if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(folder), f"cannot be made a folder ({error.strerror}); choose another --out") from error


def say(message: str) -> None:
    """Tell a person something, on stderr."""
    print(printable(message), file=sys.stderr, flush=True)


def tell(answer: str = "") -> None:
    """Print an answer on stdout."""
    print(printable(answer), flush=True)


def say_notes(notes: Iterable[Note], label: str = "") -> None:
    """Tell a person the notes of an answer, each once; ``label`` names the run where there are several."""
    for note in dict.fromkeys(notes):
        mark = "***" if note.kind == "not_converged" else "note:"
        say(f"{mark} {label}: {note}" if label else f"{mark} {note}")


def print_json(value: Any) -> None:
    """Tell a machine the result."""
    print(json.dumps(value, indent=2, allow_nan=False))


def show(summary: Mapping[str, Any], table: Callable[[Any], str], *, as_json: bool, label: str = "") -> None:
    """Print the table of one answer, unless JSON was asked for, and its notes on stderr."""
    from bayes_grpo.analysis.notes import notes_of

    if not as_json:
        tell(table(summary))
    say_notes(notes_of(summary), label)


def finish(
    answers: Sequence[Mapping[str, Any]], table: Callable[[Any], str], *, as_json: bool, faults: Sequence[Any] = ()
) -> int:
    """End a command: tables or one JSON object, the notes of all answers, and the exit code."""
    if not as_json:
        for answer in answers:
            tell(table(answer))
    for note, label in _by_note(answers).items():
        say_notes([note], label)
    return end(answers, as_json=as_json, faults=faults)


def end(
    answers: Sequence[Mapping[str, Any]], *, as_json: bool, faults: Sequence[Any] = (), several: str = "runs"
) -> int:
    """End a command that has shown its answers already: one JSON object where it was asked for, and the exit code."""
    from bayes_grpo.analysis.notes import notes_of

    if as_json and answers:
        print_json(answers[0] if len(answers) == 1 else {several: answers})
    if faults:
        return BAD_INPUT
    failed = any(note.kind == "not_converged" for answer in answers for note in notes_of(answer))
    return NOT_CONVERGED if failed else OK


def _by_note(answers: Sequence[Mapping[str, Any]]) -> dict[Note, str]:
    """The notes of all answers, each once, with the runs it holds for unless that is all of them."""
    from bayes_grpo.analysis.notes import notes_of

    runs: dict[Note, list[str]] = {}
    for answer in answers:
        for note in notes_of(answer):
            runs.setdefault(note, []).append(str(answer.get("run", "")))
    return {
        note: ""
        if len(labels) == len(answers)
        else ", ".join(labels[:_MOST_LABELS]) + (" ..." if labels[_MOST_LABELS:] else "")
        for note, labels in runs.items()
    }


def save_or_refuse(save: Callable[[Any, Path], object], content: Any, target: Path) -> None:
    """Save to a file; where the disk refuses, say so in one message."""
    try:
        save(content, target)
    except OSError as error:
        raise InputError(
            str(target), f"could not be written ({error.strerror or error}); nothing was left there"
        ) from error
