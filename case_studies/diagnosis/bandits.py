"""Runs that fail on purpose: a softmax bandit with many prompts, trained by GRPO, one failure switched on.

Logits of prompt p and arm a are ``shared[a] + own[p, a]``, both trained. Every prompt has its right arms; the verifier
errs now and then. Each mode changes one thing: an arm that is rewarded and wrong (reward hacking); prompts that become
all right or all wrong (advantage degeneracy); a high learning rate without KL (policy concentration); more updates on
one batch of rollouts than the threshold allows (dynamical instability). The last needs an interior fixed point whose
threshold is known: the package's bandit of one prompt, whose learning rate puts the refresh interval at a drawn
multiple of the exact threshold. Half of the healthy runs are such bandits too, well below it. A run counts only if
what was caused has happened, by truths that no trainer could log.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr

import bayes_grpo
from bayes_grpo.bandit import Bandit, linearise
from bayes_grpo.bandit import simulate as simulate_bandit
from bayes_grpo.laws.stability import refresh_threshold

MODES = ("healthy", "reward_hacking", "advantage_degeneracy", "policy_concentration", "dynamical_instability")
ARMS = 8


@dataclass
class Setting:
    """One run; ``onset`` is the row from which the cause acts, where it does not act from the start."""

    mode: str
    rows: int
    group_size: int
    prompts: int
    pool: int
    right: int
    error: float
    learning_rate: float
    own_share: float
    kl: float
    momentum: float
    late_rate: float = 1.0
    late_kl: float | None = None
    exploit: float | None = None  # logit that the exploit starts from
    unfit: float = 0.0
    onset: int = 0
    eval_every: int = 5
    eval_size: int = 256


def draw(mode: str, seed: int) -> Setting:
    """Settings of a run; no two modes share a stream of random numbers."""
    rng = np.random.default_rng([seed, MODES.index(mode)])
    rows = int(rng.integers(120, 260))
    s = Setting(
        mode,
        rows,
        group_size=int(rng.choice([4, 8, 16])),
        prompts=int(rng.choice([16, 32, 64])),
        pool=256,
        right=int(rng.integers(2, 4)),
        error=float(rng.uniform(0.05, 0.2)),
        learning_rate=float(rng.uniform(0.1, 0.4)),
        own_share=float(rng.uniform(0, 0.3)),
        kl=float(rng.uniform(0.02, 0.4)),
        momentum=float(rng.choice([0.0, 0.5, 0.9])),
        eval_every=int(rng.choice([1, 5, 10])),
    )
    late = int(rng.integers(rows // 5, 3 * rows // 5))
    if mode == "reward_hacking":
        # The exploit is rare at first and pays more often than a right answer.
        s.exploit, s.error, s.kl = float(rng.uniform(-3, 0)), float(rng.uniform(0.2, 0.4)), float(rng.uniform(0.0, 0.1))
    elif mode == "advantage_degeneracy":
        # Deterministic verifier, several right arms, no KL; some prompts have no right arm at all.
        s.error, s.kl, s.right, s.unfit = 0.0, 0.0, int(rng.integers(3, 6)), float(rng.uniform(0.25, 0.6))
        s.learning_rate *= 3
    elif mode == "policy_concentration":
        s.onset, s.late_rate, s.late_kl = late * int(rng.random() < 0.7), float(rng.uniform(20, 80)), 0.0
    return s


def simulate(s: Setting, seed: int) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """The run as a trainer would log it, a row a batch of rollouts, and truths without sampling noise."""
    rng = np.random.default_rng([seed, MODES.index(s.mode), 1])
    shared = rng.normal(0, 0.3, ARMS)
    own = rng.normal(0, 0.7, (s.pool, ARMS))
    right = np.zeros((s.pool, ARMS), bool)
    right[:, : s.right] = True
    if s.unfit:
        right[: int(s.unfit * s.pool)] = False
    lengths = rng.uniform(50, 200, ARMS)
    exploited = np.zeros(ARMS, bool)
    if s.exploit is not None:
        shared[-1], exploited[-1], lengths[-1] = s.exploit, True, rng.uniform(150, 600)
    reference_shared, reference_own = shared.copy(), own.copy()
    velocity_shared, velocity_own = np.zeros_like(shared), np.zeros_like(own)
    out: dict[str, list[float]] = {}
    truth: dict[str, list[float]] = {"right": [], "entropy": [], "zero_spread": []}
    for row in range(s.rows):
        acting = row >= s.onset
        rate = s.learning_rate * (s.late_rate if acting else 1.0)
        kl = s.late_kl if acting and s.late_kl is not None else s.kl
        which = rng.integers(0, s.pool, s.prompts)
        logits = shared + own[which]
        pi = softmax(logits)
        arm = (rng.random((s.prompts, s.group_size, 1)) > np.cumsum(pi, -1)[:, None, :-1]).sum(-1)
        good = np.take_along_axis(right[which], arm, 1)
        reward = ((good != (rng.random(good.shape) < s.error)) | exploited[arm]).astype(float)
        spread = reward.std(1, ddof=1, keepdims=True)
        advantage = (reward - reward.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        pushed = np.zeros_like(pi)
        np.add.at(pushed, (np.arange(s.prompts)[:, None], arm), advantage / s.group_size)
        relative = np.log(pi) - np.log(softmax(reference_shared + reference_own[which]))
        row_values = {
            "optimizer_step": row + 1,
            "reward": reward.mean(),
            "reward_spread": spread.mean(),
            "zero_spread_share": (spread == 0).mean(),
            "entropy": -(pi * np.log(pi)).sum(-1).mean(),
            "kl": (pi * relative).sum(-1).mean(),
            "completion_length": lengths[arm].mean(),
            "evaluation_reward": np.nan,
        }
        policy = softmax(shared + own)
        held_out = (policy * right).sum(-1).mean()
        success = s.error + (1 - 2 * s.error) * (policy * right).sum(-1)
        success = success + (1 - success) * (policy * exploited).sum(-1)
        truth["right"].append(held_out)
        truth["entropy"].append(-(policy * np.log(policy)).sum(-1).mean())
        truth["zero_spread"].append((success**s.group_size + (1 - success) ** s.group_size).mean())
        if row % s.eval_every == 0:
            row_values["evaluation_reward"] = rng.binomial(s.eval_size, min(held_out, 1.0)) / s.eval_size
        gradient = pushed - pi * pushed.sum(-1, keepdims=True)
        gradient = gradient - kl * pi * (relative - (pi * relative).sum(-1, keepdims=True))
        toward_shared, toward_own = gradient.mean(0), np.zeros_like(own)
        np.add.at(toward_own, which, gradient)
        norm = float(np.sqrt((toward_shared**2).sum() + (toward_own**2).sum() / s.prompts**2))
        velocity_shared = s.momentum * velocity_shared + (1 - s.momentum) * rate * toward_shared
        velocity_own = s.momentum * velocity_own + (1 - s.momentum) * rate * s.own_share * toward_own
        shared, own = shared + velocity_shared, own + velocity_own
        for name, value in (row_values | {"grad_norm": norm}).items():
            out.setdefault(name, []).append(float(value))
    known = {"group_size": s.group_size, "prompts_per_step": s.prompts, "momentum": s.momentum}
    known |= {"refresh_interval": 1, "reward_lower": 0, "reward_upper": 1}
    run = bayes_grpo.make_run(f"{s.mode}-{seed}", out, known, spread="within_group")
    return run, {name: np.array(values) for name, values in truth.items()}


def make(mode: str, seed: int) -> tuple[xr.Dataset, float]:
    """A run that is of its mode, and the optimizer step from which the cause acts."""
    for attempt in range(50):
        stream = seed + 100_000 * attempt
        if mode == "dynamical_instability" or (mode == "healthy" and seed % 4 < 2):
            return stale(mode, seed)
        setting = draw(mode, stream)
        run, truth = simulate(setting, stream)
        if happened(mode, truth):
            run = run.assign_coords(run=[f"{mode}-{seed}"])
            return run, float(run["optimizer_step"].values[0, setting.onset])
    raise RuntimeError(f"{mode}, seed {seed}: no setting did what it should")


def happened(mode: str, truth: dict[str, np.ndarray]) -> bool:
    """Whether a run is what its mode says; truth is free of noise."""
    right, entropy, solved = truth["right"], truth["entropy"], truth["zero_spread"]
    last = slice(-len(right) // 5, None)
    lost = right.max() - right[last].mean()
    alike = solved[last].mean() > 0.9 and 0.15 < right[last].mean() < 0.85
    flat = entropy[last].mean() < 0.05 * entropy[0]
    return {
        "healthy": lost < 0.05 and not alike and entropy[last].mean() > 0.12 * entropy[0],
        "reward_hacking": lost > 0.15,
        "advantage_degeneracy": alike and not flat,
        "policy_concentration": flat and lost < 0.05,
    }[mode]


@lru_cache(maxsize=64)
def _stiffness(mean: tuple[float, ...], kl: float, group_size: int) -> tuple[float, tuple[float, ...]]:
    near = linearise(Bandit(reward_mean=mean, kl=kl, group_size=group_size, learning_rate=1.0), "finite")
    return float(near.stiffness.max()), tuple(float(v) for v in near.logits)


def stale(mode: str, seed: int) -> tuple[xr.Dataset, float]:
    """A bandit of one prompt whose refresh interval is beyond its threshold, or well below; evaluations are sampled."""
    rng = np.random.default_rng([seed, MODES.index(mode), 2])
    mean = [(1.0, 0.0), (0.9, 0.1), (0.9, 0.5, 0.1)][rng.integers(3)]
    kl, group_size = float(rng.uniform(0.8, 1.8)) * (mean[0] - mean[-1]), int(rng.choice([4, 8]))
    momentum = float(rng.choice([0.0, 0.9]))
    interval, rows = (32 if momentum else 16), 150
    ratio = float(rng.uniform(1.15, 1.8) if mode == "dynamical_instability" else rng.uniform(0.03, 0.35))
    stiffness, fixed_point = _stiffness(mean, round(kl, 2), group_size)
    low, high = 1e-4, 100.0
    for _ in range(50):
        rate = np.sqrt(low * high)
        beyond = float(refresh_threshold(stiffness * rate, momentum)) <= interval / ratio
        low, high = (low, rate) if beyond else (rate, high)
    settled = mode != "healthy" and rng.random() < 0.5
    warmup = 0 if settled else int(rng.choice([0, 1, 2])) * rows * interval // 6
    bandit = Bandit(
        reward_mean=mean,
        kl=round(kl, 2),
        group_size=group_size,
        prompts_per_step=32,
        momentum=momentum,
        learning_rate=float(high),
        refresh_interval=interval,
        steps=rows * interval,
        warmup_steps=warmup,
        initial=fixed_point if settled else None,
    )
    run = simulate_bandit(bandit, [seed])
    truth = run["evaluation_reward"].values[0]
    heard = np.where(np.arange(rows) % int(rng.choice([1, 5, 10])) == 0, rng.binomial(256, truth) / 256, np.nan)
    run = run.assign(evaluation_reward=(("run", "step"), heard[None])).assign_coords(run=[f"{mode}-{seed}"])
    return run, max(1.0, warmup / ratio if mode == "dynamical_instability" else 1.0)


def softmax(logits: np.ndarray) -> np.ndarray:
    weight = np.exp(logits - logits.max(-1, keepdims=True))
    return np.maximum(weight / weight.sum(-1, keepdims=True), 1e-12)
