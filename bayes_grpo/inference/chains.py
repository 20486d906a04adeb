"""Running chains: one thread a chain, progress, and a clean stop on Ctrl-C."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import jax
import numpy as np
from jax import random
from numpyro.infer.hmc import HMCState

from bayes_grpo.inference.backends.programs import CHUNK, Draws, Programs
from bayes_grpo.inference.layout import ModelData

#: Called with (draws made by all chains, draws wanted from all chains).
Progress = Callable[[int, int], None]


def sample(
    programs: Programs,
    data: ModelData,
    *,
    seed: int,
    chains: int,
    draws: int,
    tune: int,
    progress: Progress | None = None,
    enough: Callable[[Draws], bool] | None = None,
    most: int = 1,
    starts: dict[str, np.ndarray] | None = None,
) -> Draws:
    """Sample all chains.

    XLA leaves Python's lock while it computes, so chains in threads use all cores without forking, and each chain's
    draws depend on its own key alone: the number of cores does not change the result.

    Parameters
    ----------
    programs, data
        Compiled programs and the run they are given.
    seed, chains, draws, tune : int
        ``draws`` and ``tune`` are per chain.
    progress : callable, optional
        Told how many draws are made.
    enough : callable, optional
        Judges the draws so far; while it says no, the chains go on for as many draws again, up to ``most * draws``.

    starts : dict of str to numpy.ndarray, optional
        Unconstrained values that the chains begin at, shape (chain, ...); by default the best of some prior draws.

    Returns
    -------
    Draws
        NumPy arrays of shape (chain, draw).

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after the running chunks have ended.
    """
    keys = random.split(random.key(seed), chains)
    if starts is None:
        states = [programs.start(key, data) for key in keys]
    else:
        states = [programs.resume(key, {n: v[i] for n, v in starts.items()}, data) for i, key in enumerate(keys)]
    # Tracing must happen here, once: NumPyro's handler stack is shared by all threads.
    jax.block_until_ready(programs.advance(states[0], data))
    running = _Chains(programs, data, states, tune)
    for part in range(1, most + 1):
        running.reach(tune + part * draws, progress)
        drawn = running.collect(part * draws)
        if enough is None or enough(drawn):
            break
    return drawn


class _Chains:
    """Chains that can be taken further; one thread each."""

    def __init__(self, programs: Programs, data: ModelData, states: list[HMCState], tune: int) -> None:
        self.programs, self.data, self.states, self.tune = programs, data, states, tune
        self.made = [0] * len(states)
        self.kept: list[list[Draws]] = [[] for _ in states]
        self.stop = threading.Event()

    def reach(self, total: int, progress: Progress | None) -> None:
        """Bring every chain to so many draws, warm-up included."""
        chains = len(self.states)
        with ThreadPoolExecutor(max_workers=min(chains, os.cpu_count() or 1)) as pool:
            futures = [pool.submit(self._run, index, total) for index in range(chains)]
            try:
                pending: Any = set(futures)
                while pending:
                    _, pending = wait(pending, timeout=0.1)
                    if progress is not None:
                        progress(sum(min(count, total) for count in self.made), total * chains)
            except BaseException:
                self.stop.set()
                for future in futures:
                    future.cancel()
                raise
            for future in futures:
                future.result()

    def _run(self, index: int, total: int) -> None:
        while self.made[index] < total and not self.stop.is_set():
            self.states[index], chunk = self.programs.advance(self.states[index], self.data)
            chunk = jax.tree.map(np.asarray, chunk)
            # Warm-up need not end with a chunk: keep what lies behind it.
            skip = min(max(self.tune - self.made[index], 0), CHUNK)
            self.kept[index].append(jax.tree.map(lambda values, skip=skip: values[skip:], chunk))
            self.made[index] += CHUNK

    def collect(self, draws: int) -> Draws:
        """The first draws after warm-up of every chain."""
        joined = [jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *kept) for kept in self.kept]
        stacked: Draws = jax.tree.map(lambda *parts: np.stack(parts), *joined)
        return stacked
