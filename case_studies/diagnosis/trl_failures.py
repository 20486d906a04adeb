"""Real GRPOTrainer runs that fail on purpose, one cause each, and healthy ones with like settings.

The laboratory's task (``../trl_lab/lab.py``) from a pretrained start: a few steps of cross-entropy give the words of
an answer chosen shares. A second reward function with weight 0 is the metric that counts: whether the answer is right,
by a verifier that neither errs nor pays the exploit. Causes: a word that is always paid and never right (reward
hacking); symbols without a right answer, the rest with several and a verifier without errors (advantage degeneracy); a
learning rate raised without KL (policy concentration); the same with KL, at 8 to 32 updates on each batch of rollouts
(dynamical instability: the threshold in the refresh interval falls below what is used). A run counts if what was
caused has happened, by the policy's own probabilities after every step. Resumable. Needs the extra `train`.
"""

import argparse
import json
import random
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from case_studies.diagnosis.bandits import MODES
from case_studies.trl_lab import lab

EXPLOIT = "x"
#: Columns kept of the logs.
KEPT = ("optimizer_step", "reward", "learning_rate", "reward_spread", "zero_spread_share", "evaluation_reward")
KEPT += ("entropy", "kl", "grad_norm", "clip_ratio")
WORDS = ["<pad>", "<eos>", "=", *[f"s{n}" for n in range(lab.SYMBOLS)], EXPLOIT]


@dataclass(frozen=True)
class Failing:
    """Settings of one run. ``late_*`` hold from the row ``onset`` on."""

    mode: str
    seed: int
    rows: int
    trial: lab.Trial
    right: int  # right answers of a symbol
    start: float  # share of right answers before training
    error: float = 0.0  # of the verifier
    exploit: float = 0.0  # share of the exploit before training; 0: not paid
    unfit: int = 0  # symbols without a right answer
    onset: int = 0
    late_rate: float | None = None
    late_kl: float | None = None

    @property
    def name(self) -> str:
        return f"{self.mode}-{self.seed}"


