"""Real GRPOTrainer runs of the laboratory's with live forecasts; `python -m tests.trl.run_forecaster FOLDER`.

Prints the outcome of a run that may not be stopped, and of one that may, each as a line of JSON.
"""

import json
import sys
import time
from pathlib import Path

from transformers import TrainerCallback

from bayes_grpo.trl.forecaster import Forecaster, forecast
from case_studies.trl_lab.lab import Trial, build_trainer
from tests.common import LIMIT


class Wait(TrainerCallback):
    """Steps of real models take seconds: wait for the forecast that was asked for."""

    def __init__(self, forecaster: Forecaster) -> None:
        self.forecaster = forecaster

    def on_step_end(self, args, state, control, **_):
        end, asked = time.monotonic() + LIMIT, self.forecaster
        while asked._asked_at is not None and not asked._answers and time.monotonic() < end:
            if asked._process is None or asked._process.poll() is not None:
                break
            time.sleep(0.05)


def train(folder: Path, steps: int, **options) -> dict:
    trainer = build_trainer(Trial(group_size=4), folder, steps)
    forecaster = forecast(trainer, every=5, model="overdamped", stability_model=None, **options)
    trainer.add_callback(Wait(forecaster))
    trainer.train()
    return {
        "logged": [row for row in trainer.state.log_history if "forecast/plateau" in row],
        "rewards": sum("reward" in row for row in trainer.state.log_history),
        "asked_at": [summary["asked_at"] for summary in forecaster.summaries],
        "failure": forecaster.failure,
        "steps": trainer.state.global_step,
    }


def main(folder: Path) -> None:
    print(json.dumps(train(folder / "goes_on", 30)), flush=True)
    # A gain beyond the range of the reward never comes: every forecast says stop.
    print(json.dumps(train(folder / "stops", 200, stop=True, epsilon=2.0)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
