"""The option --figure of the commands that draw their answer."""

import argparse
from pathlib import Path
from typing import Any

from bayes_grpo.cli.common import refuse, save_or_refuse, suffix_faults

#: Endings of the files that can be drawn to.
SUFFIXES = (".png", ".svg", ".pdf")


def add_figure(parser: argparse.ArgumentParser) -> None:
    """Give a command its --figure."""
    parser.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="also draw the answer: png, svg or pdf; figures of several runs are numbered FILE-1, FILE-2, ...",
    )


def check_figure(path: Path | None, option: str = "--figure") -> None:
    """Refuse a file that cannot be drawn to, before anything is computed.

    Raises
    ------
    InputError
        For another suffix than png, svg or pdf, or a folder that cannot be written to.
    """
    if path is None:
        return
    refuse(suffix_faults(option, path, SUFFIXES))
    from bayes_grpo.runs.files import check_writable

    check_writable(path)


def save_figure(path: Path | None, plot: str, result: Any) -> None:
    """Draw with a plot function of `bayes_grpo`, where a figure is asked for."""
    if path is None:
        return
    import bayes_grpo
    from bayes_grpo.analysis.figures import save_figure

    save_or_refuse(save_figure, getattr(bayes_grpo, plot)(result), path)


def numbered(path: Path, index: int, count: int) -> Path:
    """The file for one of several runs: FILE-1, FILE-2, ...; of a single run FILE itself."""
    return path if count == 1 else path.with_stem(f"{path.stem}-{index + 1}")
