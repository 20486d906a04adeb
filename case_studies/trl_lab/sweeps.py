"""Which runs the laboratory makes: sweeps, each about a base setting, each for a question."""

from collections.abc import Iterable
from dataclasses import replace

from case_studies.trl_lab.graded import CALLED
from case_studies.trl_lab.lab import Trial

BASE = Trial()
BATCHES = 60  # batches of rollouts of a run whose refresh interval is varied, at least


def _reuse(trial: Trial, interval: int, **changes) -> Trial:
    """The trial at a refresh interval, long enough to settle: 60 batches, and 300 updates at least."""
    return replace(trial, refresh_interval=interval, updates=max(300, BATCHES * interval), **changes)


#: Group size, momentum, learning rate and width at one update a batch: the first laboratory.
FIRST = [
    *(replace(BASE, group_size=g) for g in (2, 4, 8, 16, 32)),
    *(replace(BASE, momentum=b) for b in (0.0, 0.5)),
    *(replace(BASE, learning_rate=r) for r in (5e-4, 2e-3)),
    *(replace(BASE, width=w) for w in (32, 128)),
]

SWEEPS: dict[str, list[Trial]] = {
    "first": FIRST,
    "reuse": [_reuse(BASE, k) for k in (1, 4, 8, 16, 32)],
    "clip": [_reuse(BASE, k, clip=c) for c in (0.1, 0.4, 1e6) for k in (8, 16)],
    "batch": [_reuse(BASE, 8, prompts=b) for b in (4, 64)],
    "pull": [_reuse(BASE, k, kl=0.0) for k in (1, 8, 16)],
    "rate": [_reuse(BASE, k, learning_rate=r) for r in (2.5e-4, 4e-3) for k in (1, 8)],
    "start": [_reuse(BASE, k, initializer=0.1) for k in (1, 8)],
    "graded": [trial for trial, _ in CALLED],
    "settled": [replace(BASE, group_size=g, updates=n) for g, n in ((2, 1000), (4, 600))],
    "frozen": [_reuse(BASE, k, frozen=True) for k in (4, 8, 16)],
    "sgd": [_reuse(BASE, k, optimizer="sgd", learning_rate=2e-3) for k in (1, 4, 8, 16)],
}


def trials(names: Iterable[str], seeds: Iterable[int]) -> list[Trial]:
    """The trials of some sweeps, each once; the first seed of everything comes first."""
    wanted = [trial for name in names for trial in SWEEPS[name]]
    return list(dict.fromkeys(replace(trial, seed=seed) for seed in seeds for trial in wanted))
