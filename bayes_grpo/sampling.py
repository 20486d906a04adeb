"""Running chains: one thread a chain, progress, and a clean stop on Ctrl-C."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import jax
import numpy as np
from jax import random

from bayes_grpo.backends.numpyro import CHUNK, Draws, Programs
from bayes_grpo.likelihood import RunData

#: Called with (draws made by all chains, draws wanted from all chains).
Progress = Callable[[int, int], None]


def sample(
    programs: Programs,
    data: RunData,
    *,
    seed: int,
    chains: int,
    draws: int,
    tune: int,
    progress: Progress | None = None,
) -> Draws:
    """Sample all chains.

    XLA leaves Python's lock while it computes, so chains in threads use all cores without forking, and each chain's
    draws depend on its own key alone: the number of cores does not change the result.

    Returns
    -------
    Draws
        NumPy arrays of shape (chain, draw).

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after the running chunks have ended.
    """
    states = [programs.start(key, data) for key in random.split(random.key(seed), chains)]
    # Tracing must happen here, once: NumPyro's handler stack is shared by all threads.
    jax.block_until_ready(programs.advance(states[0], data))
    stop = threading.Event()
    made = [0] * chains
    total = tune + draws

    def chain(index: int) -> Draws | None:
        state = states[index]
        kept: list[Draws] = []
        while made[index] < total:
            if stop.is_set():
                return None
            state, chunk = programs.advance(state, data)
            chunk = jax.tree.map(np.asarray, chunk)
            # Warm-up need not end with a chunk: keep what lies behind it.
            skip = min(max(tune - made[index], 0), CHUNK)
            kept.append(jax.tree.map(lambda values, skip=skip: values[skip:], chunk))
            made[index] += CHUNK
        joined: Draws = jax.tree.map(lambda *parts: np.concatenate(parts)[:draws], *kept)
        return joined

    with ThreadPoolExecutor(max_workers=min(chains, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(chain, index) for index in range(chains)]
        try:
            pending: Any = set(futures)
            while pending:
                _, pending = wait(pending, timeout=0.1)
                if progress is not None:
                    progress(sum(min(count, total) for count in made), total * chains)
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
        results = [future.result() for future in futures]
    stacked: Draws = jax.tree.map(lambda *parts: np.stack(parts), *results)
    return stacked
