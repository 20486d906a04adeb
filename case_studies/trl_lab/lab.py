"""The TRL laboratory: tiny transformers trained by the real GRPOTrainer, one setting varied at a time.

Task: the prompt is one of eight symbols, the answer one word, right when it repeats the symbol. The verifier errs with
probability 0.2, so the expected reward settles at 0.8 and keeps fluctuating. Resumable: a finished run is not made
again. Needs the extra `train`; runs on CPU, and on a GPU unchanged.
"""

import argparse
import json
import random
import shutil
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

SYMBOLS = 8
FLIP = 0.2
STEPS = 300
CYCLES = 12  # batches of rollouts a run has at least
PROMPTS = 16


@dataclass(frozen=True)
class Trial:
    """One run's settings; everything else is fixed."""

    group_size: int = 8
    refresh_interval: int = 1
    clip: float = 0.2  # half-width of the ratio's range; 1e6 is no clipping
    momentum: float = 0.9
    learning_rate: float = 1e-3
    kl: float = 0.4
    width: int = 64
    optimizer: str = "adamw_torch"
    seed: int = 0

    @property
    def name(self) -> str:
        clipped = "clip" if self.clip < 1 else "noclip"
        return (
            f"{self.optimizer.split('_')[0]}-G{self.group_size}-K{self.refresh_interval}-{clipped}-beta{self.momentum:g}"
            f"-lr{self.learning_rate:g}-kl{self.kl:g}-w{self.width}-seed{self.seed}"
        )


def trials(seeds: int) -> list[Trial]:
    """The sweeps, each about the base setting; the first seed of everything comes first."""
    base = Trial()
    out = [replace(base, group_size=g) for g in (2, 4, 8, 16, 32)]
    out += [replace(base, momentum=b) for b in (0.0, 0.5)]
    out += [replace(base, learning_rate=r) for r in (5e-4, 2e-3)]
    out += [replace(base, width=w) for w in (32, 128)]
    out += [replace(base, refresh_interval=k, clip=c) for k in (2, 4, 8, 16, 32, 64) for c in (0.2, 1e6)]
    return [replace(trial, seed=seed) for seed in range(seeds) for trial in out]


def build_model(words: list[str], width: int, seed: int):
    """A tokenizer of whole words and a transformer with two layers, freshly drawn."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.set_seed(seed)
    tokens = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, pad_token="<pad>", eos_token="<eos>")
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=32,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    return tokenizer, LlamaForCausalLM(config)


def build_trainer(trial: Trial, folder: Path, steps: int):
    """A GRPOTrainer for one run of the laboratory's task."""
    words = ["<pad>", "<eos>", "=", *[f"s{n}" for n in range(SYMBOLS)]]
    tokenizer, model = build_model(words, trial.width, trial.seed)
    verifier, draw = random.Random(trial.seed), random.Random(1000 + trial.seed)

    def reward(prompts, completions, **_):
        right = [p.split()[0] == c.strip() for p, c in zip(prompts, completions, strict=True)]
        return [float(r != (verifier.random() < FLIP)) for r in right]

    prompts = [f"s{draw.randrange(SYMBOLS)} =" for _ in range(PROMPTS * steps)]
    return trainer_of(trial, folder, steps, tokenizer, model, reward, prompts)


def trainer_of(trial: Trial, folder: Path, steps: int, tokenizer, model, rewards, prompts: list[str], **more):
    """A GRPOTrainer that starts from ``model``; ``more`` goes into its GRPOConfig."""
    import torch
    import transformers
    import trl
    from datasets import Dataset

    model.save_pretrained(folder / "start")  # TRL loads policy and reference from one place
    settings = {
        "output_dir": str(folder),
        "max_steps": steps,
        "learning_rate": trial.learning_rate,
        "lr_scheduler_type": "constant",
        "optim": trial.optimizer,
        "adam_beta1": trial.momentum,
        "num_generations": trial.group_size,
        "per_device_train_batch_size": trial.group_size * PROMPTS,
        "num_iterations": trial.refresh_interval,
        "epsilon": trial.clip,
        "max_completion_length": 1,
        "beta": trial.kl,
        "model_init_kwargs": {"dtype": "float32"},
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "seed": trial.seed,
        "bf16": False,
        "use_cpu": not torch.cuda.is_available(),
    }
    trainer = trl.GRPOTrainer(
        model=str(folder / "start"),
        reward_funcs=rewards,
        args=trl.GRPOConfig(**settings | more),
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def train(trial: Trial, folder: Path, steps: int) -> float:
    """Make one run; the log and its hyperparameters are left in the folder. Returns seconds a step."""
    from bayes_grpo.trl.recorder import record

    trainer = build_trainer(trial, folder, steps)
    record(trainer)
    began = time.perf_counter()
    trainer.train()
    shutil.rmtree(folder / "start")
    return (time.perf_counter() - began) / steps


def make(trial: Trial, root: Path, steps: int) -> str:
    """Train unless that is done; a run cut off is made anew."""
    folder = root / trial.name
    steps = max(steps, CYCLES * trial.refresh_interval)
    if (folder / "done.json").exists():
        return f"{trial.name}: there"
    shutil.rmtree(folder, ignore_errors=True)
    seconds = train(trial, folder, steps)
    (folder / "done.json").write_text(json.dumps(asdict(trial) | {"seconds_a_step": seconds, "steps": steps}))
    return f"{trial.name}: {seconds:.3f} s a step"


def collect(root: Path, out: Path) -> None:
    """All finished runs in one file, figures to 5 digits."""
    import numpy as np

    import bayes_grpo

    runs = []
    for done in sorted(root.glob("*/done.json")):
        run = bayes_grpo.read_run(done.parent / "bayes_grpo.jsonl", name=done.parent.name)
        run = run.assign(source=(("run",), [""]), notes=(("run",), [""]))
        for name, values in run.data_vars.items():
            if values.dtype.kind == "f" and values.ndim == 2:
                scale = 10.0 ** (4 - np.floor(np.log10(np.maximum(np.abs(values), 1e-30))))
                run[name] = (values.dims, (np.round(values * scale) / scale).values, values.attrs)
        runs.append(run)
    bayes_grpo.save_runs(bayes_grpo.combine(runs), out)
    print(f"{len(runs)} runs in {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("trl_lab_runs"), help="folder for the runs")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--limit", type=int, help="make only the first runs")
    parser.add_argument(
        "--collect", type=Path, metavar="FILE", help="write all finished runs to a file (.nc), and stop"
    )
    options = parser.parse_args()
    if options.collect:
        collect(options.runs, options.collect)
        return
    wanted = trials(options.seeds)[: options.limit]
    began = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        pending = [pool.submit(make, trial, options.runs, options.steps) for trial in wanted]
        for count, future in enumerate(as_completed(pending), 1):
            minutes = (time.perf_counter() - began) / 60
            print(f"{count} of {len(wanted)}, {minutes:.1f} min: {future.result()}", flush=True)


if __name__ == "__main__":
    main()
