"""Progress of long work on stderr, and compiled programs kept between commands."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bayes_grpo.errors import printable

#: Called with (draws or densities made, those wanted).
Progress = Callable[[int, int], None]

#: Programs that take longer to compile are kept; JAX would keep those that take a second.
_LEAST_SECONDS = 0.05


def use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache folder, so that only the first command compiles."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(home / "bayes_grpo" / "xla"))
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)


@contextmanager
def sampling_progress(title: str) -> Iterator[Progress | None]:
    """A bar on a terminal; a line at start and end elsewhere."""
    title = printable(title)
    if not sys.stderr.isatty():
        print(f"{title}: sampling ...", file=sys.stderr, flush=True)
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{title} (compiling)", total=None)

        def report(made: int, wanted: int) -> None:
            bar.update(task, completed=made, total=wanted, description=title)

        yield report
