"""A real GRPOTrainer run whose reward falls, with all outlets of alarms; `python -m tests.trl.run_alarms FOLDER`.

Prints what a server on this machine was sent, as a line of JSON.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from bayes_grpo.trl.forecaster import forecast
from case_studies.trl_lab import tasks
from case_studies.trl_lab.lab import Trial, build_model, trainer_of

#: Batch from which on the reward is low, and steps of the run.
FALLS, STEPS = 22, 32
RECEIVED: list[dict] = []


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    def do_POST(self) -> None:
        RECEIVED.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Falling:
    """A reward that differs from completion to completion, and is low after some batches."""

    __name__ = "falling"

    def __init__(self) -> None:
        self.batches = 0

    def __call__(self, completions, **_) -> list[float]:
        self.batches += 1
        level = 0.8 if self.batches < FALLS else 0.1
        return [level + 0.01 * ((7 * i + self.batches) % 5) for i in range(len(completions))]


def main(folder: Path) -> None:
    trial = Trial(group_size=4)
    tokenizer, model = build_model(tasks.WORDS, trial.width, trial.seed, trial.initializer)
    prompts = tasks.prompts(trial.prompts * STEPS, 1000)
    reports = {"report_to": ["trackio", "wandb"], "run_name": "falls", "project": "alarms"}
    trainer = trainer_of(trial, folder, STEPS, tokenizer, model, Falling(), prompts, **reports)
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        forecast(
            trainer,
            every=1000,
            false_alarms=0.1,
            webhook=f"http://127.0.0.1:{server.server_port}/",
            alarm_log=folder / "alarms.jsonl",
            prometheus=folder / "state.prom",
        )
        trainer.train()
        server.shutdown()
    print(json.dumps(RECEIVED), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
