"""Where the time of a command in a fresh process goes, in processor seconds, on the run that comes with the package.

Every command runs once to fill the caches of compiled and traced programs and then some times more; of each part the
least is shown, since a busy machine adds to all of them.

    python -m benchmarks.startup --repeats 5
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

_SEVEN = "s_curve,overdamped,oscillator,sigmoid,power_law,exponential,wandering_level"
#: Commands that are timed; their last words are the run.
COMMANDS: dict[str, tuple[str, ...]] = {
    "fit": ("fit", "--out", "fit.nc"),
    "forecast": ("forecast", "--until", "500"),
    "diagnose": ("diagnose",),
    "compare": ("compare", "--models", _SEVEN),
}
#: Parts of a command: those that are measured, and what is left.
PARTS = ("Python and NumPy", "JAX, import", "xarray, pandas", "tracing", "lowering", "loading", "saving")
REST, END, TOTAL = "all else", "end of the process", "total"
#: JAX's names of its durations.
_EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "tracing",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowering",
    "/jax/core/compile/backend_compile_duration": "loading",
}


def child(arguments: list[str]) -> None:
    """Run a command in this process, and print its parts as the last line of stderr."""
    parts: dict[str, float] = {}
    last = 0.0

    def lap(name: str) -> None:
        nonlocal last
        parts[name], last = time.process_time() - last, time.process_time()

    import numpy  # noqa: F401

    lap(PARTS[0])
    import jax

    lap(PARTS[1])
    import xarray  # noqa: F401

    lap(PARTS[2])
    from bayes_grpo.cli import main
    from bayes_grpo.inference import store

    def on_event(event: str, seconds: float, **_: object) -> None:
        if event in _EVENTS:
            parts[_EVENTS[event]] = parts.get(_EVENTS[event], 0.0) + seconds

    jax.monitoring.register_event_duration_secs_listener(on_event)
    write = store.write_netcdf

    def timed_write(*given: object, **named: object) -> object:
        began = time.process_time()
        written = write(*given, **named)  # type: ignore[arg-type]
        parts["saving"] = time.process_time() - began
        return written

    store.write_netcdf = timed_write  # type: ignore[assignment]
    code = main(arguments)
    parts[REST] = time.process_time() - sum(parts.values())
    sys.stderr.write("\n" + json.dumps(parts) + "\n")
    sys.stderr.flush()
    sys.exit(code)


def timed(name: str, run: str, folder: str) -> dict[str, float]:
    """Parts of a command in a new process, and what its end took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.startup", "--child", *COMMANDS[name], run],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode not in (0, 3):
        raise SystemExit(ended.stderr)
    parts: dict[str, float] = json.loads(ended.stderr.strip().splitlines()[-1])
    total = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return parts | {END: total - sum(parts.values()), TOTAL: total}


def main() -> None:
    """Print a table of parts by commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
    from bayes_grpo.readers import EXAMPLE

    table = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.commands:
            runs = [timed(name, str(EXAMPLE), folder) for _ in range(options.repeats + 1)][1:]
            table[name] = {part: min(run.get(part, 0.0) for run in runs) for part in (*PARTS, REST, END, TOTAL)}
    print("| part | " + " | ".join(table) + " |\n|---|" + "---|" * len(table))
    for part in (*PARTS, REST, END, TOTAL):
        print(f"| {part} | " + " | ".join(f"{column[part]:.2f}" for column in table.values()) + " |")


if __name__ == "__main__":
    main()