def draw(mode: str, seed: int, attempt: int = 0) -> Failing:
    """Settings of a run; modes share no stream of random numbers."""
    rng = np.random.default_rng([seed, MODES.index(mode), attempt])
    rows, interval, clip = int(rng.integers(120, 240)), 1, 0.2
    rate, kl = float(np.exp(rng.uniform(np.log(3e-4), np.log(2e-3)))), float(rng.uniform(0.05, 0.4))
    error, right, start = float(rng.uniform(0.05, 0.2)), int(rng.integers(1, 4)), float(rng.uniform(0.15, 0.5))
    more: dict = {}
    if mode == "reward_hacking":
        # A right answer is paid less often than the exploit, which is rare at first.
        error, kl = float(rng.uniform(0.2, 0.4)), float(rng.uniform(0, 0.05))
        more["exploit"] = float(np.exp(rng.uniform(np.log(0.002), np.log(0.05))))
    elif mode == "advantage_degeneracy":
        error, kl, right, more["unfit"] = 0.0, 0.0, int(rng.integers(2, 4)), int(rng.integers(2, 6))
    elif mode == "policy_concentration":
        more |= {"onset": int(rng.integers(rows // 5, 3 * rows // 5)) * int(rng.random() < 0.7), "late_kl": 0.0}
        more["late_rate"] = rate * float(rng.uniform(5, 20))
    elif mode == "dynamical_instability":
        interval, clip, rows = int(rng.choice([8, 16, 32])), 1e6, rows // 2 + 40
        rate = float(np.exp(rng.uniform(np.log(2e-4), np.log(6e-4))))
        more |= {"onset": int(rng.integers(rows // 4, 3 * rows // 5)), "late_kl": kl}
        more["late_rate"] = rate * float(np.exp(rng.uniform(np.log(10), np.log(50))))
    elif rng.random() < 0.3:
        interval = 2
    trial = lab.Trial(
        group_size=int(rng.choice([4, 8, 16])),
        refresh_interval=interval,
        clip=clip,
        momentum=float(rng.choice([0.0, 0.5, 0.9])),
        learning_rate=rate,
        kl=kl,
        width=int(rng.choice([32, 64])),
        seed=seed + 1000 * attempt,
    )
    return Failing(mode, seed, rows, trial, right, start, error, **more)


def right_answers(s: Failing) -> dict[str, set[str]]:
    """Right answers of every symbol."""
    symbols = [f"s{n}" for n in range(lab.SYMBOLS)]
    unfit = set(random.Random(s.seed).sample(symbols, s.unfit))
    near = {a: {symbols[(i + j) % lab.SYMBOLS] for j in range(s.right)} for i, a in enumerate(symbols)}
    return {a: set() if a in unfit else answers for a, answers in near.items()}


def pretrain(model, tokenizer, s: Failing) -> None:
    """Train by cross-entropy until the answers have the chosen shares, jittered among words of one kind.

    After 300 steps the shares are met to within 0.02.
    """
    import torch

    answers = right_answers(s)
    rng = np.random.default_rng(s.trial.seed)
    share = np.zeros((lab.SYMBOLS, len(WORDS)))
    for i, symbol in enumerate(answers):
        is_right = np.array([word in answers[symbol] for word in WORDS])
        weight = np.exp(rng.normal(0, 0.3, len(WORDS)))
        rest = ~is_right
        if s.exploit:
            rest[-1] = False
            share[i, -1] = s.exploit
        right = s.start if is_right.any() else 0.0
        if right:
            share[i, is_right] = right * weight[is_right] / weight[is_right].sum()
        share[i, rest] = (1 - right - s.exploit) * weight[rest] / weight[rest].sum()
    batch = tokenizer([f"{symbol} =" for symbol in answers], return_tensors="pt")["input_ids"]
    target = torch.tensor(share, dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(300):
        loss = -(target * model(batch).logits[:, -1].log_softmax(-1)).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def build(s: Failing, folder: Path):
    """Trainer of one run, and what its policy does after every batch of rollouts, filled while it trains."""
    import torch
    from transformers import TrainerCallback

    tokenizer, model = lab.build_model(WORDS, s.trial.width, s.trial.seed)
    pretrain(model, tokenizer, s)
    answers = right_answers(s)
    verifier, chosen = random.Random(s.trial.seed), random.Random(1000 + s.trial.seed)

    def paid(prompts, completions, **_):
        out = []
        for prompt, word in zip(prompts, (c.strip() for c in completions), strict=True):
            right = (word in answers[prompt.split()[0]]) != (verifier.random() < s.error)
            out.append(float(right or (s.exploit > 0 and word == EXPLOIT)))
        return out

    def right(prompts, completions, **_):
        return [float(c.strip() in answers[p.split()[0]]) for p, c in zip(prompts, completions, strict=True)]

    steps = s.rows * s.trial.refresh_interval
    prompts = [f"s{chosen.randrange(lab.SYMBOLS)} =" for _ in range(lab.PROMPTS * steps)]
    trainer = lab.trainer_of(
        s.trial, folder, steps, tokenizer, model, [paid, right], prompts, reward_weights=[1.0, 0.0]
    )
    truth: dict[str, list[float]] = {"right": [], "entropy": [], "zero_spread": []}
    batch = tokenizer([f"{symbol} =" for symbol in answers], return_tensors="pt")["input_ids"]
    is_right = torch.tensor([[word in answers[symbol] for word in WORDS] for symbol in answers])
    exploited = torch.tensor([s.exploit > 0 and word == EXPLOIT for word in WORDS])

    class Watch(TrainerCallback):
        def on_step_begin(self, args, state, control, model=None, optimizer=None, lr_scheduler=None, **_):
            if state.global_step % s.trial.refresh_interval == 0:
                with torch.no_grad():
                    log = model(batch.to(model.device)).logits[:, -1].log_softmax(-1).double().cpu()
                p = log.exp()
                good = (p * is_right).sum(-1)
                pays = s.error + (1 - 2 * s.error) * good
                pays = pays + (p * exploited).sum(-1) * (1 - s.error)
                truth["right"].append(float(good.mean()))
                truth["entropy"].append(float(-(p * log).sum(-1).mean()))
                g = s.trial.group_size
                truth["zero_spread"].append(float((pays**g + (1 - pays) ** g).mean()))
            if s.late_rate is not None and state.global_step == s.onset * s.trial.refresh_interval:
                trainer.beta = s.late_kl
                lr_scheduler.base_lrs = [s.late_rate] * len(lr_scheduler.base_lrs)
                lr_scheduler._last_lr = lr_scheduler.base_lrs  # which is what gets logged
                for group in optimizer.param_groups:
                    group["lr"] = s.late_rate

    trainer.add_callback(Watch())
    return trainer, truth


def happened(s: Failing, truth: dict[str, np.ndarray]) -> bool:
    """Whether a run is what its mode says."""
    right, entropy, solved = truth["right"], truth["entropy"], truth["zero_spread"]
    last = slice(-len(right) // 5, None)
    best = max(np.convolve(right, np.ones(5) / 5, "valid"))
    lost, gained = best - right[last].mean(), best - right[:5].mean()
    alike = solved[last].mean() > 0.9 and 0.15 < right[last].mean() < 0.85
    flat = entropy[last].mean() < 0.05 * entropy[0]
    return {
        "healthy": lost < 0.05 and not alike and entropy[last].mean() > 0.12 * entropy[0],
        "reward_hacking": lost > 0.15,
        "advantage_degeneracy": alike and not flat,
        "policy_concentration": flat and lost < 0.05,
        "dynamical_instability": lost > max(0.1, gained / 2),
    }[s.mode]


def make(mode: str, seed: int, root: Path, attempts: int = 10) -> str:
    """Train until a setting does what it should, unless that is done."""
    folder = root / f"{mode}-{seed}"
    if (folder / "done.json").exists():
        return f"{folder.name}: there"
    from bayes_grpo.trl.recorder import record

    for attempt in range(attempts):
        shutil.rmtree(folder, ignore_errors=True)
        s = draw(mode, seed, attempt)
        began = time.perf_counter()
        trainer, truth = build(s, folder)
        record(trainer, evaluation="rewards/right/mean")
        trainer.train()
        shutil.rmtree(folder / "start")
        seen = {name: np.array(values) for name, values in truth.items()}
        if happened(s, seen):
            kept = asdict(s) | {"seconds": time.perf_counter() - began, "attempt": attempt, "truth": truth}
            (folder / "done.json").write_text(json.dumps(kept))
            return f"{s.name}: attempt {attempt}, {kept['seconds']:.0f} s"
        print(
            f"{s.name}: attempt {attempt} did not, right {seen['right'][0]:.2f} to {seen['right'][-1]:.2f}", flush=True
        )
    return f"{folder.name}: no setting did what it should"


def collect(root: Path, out: Path) -> None:
    """All runs in one file, a row a batch of rollouts: its reward, and means over the updates made on it."""
    import pandas as pd

    import bayes_grpo
    from bayes_grpo.runs.dataset import hyperparameters_of, one_run

    runs = []
    for done in sorted(root.glob("*/done.json")):
        run = one_run(bayes_grpo.read_run(done.parent / "bayes_grpo.jsonl"))
        table = pd.DataFrame({name: run[name].values for name in KEPT if name in run})
        table = table.groupby(np.isfinite(run["reward"].values).cumsum()).mean()
        table["optimizer_step"] = run["optimizer_step"].values[np.isfinite(run["reward"].values)]
        columns = {name: np.array([float(f"{v:.4g}") for v in table[name]]) for name in table}
        known = hyperparameters_of(run) | {"reward_lower": 0, "reward_upper": 1}
        runs.append(bayes_grpo.make_run(done.parent.name, columns, known, spread="within_group"))
    bayes_grpo.save_runs(bayes_grpo.combine(runs), out)
    print(f"{len(runs)} runs in {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("trl_failure_runs"), help="folder for the runs")
    parser.add_argument("--seeds", type=int, default=12, help="runs of each mode")
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--collect", type=Path, metavar="FILE", help="write all runs to a file (.nc), and stop")
    options = parser.parse_args()
    if options.collect:
        collect(options.runs, options.collect)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        pending = [
            pool.submit(make, mode, seed, options.runs) for seed in range(options.seeds) for mode in options.modes
        ]
        for future in pending:
            print(future.result(), flush=True)


if __name__ == "__main__":
    main()
