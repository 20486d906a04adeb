"""Priors of a single channel in the diagnosis, as data: how it settles and scatters, and what a change of it can look like.

A channel is a transformed column of the log (`bayes_grpo.analysis.diagnosis.channels`). While nothing is wrong it starts anywhere, settles
exponentially and fluctuates. From an onset on it may do one of the things of `Channel.changes`; when it does which stands in
`bayes_grpo.analysis.diagnosis.effects`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

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
_GROSS = Noise(
    (4.0, 16.0, 64.0), (None,), "twice to eight times the scatter: more than a change of length or of spread makes"
)
_SEEN = "public and simulated runs set aside for tuning"

# Title, unit; mean and standard deviation of the gain; noise, its log standard deviation; fluctuation; source, reason.
# fmt: off
CHANNELS: dict[str, Channel] = {
    "reward": Channel(
        "reward", "share of its range", 0.25, 0.2, 0.04, 0.8, 0.06, "reduced-order model", "a run gains some tenths of the range, rarely falls",
        {
            "ordinary": Shift(0.05, 0.12, "a phase of faster learning, or harder prompts"),
            "rises": Shift(0.25, 0.12, "learning sets in late, or an exploit pays"),
            "falls": Shift(-0.45, 0.22, "a collapse loses the gain; half of it at least is asked for"),
            "rings": Noise(
                (1.0, 4.0, 16.0, 64.0), _RINGS, "eigenvalues of a stale update leave the unit circle at -1 or in pairs"
            ),
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
# fmt: on

#: Correlation of the rewards of one prompt's completions that is expected, and the log standard deviation of the noise that is left
#: once the number of prompts and completions of a row is known: Var = s^2 / B (rho + (1 - rho) / G).
PROMPT_CORRELATION, COUNTED_LOG_SD = 0.15, 0.35
#: Fluctuation of a reward of which a row counts enough completions to see it: a tenth of what the range allows.
COUNTED_FLUCTUATION = 0.03
