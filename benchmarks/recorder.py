"""Share of a training step that the TRL recorder takes: the laboratory's tiny model, the worst case there is.

Needs the extra `train`. Everything the recorder does is timed: its callbacks, and the look at each batch's rewards.
"""

import argparse
import tempfile
import time
from pathlib import Path

from bayes_grpo.trl.recorder import record
from case_studies.trl_lab.lab import Trial, build_trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trainer = build_trainer(Trial(), Path(folder), options.steps)
        recorder = record(trainer)
        spent = [0.0]
        guard = recorder._guard

        def timed(action, *arguments):
            began = time.perf_counter()
            guard(action, *arguments)
            spent[0] += time.perf_counter() - began

        recorder._guard = timed
        began = time.perf_counter()
        trainer.train()
        whole = time.perf_counter() - began
    step, own = 1e3 * whole / options.steps, 1e3 * spent[0] / options.steps
    print(f"a step {step:.1f} ms, of which the recorder {own:.3f} ms: {own / step:.2%}")


if __name__ == "__main__":
    main()
