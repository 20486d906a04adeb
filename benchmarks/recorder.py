"""Share of a training step that the TRL recorder takes: the laboratory's tiny model, the worst case there is.

Needs the extra `train`. Everything the recorder does is timed: its callbacks, and the looks at each batch's rewards and
at each update's importance ratios, which there are where a batch is used again.
"""

import argparse
import tempfile
import time
from pathlib import Path

from bayes_grpo.trl.recorder import Recorder, record
from case_studies.trl_lab.lab import Trial, build_trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--refresh-interval", type=int, default=1)
    options = parser.parse_args()
    spent, guard = [0.0], Recorder._guard

    def timed(recorder: Recorder, action, *arguments):
        began = time.perf_counter()
        guard(recorder, action, *arguments)
        spent[0] += time.perf_counter() - began

    Recorder._guard = timed  # before one is made: it hands its guard on
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(refresh_interval=options.refresh_interval)
        trainer = build_trainer(trial, Path(folder), options.steps)
        record(trainer)
        began = time.perf_counter()
        trainer.train()
        whole = time.perf_counter() - began
    step, own = 1e3 * whole / options.steps, 1e3 * spent[0] / options.steps
    print(f"a step {step:.1f} ms, of which the recorder {own:.3f} ms: {own / step:.2%}")


if __name__ == "__main__":
    main()
