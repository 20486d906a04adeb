"""Train a tiny transformer with GRPO on verifiable arithmetic: the run that comes with the package.

The task is addition modulo 3: the prompt is "a + b =", the answer one word, the reward 1 when it is right. The
verifier errs with a known probability, so the highest expected reward is below 1 and the reward keeps fluctuating.
Runs on CPU in minutes, and on a GPU unchanged. Needs the extra `train`.
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
import transformers
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback

MODULUS = 3
KEPT = (
    "step",
    "reward",
    "reward_std",
    "frac_reward_zero_std",
    "learning_rate",
    "entropy",
    "grad_norm",
    "loss",
    "clip_ratio/region_mean",
    "completions/mean_length",
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    words = ["<pad>", "<eos>", "+", "=", *[str(n) for n in range(MODULUS)]]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


def make_model(vocabulary: int, width: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=32,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
    )


def make_reward(flip: float, seed: int):
    verifier = random.Random(seed)

    def reward(prompts, completions, **_):
        out = []
        for prompt, completion in zip(prompts, completions, strict=True):
            a, _plus, b, _equals = prompt.split()
            right = completion.strip() == str((int(a) + int(b)) % MODULUS)
            out.append(float(right != (verifier.random() < flip)))
        return out

    return reward


class Show(TrainerCallback):
    def on_log(self, args, state, control, logs=None, **_):
        if logs and state.global_step % 25 == 0 and "reward" in logs:
            print(f"step {state.global_step}: reward {float(logs['reward']):.3f}", flush=True)


def small(row: dict) -> dict:
    """A log row as TRL wrote it, without timings and copies, floats rounded to 6 digits."""
    kept = {key: row[key] for key in KEPT if key in row}
    return {key: float(f"{value:.6g}") if isinstance(value, float) else value for key, value in kept.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("arithmetic_grpo"))
    parser.add_argument("--steps", type=int, default=380)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--prompts-per-step", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--flip", type=float, default=0.15)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    transformers.set_seed(options.seed)
    tokenizer = make_tokenizer()
    model = make_model(len(tokenizer), options.width)
    draw = random.Random(options.seed)
    count = options.steps * options.prompts_per_step
    prompts = [f"{draw.randrange(MODULUS)} + {draw.randrange(MODULUS)} =" for _ in range(count)]
    arguments = trl.GRPOConfig(
        output_dir=str(options.out),
        max_steps=options.steps,
        learning_rate=options.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=10,
        adam_beta1=0.9,
        num_generations=options.group_size,
        per_device_train_batch_size=options.group_size * options.prompts_per_step,
        num_iterations=1,
        max_completion_length=1,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        seed=options.seed,
        bf16=False,
        use_cpu=not torch.cuda.is_available(),
    )
    trainer = trl.GRPOTrainer(
        model=model,
        reward_funcs=make_reward(options.flip, options.seed),
        args=arguments,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        processing_class=tokenizer,
        callbacks=[Show()],
    )
    began = time.perf_counter()
    trainer.train()
    print(f"{(time.perf_counter() - began) / options.steps:.3f} s a step")
    trainer.save_state()
    state_file = options.out / "trainer_state.json"
    state = json.loads(state_file.read_text())
    rows = ",\n".join(json.dumps(small(row)) for row in state.pop("log_history"))
    rest = json.dumps({key: state[key] for key in ("global_step", "logging_steps", "max_steps")})
    state_file.write_text(f'{rest[:-1]}, "log_history": [\n{rows}\n]}}\n')
    facts = {
        "group_size": options.group_size,
        "prompts_per_step": options.prompts_per_step,
        "momentum": arguments.adam_beta1,
        "refresh_interval": 1,
        "logging_window": 1,
        "planned_steps": options.steps,
        "reward_lower": 0,
        "reward_upper": 1,
        "model_size": sum(p.numel() for p in model.parameters()),
        "spread": "batch",
        "trl_version": trl.__version__,
        "optimizer": "adamw",
    }
    (options.out / "hyperparameters.toml").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in facts.items()))


if __name__ == "__main__":
    main()
