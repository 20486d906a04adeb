"""Labels of runs: what a reader recognises a run by, and what tells runs of one search apart."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bayes_grpo.readers.log import Reading, Source

#: Names of files that say nothing of the run; the folder's name is taken instead.
_GENERIC = (
    "trainer_state",
    "log_history",
    "logging",
    "metrics",
    "step_logs",
    "trl_table",
    "verl_metrics",
    "reward_log",
    "bayes_grpo",
    "completions",
)


def label_of(path: Path, source: Source) -> str:
    """A name a reader recognises: the output folder's, else the file's."""
    if source.address:
        return source.address.rstrip("/").rsplit("/", 1)[-1]
    if source.is_folder:
        folder = source.path.resolve()
        generic = folder.name.startswith("checkpoint-") or folder.name in _GENERIC
        return folder.parent.name + "-" + folder.name if generic else folder.name
    return source.path.resolve().parent.name if source.path.stem in _GENERIC else source.path.stem


def tell_apart(readings: Sequence[Reading], sources: Sequence[Source]) -> None:
    """Give runs that share a label the folder by which they differ, and number those that still do.

    Parameters
    ----------
    readings : sequence of Reading
        Their runs are given new labels where needed.
    sources : sequence of Source
        Where each reading comes from.
    """
    counts = Counter(str(label) for reading in readings for label in reading.run["run"].values)
    for label in [label for label, count in counts.items() if count > 1]:
        sharing = [i for i, reading in enumerate(readings) if [label] == list(map(str, reading.run["run"].values))]
        names = _telling([sources[i].path for i in sharing])
        if names is not None:
            for i, name in zip(sharing, names, strict=True):
                readings[i].run = readings[i].run.assign_coords(run=[name])
    seen: Counter[str] = Counter()
    for reading in readings:
        labels = [str(label) for label in reading.run["run"].values]
        for at, label in enumerate(labels):
            seen[label] += 1
            if seen[label] > 1:
                labels[at] = f"{label}~{seen[label]}"
        if labels != list(map(str, reading.run["run"].values)):
            reading.run = reading.run.assign_coords(run=labels)


def _telling(paths: Sequence[Path]) -> list[str] | None:
    """The parts of paths by which they differ; None where they do not."""
    parts = [path.resolve().parts for path in paths]
    if len(parts) < 2 or len(set(parts)) < len(parts):
        return None
    common = 0
    while all(len(p) > common for p in parts) and len({p[common] for p in parts}) == 1:
        common += 1
    rest = [list(p[common:]) for p in parts]
    shortest = min(map(len, rest))
    while shortest > 1 and len({p[-1] for p in rest}) == 1:
        rest = [p[:-1] for p in rest]
        shortest -= 1
    for length in range(1, max(map(len, rest)) + 1):
        names = ["-".join(p[:length]) for p in rest]
        if len(set(names)) == len(names):
            return names
    return None
