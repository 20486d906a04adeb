"""A folder in which `bayes_grpo.trl.recorder.record` wrote: its log holds more than TRL's own."""

from bayes_grpo.readers.log import Facts, Log, Source, reading_note
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
    path = source.path / LOG
    beside = path.with_suffix(".hyperparameters.json")
    if not beside.is_file():
        return [Log(json_lines(path), trainer="TRL")]
    stated, extras = read_sidecar(beside)
    note = reading_note("", f"hyperparameters read from {beside.name}")
    return [Log(json_lines(path), trainer="TRL", facts=Facts(stated=stated, extras=extras), notes=(note,))]
