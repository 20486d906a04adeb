"""Running chains: one thread a chain, progress, and a clean stop on Ctrl-C."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import jax
import numpy as np
from jax import random
from numpyro.infer.hmc import HMCState

from bayes_grpo.inference.backends.nuts import CHUNK, Draws, Nuts
from bayes_grpo.inference.evaluate import Values
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.inference.threads import usable_cores


def sample(
    kernel: Nuts,
    data: ModelData,
    sampler: Sampler,
    progress: Progress | None = None,
    *,
    enough: Callable[[Draws], bool] | None = None,
    most: int = 1,
    starts: Sequence[Values] | None = None,
) -> Draws:
    """Sample all chains.

    XLA leaves Python's lock while it computes, so chains in threads use all cores without forking, and each chain's
    draws depend on its own key alone: the number of cores does not change the result.

    Parameters
    ----------
    kernel, data
        Compiled NUTS and the run it is given.
    sampler : Sampler
        Its seed, chains, draws and warm-up.
    progress : callable, optional
        Told how many draws are made.
    enough : callable, optional
        Judges the draws so far; while it says no, the chains go on for as many draws again, up to ``most * draws``.
    most : int
        See ``enough``.
    starts : sequence of mappings, optional
        Parameters that each chain begins at; by default the best of some prior draws.

    Returns
    -------
    Draws
        NumPy arrays of shape (chain, draw).

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after the running chunks have ended.
    """
    keys = random.split(random.key(sampler.seed), sampler.chains)
    if starts is None:
        states = [kernel.start(key, data) for key in keys]
    else:
        states = [kernel.start_at(key, values, data) for key, values in zip(keys, starts, strict=True)]
    # Tracing must happen here, once: NumPyro's handler stack is shared by all threads.
    jax.block_until_ready(kernel.advance(states[0], data))
    running = _Chains(kernel, data, states, sampler.tune)
    for part in range(1, most + 1):
        running.reach(sampler.tune + part * sampler.draws, progress)
        drawn = running.collect(part * sampler.draws)
        if enough is None or enough(drawn):
            break
    return drawn


class _Chains:
    """Chains that can be taken further; one thread each."""

    def __init__(self, kernel: Nuts, data: ModelData, states: list[HMCState], tune: int) -> None:
        self.kernel, self.data, self.states, self.tune = kernel, data, states, tune
        self.made = [0] * len(states)
        self.kept: list[list[Draws]] = [[] for _ in states]
        self.stop = threading.Event()

    def reach(self, total: int, progress: Progress | None) -> None:
        """Bring every chain to so many draws, warm-up included."""
        chains = len(self.states)
        with ThreadPoolExecutor(max_workers=min(chains, usable_cores())) as pool:
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
            self.states[index], chunk = self.kernel.advance(self.states[index], self.data)
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
