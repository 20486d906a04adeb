"""Share of a training step that the TRL recorder takes: the laboratory's tiny model, the worst case there is.

Needs the extra `train`. Everything the recorder does is timed: its callbacks, and the looks at each batch's rewards and
at each update's importance ratios, which there are where a batch is used again. Processor time, which other work beside
it disturbs less than the clock.
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
    parser.add_argument("--watch-every", type=int, help="see bayes_grpo.trl.record")
    options = parser.parse_args()
    spent, guard = {"once": 0.0, "step": 0.0}, Recorder._guard

    def timed(recorder: Recorder, action, *arguments):
        began = time.thread_time()
        guard(recorder, action, *arguments)
        kind = "once" if action in (recorder._begin, recorder._watch_rewards, recorder._watch_ratios) else "step"
        spent[kind] += time.thread_time() - began

    Recorder._guard = timed  # before one is made: it hands its guard on
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(refresh_interval=options.refresh_interval)
        trainer = build_trainer(trial, Path(folder), options.steps)
        record(trainer, watch_every=options.watch_every)
        began = time.process_time()
        trainer.train()
        whole = time.process_time() - began
    step, share = 1e3 * whole / options.steps, 1e3 * spent["step"] / options.steps
    print(f"a step {step:.1f} ms, of which the recorder {share:.3f} ms: {share / step:.2%}")
    print(f"once, to write the settings and open the log: {1e3 * spent['once']:.1f} ms")


if __name__ == "__main__":
    main()
