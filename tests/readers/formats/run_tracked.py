"""A real GRPOTrainer run of the laboratory's with everything logged; `python -m tests.readers.formats.run_tracked FOLDER STEPS K`. Prints rewards as JSON.

TensorBoard, W&B (offline), trackio and the completions are written by TRL itself; so are the console output (stdout,
stderr) and, in FOLDER, the trainer state.
"""

import json
import sys
from pathlib import Path

import trl

from case_studies.trl_lab.lab import Trial, build_trainer

folder, steps, interval = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
original = trl.GRPOConfig
more = {
    "report_to": ["tensorboard", "wandb", "trackio"],
    "log_completions": True,
    "disable_tqdm": False,
    "run_name": "tracked",
}
trl.GRPOConfig = lambda **known: original(**(known | more))
trainer = build_trainer(Trial(group_size=4, refresh_interval=interval), folder, steps)
seen = []
scored = trainer.reward_funcs[0]


def remember(*arguments, **keywords):
    rewards = scored(*arguments, **keywords)
    seen.append(rewards)
    return rewards


trainer.reward_funcs[0] = remember
trainer.train()
trainer.save_state()
(folder / "seen.json").write_text(json.dumps(seen))
