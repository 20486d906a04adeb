"""A folder in which `bayes_grpo.trl.recorder.record` wrote: its log holds more than TRL's own."""

from bayes_grpo.readers.contract import Log, Source
from bayes_grpo.readers.sidecar import read_sidecar
from bayes_grpo.readers.text import json_lines

NAME = "bayes_grpo recorder"
ORDER = 5

LOG = "bayes_grpo.jsonl"


def recognises(source: Source) -> bool:
    """A folder with the recorder's log."""
    return source.is_folder and (source.path / LOG).is_file()


def read(source: Source) -> list[Log]:
    """Its rows, and the hyperparameters that it wrote beside them."""
    log = Log([], trainer="TRL")
    path = source.path / LOG
    log.rows = json_lines(path, log.notes)
    beside = path.with_suffix(".hyperparameters.json")
    if beside.is_file():
        log.stated, log.extras = read_sidecar(beside)
        log.notes.append(f"hyperparameters read from {beside.name}")
    return [log]
