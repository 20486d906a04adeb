"""The TRL laboratory: tiny transformers trained by the real GRPOTrainer, one setting varied at a time.

Tasks stand in ``tasks.py``, the settings of the sweeps in ``sweeps.py``. Resumable: a finished run is not made again.
Needs the extra `train`; runs on CPU, and on a GPU unchanged.
"""

import argparse
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from case_studies.trl_lab import tasks

STEPS = 300
PROMPTS = 16
SYMBOLS = tasks.SYMBOLS


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
    prompts: int = PROMPTS  # prompts of a batch
    initializer: float = 0.02  # standard deviation of the fresh weights
    frozen: bool = False  # every update of a batch repeats the gradient of its first
    task: str = "copy"
    error: float = 0.2  # how often the verifier errs
    updates: int = STEPS

    @property
    def name(self) -> str:
        """Settings as one word; those that the first laboratory did not vary are named where they differ from it."""
        clip = "clip" if self.clip == 0.2 else "noclip" if self.clip > 1 else f"clip{self.clip:g}"
        word = (
            f"{self.optimizer.split('_')[0]}-G{self.group_size}-K{self.refresh_interval}-{clip}-beta{self.momentum:g}"
            f"-lr{self.learning_rate:g}-kl{self.kl:g}-w{self.width}-seed{self.seed}"
        )
        base = Trial()
        for field, mark in (("prompts", "B"), ("initializer", "init"), ("error", "err"), ("updates", "n")):
            if getattr(self, field) != getattr(base, field):
                word += f"-{mark}{getattr(self, field):g}"
        return word + ("-frozen" if self.frozen else "") + (f"-{self.task}" if self.task != "copy" else "")


def build_model(words: list[str], width: int, seed: int, initializer: float = 0.02):
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
        initializer_range=initializer,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    return tokenizer, LlamaForCausalLM(config)


def build_trainer(trial: Trial, folder: Path, steps: int):
    """A GRPOTrainer for one run of the laboratory."""
    task = tasks.TASKS[trial.task]
    tokenizer, model = build_model(tasks.WORDS, trial.width, trial.seed, trial.initializer)
    reward = tasks.verifier(task, trial.error, trial.seed)
    prompts = tasks.prompts(trial.prompts * steps, 1000 + trial.seed)
    trainer = trainer_of(trial, folder, steps, tokenizer, model, reward, prompts)
    trainer.add_callback(tasks.expectation(trainer, tokenizer, task, trial.error))
    return trainer


def trainer_of(trial: Trial, folder: Path, steps: int, tokenizer, model, rewards, prompts: list[str], **more):
    """A GRPOTrainer that starts from ``model``; ``more`` goes into its GRPOConfig."""
    import torch
    import transformers
    import trl
    from datasets import Dataset

    from case_studies.trl_lab.frozen import FrozenTrainer

    model.save_pretrained(folder / "start")  # TRL loads policy and reference from one place
    settings = {
        "output_dir": str(folder),
        "max_steps": steps,
        "learning_rate": trial.learning_rate,
        "lr_scheduler_type": "constant",
        "optim": trial.optimizer,
        "adam_beta1": trial.momentum,
        "num_generations": trial.group_size,
        "per_device_train_batch_size": trial.group_size * trial.prompts,
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
    optimizers = (None, None)
    if trial.optimizer == "sgd":
        settings |= {"optim_args": f"momentum={trial.momentum:g}"} if trial.momentum else {}
        settings |= {"max_grad_norm": 0.0}  # clipping its norm would make SGD a normalised method
    trainer = (FrozenTrainer if trial.frozen else trl.GRPOTrainer)(
        model=str(folder / "start"),
        reward_funcs=rewards,
        args=trl.GRPOConfig(**settings | more),
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
        optimizers=optimizers,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def train(trial: Trial, folder: Path, steps: int) -> float:
    """Make one run; the log and its hyperparameters are left in the folder. Returns seconds a step."""
    from bayes_grpo.trl.recorder import record

    trainer = build_trainer(trial, folder, steps)
    record(trainer, evaluation="expected_reward", watch_every=1)
    began = time.perf_counter()
    trainer.train()
    shutil.rmtree(folder / "start")
    return (time.perf_counter() - began) / steps


def make(trial: Trial, root: Path) -> str:
    """Train unless that is done; a run cut off is made anew."""
    folder = root / trial.name
    if (folder / "done.json").exists():
        return f"{trial.name}: there"
    shutil.rmtree(folder, ignore_errors=True)
    seconds = train(trial, folder, trial.updates)
    (folder / "done.json").write_text(json.dumps(asdict(trial) | {"seconds_a_step": seconds}))
    return f"{trial.name}: {seconds:.3f} s a step"


#: Channels of a collected run. The chi-squared distance is left out: the share of the effective sample is 1 / (1 + it).
CHANNELS = (
    *("optimizer_step", "learning_rate", "reward", "reward_spread", "zero_spread_share", "evaluation_reward"),
    *("entropy", "kl", "grad_norm", "gradient_cosine", "clip_ratio", "clipped_drive_share"),
    *("log_ratio_mean", "log_ratio_variance", "effective_sample_share"),
)
EXACT = ("optimizer_step", "learning_rate", "reward", "evaluation_reward")  # to 6 digits, all others to 4


def collect(root: Path, out: Path) -> None:
    """All finished runs in one file, beside those that the file holds already."""
    import numpy as np

    import bayes_grpo

    runs = [bayes_grpo.read_run(d.parent / "bayes_grpo.jsonl", name=d.parent.name) for d in root.glob("*/done.json")]
    if out.exists():
        made = {str(run["run"].values[0]) for run in runs}
        before = bayes_grpo.read_run(out)
        runs += [before.sel(run=[name]).dropna("step", how="all") for name in before["run"].values if name not in made]
    kept = []
    for run in sorted(runs, key=lambda run: str(run["run"].values[0])):
        run = run.assign(source=(("run",), [""]), notes=(("run",), [""])).drop_vars("component", errors="ignore")
        for name, values in run.data_vars.items():
            if "step" not in values.dims:
                continue
            if name not in CHANNELS:
                run = run.drop_vars(name)
            elif values.dtype.kind == "f":
                fraction, exponent = np.frexp(values)
                bits = 2.0 ** (20 if name in EXACT else 14)
                run[name] = (values.dims, np.ldexp(np.round(fraction * bits) / bits, exponent).values, values.attrs)
        kept.append(run)
    bayes_grpo.save_runs(bayes_grpo.combine(kept), out)
    print(f"{len(kept)} runs in {out}")


def main() -> None:
    from case_studies.trl_lab.sweeps import SWEEPS, trials

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("trl_lab_runs"), help="folder for the runs")
    parser.add_argument("--sweeps", nargs="+", default=list(SWEEPS), choices=list(SWEEPS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--limit", type=int, help="make only the first runs")
    parser.add_argument(
        "--collect", type=Path, metavar="FILE", help="write all finished runs to a file (.nc), and stop"
    )
    options = parser.parse_args()
    if options.collect:
        collect(options.runs, options.collect)
        return
    wanted = trials(options.sweeps, options.seeds)[: options.limit]
    began = time.perf_counter()
    for count, trial in enumerate(wanted, 1):
        outcome = make(trial, options.runs)
        minutes = (time.perf_counter() - began) / 60
        print(f"{count} of {len(wanted)}, {minutes:.1f} min: {outcome}", flush=True)


if __name__ == "__main__":
    main()
