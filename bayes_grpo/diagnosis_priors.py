"""Priors of the diagnosis as data: channels, what a change of each can look like, and what each failure does to them.

A channel is a transformed column of the log (`bayes_grpo.diagnosis_channels`). While nothing is wrong it starts anywhere, settles
exponentially and fluctuates. From the onset on it may do one of the things of `Channel.changes`. A hypothesis says, channel
by channel, how probable each of them is: ``{"entropy": {"falls": 1.0}}``; what is left of 1 is no change at all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

#: The answers, in the order of tables; "undetermined" is the mass of failures that nothing in the log could show.
FAILURES = ("reward_hacking", "advantage_degeneracy", "policy_concentration", "dynamical_instability")
ANSWERS = ("healthy", *FAILURES, "undetermined")

#: Settling times tried, in rows with a reward, equally probable: from at once to slower than most runs are long.
SETTLING = (0.4, 3.0, 12.0, 50.0, 200.0)
#: Time constants of a change after its onset, equally probable: a jump (in rows), a slide and a drift (in runs: the distance
#: that a change is said to have is then covered within the run, not in a future that its rows only hint at).
JUMP, SLIDE, DRIFT = 0.7, 1 / 40, 1 / 5
#: Fluctuation beside white noise: lag-one correlation, and variance over that of the noise; equally probable. A run's expected
#: reward fluctuates about its plateau with a correlation time of 1/k (3 to 30 rows); entropy and length wander as widely.
FLUCTUATION = ((0.0, 0.0), (0.7, 1.0), (0.7, 10.0), (0.96, 1.0), (0.96, 10.0), (0.96, 100.0))


@dataclass(frozen=True)
class Shift:
    """A new level is approached after the onset: its distance is normal."""

    mean: float
    sd: float
    reason: str


@dataclass(frozen=True)
class Noise:
    """Innovations after the onset: variance times ``factors``, and an autoregression of them, all equally probable.

    ``rings`` holds (period in rows, radius of the root); None is uncorrelated.
    """

    factors: tuple[float, ...]
    rings: tuple[tuple[float, float] | None, ...]
    reason: str


@dataclass(frozen=True)
class Channel:
    """One channel: its unit, the settling that is ordinary, its scatter, and the changes that are told apart.

    The gain is normal (``settle_mean``, ``settle_sd``); the noise of a row log-normal about the median ``noise``; the fluctuation's
    standard deviation half-normal with scale ``fluctuation``. Noise beyond ``noise_most`` is impossible, give or take a tenth.
    """

    title: str
    unit: str
    settle_mean: float
    settle_sd: float
    noise: float
    noise_log_sd: float
    fluctuation: float
    source: str
    reason: str
    changes: Mapping[str, Shift | Noise] = field(default_factory=dict)
    noise_most: float = math.inf


_RINGS = ((2.0, 0.9), (3.0, 0.9), (4.0, 0.9), (7.0, 0.93), (14.0, 0.95))
_GROSS = Noise((4.0, 16.0, 64.0), (None,), "twice to eight times the scatter: more than a change of length or of spread makes")
_SEEN = "public and simulated runs set aside for tuning"

CHANNELS: dict[str, Channel] = {
    "reward": Channel(
        "reward", "share of its range", 0.25, 0.2, 0.04, 0.8, 0.06, "reduced-order model", "a run gains some tenths of the range, rarely falls",
        {
            "ordinary": Shift(0.05, 0.12, "a phase of faster learning, or harder prompts"),
            "rises": Shift(0.25, 0.12, "learning sets in late, or an exploit pays"),
            "falls": Shift(-0.45, 0.22, "a collapse loses the gain; half of it at least is asked for"),
            "rings": Noise((1.0, 4.0, 16.0, 64.0), _RINGS, "eigenvalues of a stale update leave the unit circle at -1 or in pairs"),
            "louder": Noise((6.0, 25.0, 100.0), (None,), "variance diverges where damping ends"),
        },
    ),
    "evaluation_reward": Channel(
        "evaluation reward", "share of its range", 0.25, 0.2, 0.03, 0.8, 0.06, "reduced-order model", "follows the reward",
        {
            "ordinary": Shift(0.05, 0.08, "as the reward's"),
            "rises": Shift(0.25, 0.12, "learning sets in late"),
            "falls": Shift(-0.3, 0.15, "what is rewarded is no longer what is wanted"),
        },
    ),
    "informative_groups": Channel(
        "informative groups", "log share of expected", -0.2, 0.4, 0.3, 0.8, 0.3, "binomial groups", "prompts come apart in difficulty a little",
        {
            "ordinary": Shift(0.0, 0.4, "another stretch of the data"),
            "falls": Shift(-2.0, 0.7, "most groups are all right or all wrong: a seventh of the signal is left"),
            "rises": Shift(0.8, 0.4, "a solved or hopeless batch comes apart again"),
        },
    ),
    "entropy": Channel(
        "entropy", "log nat", -0.9, 0.9, 0.08, 1.0, 0.3, _SEEN, "entropy settles between its start and a tenth of it",
        {
            "ordinary": Shift(0.0, 0.5, "wanders by a factor of 1.6"),
            "falls": Shift(-3.0, 0.6, "to its floor: a twentieth, of which nothing comes back"),
            "rises": Shift(2.2, 1.2, "the policy comes apart: nine times"),
        },
    ),
    "kl": Channel(
        "KL from the reference", "log", 2.0, 1.5, 0.15, 1.0, 0.4, _SEEN, "starts at none and grows to some hundredths or tenths",
        {
            "ordinary": Shift(0.2, 0.6, "drifts on"),
            "rises": Shift(1.5, 0.8, "runs away from the reference"),
            "louder": _GROSS,
        },
    ),
    "completion_length": Channel(
        "completion length", "log token", 0.0, 0.5, 0.08, 1.0, 0.2, _SEEN, "halves or doubles in a run",
        {
            "ordinary": Shift(0.0, 0.35, "drifts by a third"),
            "rises": Shift(0.8, 0.4, "runs on to the limit"),
            "falls": Shift(-1.2, 0.6, "stops at once"),
        },
    ),
    "grad_norm": Channel(
        "gradient norm", "log", 0.0, 0.7, 0.3, 0.8, 0.4, _SEEN, "halves or doubles in a run",
        {
            "ordinary": Shift(0.0, 0.5, "follows the spread of rewards"),
            "rises": Shift(1.5, 0.8, "explodes"),
            "falls": Shift(-2.0, 1.0, "no group has a signal"),
            "louder": _GROSS,
        },
    ),
    "clip_ratio": Channel(
        "clip ratio", "log", 0.0, 0.8, 0.4, 0.8, 0.5, _SEEN, "halves or doubles in a run",
        {
            "ordinary": Shift(0.0, 0.5, "drifts"),
            "rises": Shift(1.8, 0.9, "updates leave the trust region"),
            "louder": _GROSS,
        },
    ),
}

#: What a channel does on its own, at a time of its own, whatever the hypothesis: mostly nothing, often an ordinary change, now and
#: then something gross. The last bounds what one channel alone can prove, the more so where its column means different
#: things in different trainers (clip ratio, gradient norm: zero in rows without a signal).
OWN: dict[str, dict[str, float]] = {
    "reward": {"ordinary": 0.3, "rises": 0.2, "falls": 0.003, "rings": 0.001, "louder": 0.1},
    "evaluation_reward": {"ordinary": 0.3, "rises": 0.2, "falls": 0.001},
    "informative_groups": {"ordinary": 0.4, "falls": 0.001, "rises": 0.03},
    "entropy": {"ordinary": 0.4, "falls": 0.002, "rises": 0.01},
    "kl": {"ordinary": 0.3, "rises": 0.2, "louder": 0.05},
    "completion_length": {"ordinary": 0.3, "rises": 0.15, "falls": 0.15},
    "grad_norm": {"ordinary": 0.3, "rises": 0.15, "falls": 0.15, "louder": 0.15},
    "clip_ratio": {"ordinary": 0.4, "rises": 0.05, "louder": 0.1},
}

#: What a failure makes the channels do from its onset on, with which probability; else a channel goes its own way.
EFFECTS: dict[str, Mapping[str, Mapping[str, float]]] = {
    "reward_hacking": {
        "reward": {"rises": 0.4},
        "evaluation_reward": {"falls": 1.0},
        "completion_length": {"rises": 0.3},
        "kl": {"rises": 0.4},
        "entropy": {"falls": 0.15},
    },
    "advantage_degeneracy": {
        # Completions of a prompt are then all alike: the mean of B G rewards scatters like one of B.
        "reward": {"louder": 0.5},
        "informative_groups": {"falls": 1.0},
        "grad_norm": {"falls": 0.5, "louder": 0.2},
    },
    "policy_concentration": {
        # What narrows the policy at first often pays.
        "reward": {"rises": 0.3},
        "evaluation_reward": {"rises": 0.3},
        "entropy": {"falls": 1.0},
        "kl": {"rises": 0.5},
        "grad_norm": {"falls": 0.5, "louder": 0.2},
        "completion_length": {"rises": 0.15, "falls": 0.15},
    },
    "dynamical_instability": {
        "reward": {"falls": 0.55, "rings": 0.25, "louder": 0.15},
        "evaluation_reward": {"falls": 0.6},
        "entropy": {"rises": 0.5, "falls": 0.05},
        "grad_norm": {"rises": 0.3, "falls": 0.2, "louder": 0.2},
        "kl": {"rises": 0.4},
        "clip_ratio": {"rises": 0.4, "louder": 0.2},
        "completion_length": {"rises": 0.3, "falls": 0.2},
    },
}

#: A slow start ends: that moves several channels at once, whatever else happens. `SLOW_START` is its probability.
TAKE_OFF: dict[str, Mapping[str, float]] = {
    "reward": {"rises": 0.8},
    "evaluation_reward": {"rises": 0.8},
    "kl": {"rises": 0.6},
    "entropy": {"ordinary": 0.6},
    "informative_groups": {"ordinary": 0.3},
    "grad_norm": {"ordinary": 0.4, "rises": 0.2},
    "completion_length": {"ordinary": 0.4, "rises": 0.1, "falls": 0.1},
}
SLOW_START = 0.3

#: Probability that a failure was there from the first rows on (a wrong setting); else its onset is uniform over the rows.
FROM_START = 0.3

#: Of a counted reward (see `COUNTED_LOG_SD`) the scatter is known, and more of it is no accident of the scale.
OWN_COUNTED = {"louder": 0.001, "rings": 0.0003}

#: The channel without which a failure cannot be told, and the column that would give it.
DECISIVE: dict[str, str] = {
    "reward_hacking": "evaluation_reward",
    "advantage_degeneracy": "informative_groups",
    "policy_concentration": "entropy",
    "dynamical_instability": "reward",
}

#: Correlation of the rewards of one prompt's completions that is expected, and the log standard deviation of the noise that is left
#: once the number of prompts and completions of a row is known: Var = s^2 / B (rho + (1 - rho) / G).
PROMPT_CORRELATION, COUNTED_LOG_SD = 0.15, 0.35
#: Fluctuation of a reward of which a row counts enough completions to see it: a tenth of what the range allows.
COUNTED_FLUCTUATION = 0.03

#: Before any row: most runs are healthy, failures are equally common. No survey says better; it stands as an argument.
PRIOR: dict[str, float] = {"healthy": 0.6, **dict.fromkeys(FAILURES, 0.1)}
