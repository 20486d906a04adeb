"""A real GRPOTrainer run of the laboratory's with live forecasts; `python -m tests.trl.run_forecaster FOLDER STEPS [stop]`. Prints JSON."""

import json
import sys
import time
from pathlib import Path

from transformers import TrainerCallback

from bayes_grpo.trl.forecaster import forecast
from case_studies.trl_lab.lab import Trial, build_trainer

folder, steps = Path(sys.argv[1]), int(sys.argv[2])
trainer = build_trainer(Trial(group_size=4), folder, steps)
# An epsilon beyond the range is never gained: with `stop`, every forecast says stop.
options = {"stability_model": None, "epsilon": 2.0} if "stop" in sys.argv else {"stability_model": None}
forecaster = forecast(trainer, stop="stop" in sys.argv, every=5, model="overdamped", **options)
own = {"seconds": 0.0}


def timed(method):
    def inner(*arguments, **keywords):
        began = time.perf_counter()
        try:
            return method(*arguments, **keywords)
        finally:
            own["seconds"] += time.perf_counter() - began

    return inner


forecaster.on_log, forecaster.on_step_begin = timed(forecaster.on_log), timed(forecaster.on_step_begin)


class Slow(TrainerCallback):
    """Steps of real models take seconds: wait for the forecast that was asked for."""

    def on_step_end(self, args, state, control, **_):
        limit = time.monotonic() + 300
        while forecaster._asked_at is not None and not forecaster._answers and time.monotonic() < limit:
            if forecaster._process is None or forecaster._process.poll() is not None:
                break
            time.sleep(0.05)


trainer.add_callback(Slow())
trainer.train()
logged = [row for row in trainer.state.log_history if "forecast/plateau" in row]
print(
    json.dumps(
        {
            "logged": logged,
            "rewards": sum("reward" in row for row in trainer.state.log_history),
            "asked_at": [summary["asked_at"] for summary in forecaster.summaries],
            "seconds": [summary["seconds"] for summary in forecaster.summaries],
            "failure": forecaster.failure,
            "steps": trainer.state.global_step,
            "callback_seconds": own["seconds"],
        }
    )
)
