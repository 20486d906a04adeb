"""Importance sampling beside NUTS on runs of 500 steps: processor seconds a fit, warm, and effective draws.

All contestants run in turn in one process. NUTS is NumPyro's and, on the same model in PyMC, nutpie's; the peer is
NumPyro's MCMC with tinygp's likelihood (`benchmarks.posterior`), whose compilation counts, since it compiles anew for
every run. Processor seconds are those of all threads, so that other work on the machine hardly changes them.

    python -m benchmarks.methods --models overdamped oscillator s_curve --repeats 3
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

import bayes_grpo
from bayes_grpo.inference.progress import use_compilation_cache
from benchmarks.posterior import peer, simulated

#: What is asked of `bayes_grpo.fit`, by the name in the table.
CONTESTANTS = {
    "importance": {"method": "importance"},
    "NUTS, NumPyro": {"method": "nuts"},
    "NUTS, PyMC by nutpie": {"method": "nuts", "backend": "pymc"},
}


def processor_seconds(work: Callable[[], float]) -> tuple[float, float]:
    """Processor seconds of a piece of work, and what it returns."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def effective_draws(run, model: str, asked: dict[str, str], seed: int) -> float:
    """Least effective number of draws of a fit."""
    fit = bayes_grpo.fit(run, model, seed=seed, **asked)
    diagnostics = bayes_grpo.summarise(fit)["diagnostics"]
    return float(diagnostics.get("importance_ess") or diagnostics["min_ess_bulk"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["overdamped", "oscillator", "s_curve"])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3, help="warm fits of each, after one that compiles")
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS), choices=list(CONTESTANTS))
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    use_compilation_cache()
    print("| model | sampler | first fit, s | warm fit, s | effective draws | s per 1,000 of them |")
    print("|---|---|---|---|---|---|")
    for model in options.models:
        for name in options.contestants:
            rows = [
                processor_seconds(
                    lambda: effective_draws(simulated(options.steps, repeat), model, CONTESTANTS[name], repeat)  # noqa: B023
                )
                for repeat in range(options.repeats + 1)
            ]
            show(model, name, rows[0][0], *np.median(rows[1:], axis=0))
        if model == "oscillator" and not options.no_peer:
            seconds, ess = processor_seconds(lambda: peer(simulated(options.steps, 1), 1)[1])
            show(model, "NUTS, tinygp in NumPyro", seconds, seconds, ess)


def show(model: str, name: str, first: float, warm: float, ess: float) -> None:
    print(f"| {model} | {name} | {first:.1f} | {warm:.2f} | {ess:,.0f} | {1000 * warm / ess:.2f} |", flush=True)


if __name__ == "__main__":
    main()
