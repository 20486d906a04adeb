"""Runs that fail on purpose: a softmax bandit with many prompts, trained by GRPO, one failure switched on.

Logits of prompt p and arm a are ``shared[a] + own[p, a]``, both trained. Every prompt has its right arms; the verifier errs now
and then. Each mode changes one thing: an arm that is rewarded and wrong (reward hacking); prompts that become all right or all
wrong (advantage degeneracy); a high learning rate without KL (policy concentration); more updates on one batch of rollouts than
the threshold allows, from some step on (dynamical instability). Everything else is drawn from the same ranges as for healthy runs.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

import bayes_grpo

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
    refresh: int = 1
    late_refresh: int = 1
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
    elif mode == "dynamical_instability":
        # Stiffness times refresh interval is beyond the threshold of about 2.
        s.onset, s.late_refresh = late * int(rng.random() < 0.7), int(rng.choice([8, 16, 32]))
        s.kl, s.momentum = float(rng.uniform(0.2, 0.5)), 0.9
        s.late_rate = float(rng.uniform(4, 12)) / (0.1 * s.kl * s.late_refresh) / s.learning_rate
    return s


def simulate(s: Setting, seed: int) -> xr.Dataset:
    """The run as a trainer would log it, a row a batch of rollouts."""
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
    step = 0
    for row in range(s.rows):
        acting = row >= s.onset
        rate = s.learning_rate * (s.late_rate if acting else 1.0)
        kl = s.late_kl if acting and s.late_kl is not None else s.kl
        refresh = s.late_refresh if acting else s.refresh
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
            "optimizer_step": step + 1,
            "reward": reward.mean(),
            "reward_spread": spread.mean(),
            "zero_spread_share": (spread == 0).mean(),
            "entropy": -(pi * np.log(pi)).sum(-1).mean(),
            "kl": (pi * relative).sum(-1).mean(),
            "completion_length": lengths[arm].mean(),
            "evaluation_reward": np.nan,
        }
        if row % s.eval_every == 0:
            held_out = (softmax(shared + own) * right).sum(-1).mean()
            row_values["evaluation_reward"] = rng.binomial(s.eval_size, min(held_out, 1.0)) / s.eval_size
        norm = 0.0
        for _ in range(refresh):
            # Frozen gradient of the rewards, as the closed form of the threshold has it; the pull of KL is part of it.
            gradient = pushed - pi * pushed.sum(-1, keepdims=True)
            gradient = gradient - kl * pi * (relative - (pi * relative).sum(-1, keepdims=True))
            toward_shared, toward_own = gradient.mean(0), np.zeros_like(own)
            np.add.at(toward_own, which, gradient)
            norm = max(norm, float(np.sqrt((toward_shared**2).sum() + (toward_own**2).sum() / s.prompts**2)))
            velocity_shared = s.momentum * velocity_shared + (1 - s.momentum) * rate * toward_shared
            velocity_own = s.momentum * velocity_own + (1 - s.momentum) * rate * s.own_share * toward_own
            shared, own = shared + velocity_shared, own + velocity_own
            step += 1
        for name, value in (row_values | {"grad_norm": norm}).items():
            out.setdefault(name, []).append(float(value))
    known = {"group_size": s.group_size, "prompts_per_step": s.prompts, "momentum": s.momentum, "reward_lower": 0, "reward_upper": 1}
    return bayes_grpo.make_run(f"{s.mode}-{seed}", out, known, spread="within_group")


def softmax(logits: np.ndarray) -> np.ndarray:
    weight = np.exp(logits - logits.max(-1, keepdims=True))
    return np.maximum(weight / weight.sum(-1, keepdims=True), 1e-12)
