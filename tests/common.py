"""Small runs of known kind, settings that the fits of the tests share, and where things lie."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np

if TYPE_CHECKING:
    from bayes_grpo.inference.programs import Program

#: Root of the checkout.
ROOT = Path(__file__).parents[1]
#: Public runs, an optional folder beside the checkout.
PUBLIC = ROOT.parent / "shared" / "data"
#: The command as installed.
COMMAND = Path(sys.executable).with_name("bayes-grpo")
#: Seconds until a process is given up. No test asks how fast something is: a loaded machine may take its time.
LIMIT = 3600

#: A model is compiled for each of these settings, so the tests share them: fits that must converge or are looked into
#: ...
SAMPLER = {"draws": 500, "tune": 300, "chains": 2, "target_accept": 0.995}
#: ... and fits of which it does not matter what they find. At 0.995 none diverges, which would ask for a second
#: attempt.
QUICK = {"draws": 25, "tune": 25, "chains": 2, "target_accept": 0.995}

FACTS = {
    "group_size": 8,
    "prompts_per_step": 16,
    "momentum": 0.9,
    "refresh_interval": 1,
    "logging_window": 1,
    "planned_steps": 60,
    "reward_lower": 0,
    "reward_upper": 1,
}


def options(settings: dict[str, float]) -> list[str]:
    """Sampler settings as options of the command line."""
    return [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def curve(n: int = 60, seed: int = 0) -> np.ndarray:
    """Rewards in [0, 1] that rise with timescale 15 to 0.7, with sampling noise 0.04."""
    rng = np.random.default_rng(seed)
    return np.clip(0.7 - 0.5 * np.exp(-np.arange(n) / 15) + 0.04 * rng.normal(size=n), 0, 1)


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def call(*arguments: object, folder: Path | None = None, columns: int = 100) -> Done:
    """Run `bayes-grpo` in this process, which shares compiled programs; an uncaught exception fails the test."""
    from bayes_grpo.cli import main

    out, err = io.StringIO(), io.StringIO()
    inside = contextlib.chdir(folder) if folder is not None else contextlib.nullcontext()
    width = mock.patch.dict(os.environ, COLUMNS=str(columns))
    with inside, width, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:  # argparse, for options it does not know
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def call_process(*arguments: object, folder: Path, within: tuple[str, ...] = ()) -> Done:
    """Run the installed command as a process of its own."""
    command = [*within, str(COMMAND), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
    return Done(done.returncode, done.stdout, done.stderr)


def interrupt(*arguments: object, folder: Path) -> Done:
    """Run the command on a terminal, press Ctrl-C as soon as its bar shows draws, and wait for its end."""
    terminal, its_end = os.openpty()
    # What is started in the background ignores Ctrl-C, and so would its children: one step between them hears it.
    heard = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", heard, str(COMMAND), *map(str, arguments)]
    shown, pressed = "", False
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=its_end, text=True) as running:
        os.close(its_end)
        try:
            with contextlib.suppress(OSError):  # the terminal has gone with the process
                while piece := os.read(terminal, 1 << 16):
                    shown += piece.decode(errors="replace")
                    if not pressed and re.search(r"\b[1-9]\d*/\d+", shown):
                        running.send_signal(signal.SIGINT)
                        pressed = True
            stdout, _ = running.communicate(timeout=LIMIT)
        finally:
            running.kill()
            os.close(terminal)
    assert pressed, shown
    return Done(running.returncode, stdout, shown)


def shapes_compiled(program: "Program") -> int:
    """Shapes of its arguments that a program was compiled for in this process."""
    return program._compiled._cache_size() + len(program._loaded)
