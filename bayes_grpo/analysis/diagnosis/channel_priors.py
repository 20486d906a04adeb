"""The channels of a diagnosis, as data: how each settles and scatters, and what a change of it looks like.

A channel is a transformed column of the log (`bayes_grpo.analysis.diagnosis.channels`). While nothing is wrong it
starts anywhere, settles exponentially and fluctuates. From an onset on it may make one of its `Channel.changes`. What a
failure makes it do stands in `bayes_grpo.analysis.diagnosis.modes`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Settling times, in rows with a reward, all equally probable: from at once to longer than most runs.
SETTLING = (0.4, 3.0, 12.0, 50.0, 200.0)
#: Time constants of a change after its onset, all equally probable: a jump (in rows), a slide and a drift (as shares of
#: the run, so that most of a change happens within the run and little is left to a future that nobody has seen).
JUMP, SLIDE, DRIFT = 0.7, 1 / 40, 1 / 5
#: Kinds of fluctuation beside white noise, all equally probable: lag-one correlation, and variance over that of the
#: noise. The expected reward of a run fluctuates about its plateau with a correlation time of 1/k (3 to 30 rows);
#: entropy and length fluctuate as slowly.
FLUCTUATION = ((0.0, 0.0), (0.7, 1.0), (0.7, 10.0), (0.96, 1.0), (0.96, 10.0), (0.96, 100.0))


@dataclass(frozen=True)
class Shift:
    """A change of level: from the onset on the channel approaches a new level, whose distance is normal."""

    mean: float
    sd: float
    reason: str


@dataclass(frozen=True)
class Noise:
    """A change of noise: from the onset on the innovations have another variance, and may ring.

    Parameters
    ----------
    factors : tuple of float
        Factors of the variance, all equally probable.
    rings : tuple
        Autoregressions of the innovations, all equally probable: (period in rows, radius of the root), or None for
        innovations that are not correlated.
    reason : str
        Why the change looks like this.
    """

    factors: tuple[float, ...]
    rings: tuple[tuple[float, float] | None, ...]
    reason: str


@dataclass(frozen=True)
class Still:
    """No settling: the gain is normal about 0 with this standard deviation."""

    sd: float
    reason: str


@dataclass(frozen=True)
class Channel:
    """One channel of a run.

    Parameters
    ----------
    title, unit : str
        What figures call it, and the unit of its values.
    settle_mean, settle_sd : float
        The settling that is ordinary: the gain is normal with these.
    noise, noise_log_sd : float
        The standard deviation of a row's noise is log-normal about the median ``noise``.
    fluctuation : float
        The standard deviation of the fluctuation is half-normal with this scale.
    source, reason : str
        Where these numbers come from, and why they are as they are.
    changes : mapping
        The changes that are told apart, by name.
    own : mapping
        What the channel does on its own, in healthy runs too and at any time: probabilities of its changes. Mostly it
        does nothing, often it makes an ordinary change, now and then a gross one. The probability of gross changes
        bounds what one channel alone can prove. It is larger where a column means different things in different
        trainers (the clip ratio; the gradient norm, which is zero in rows without a signal).
    take_off : mapping
        What the end of a slow start makes it do: probabilities of its changes.
    floor : float or None
        The values of the channel are logarithms of the column plus this number, below which the log's rounding would
        show. None for channels whose values are made in another way.
    supply : str
        What would supply the channel where it is not logged; '' where that is the column of its name.
    noise_most : float
        The noise is not larger than this, up to a tenth.
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
    changes: Mapping[str, Shift | Noise | Still] = field(default_factory=dict)
    own: Mapping[str, float] = field(default_factory=dict)
    take_off: Mapping[str, float] = field(default_factory=dict)
    floor: float | None = None
    supply: str = ""
    noise_most: float = math.inf


_RINGS = ((2.0, 0.9), (3.0, 0.9), (4.0, 0.9), (7.0, 0.93), (14.0, 0.95))
_GROSS = Noise(
    (4.0, 16.0, 64.0), (None,), "twice to eight times the scatter: more than a change of length or of spread makes"
)
_SEEN = "public and simulated runs set aside for tuning"

# fmt: off
#: The channels by name, in the order of tables. An entry opens with title, unit; mean and standard deviation of the
#: gain; noise, its log standard deviation; fluctuation; source, reason.
CHANNELS: dict[str, Channel] = {
    "reward": Channel(
        "reward", "share of its range", 0.25, 0.2, 0.04, 0.8, 0.06,
        "reduced-order model", "a run gains some tenths of the range, rarely falls",
        {
            "ordinary": Shift(0.05, 0.12, "a phase of faster learning, or harder prompts"),
            "rises": Shift(0.25, 0.12, "learning sets in late, or an exploit pays"),
            "falls": Shift(-0.45, 0.22, "a collapse loses the gain; half of it at least is asked for"),
            "rings": Noise(
                (1.0, 4.0, 16.0, 64.0), _RINGS, "eigenvalues of a stale update leave the unit circle at -1 or in pairs"
            ),
            "louder": Noise((6.0, 25.0, 100.0), (None,), "variance diverges where damping ends"),
            "still": Still(0.01, "a gain of two hundredths of the range is all that passes for none"),
        },
        own={"ordinary": 0.3, "rises": 0.2, "falls": 0.003, "rings": 0.001, "louder": 0.1},
        take_off={"rises": 0.8},
    ),
    "evaluation_reward": Channel(
        "evaluation reward", "share of its range", 0.25, 0.12, 0.03, 0.8, 0.06,
        "reduced-order model", "follows the reward; in one healthy run of fifty it ends lower than it began",
        {
            "ordinary": Shift(0.05, 0.08, "as the reward's"),
            "rises": Shift(0.25, 0.12, "learning sets in late"),
            "falls": Shift(-0.3, 0.15, "what is rewarded is no longer what is wanted"),
        },
        own={"ordinary": 0.3, "rises": 0.2, "falls": 0.001},
        take_off={"rises": 0.8},
        supply="evaluation_reward (mean reward on held-out prompts by the true metric)",
    ),
    "informative_groups": Channel(
        "informative groups", "log share of expected", -0.2, 0.4, 0.3, 0.8, 0.3,
        "binomial groups", "prompts come apart in difficulty a little",
        {
            "ordinary": Shift(0.0, 0.4, "another stretch of the data"),
            "falls": Shift(-2.0, 0.7, "most groups are all right or all wrong: a seventh of the signal is left"),
            "rises": Shift(0.8, 0.4, "a solved or hopeless batch comes apart again"),
        },
        own={"ordinary": 0.4, "falls": 0.001, "rises": 0.03},
        take_off={"ordinary": 0.3},
        supply="zero_spread_share (share of groups whose rewards are all equal)",
    ),
    "entropy": Channel(
        "entropy", "log nat", -0.9, 0.9, 0.08, 1.0, 0.3,
        _SEEN, "entropy settles between its start and a tenth of it",
        {
            "ordinary": Shift(0.0, 0.5, "wanders by a factor of 1.6"),
            "falls": Shift(-3.0, 0.6, "to its floor: a twentieth, of which nothing comes back"),
            "rises": Shift(2.2, 1.2, "the policy comes apart: nine times"),
        },
        own={"ordinary": 0.4, "falls": 0.002, "rises": 0.01},
        take_off={"ordinary": 0.6},
        floor=2e-2,
    ),
    "kl": Channel(
        "KL from the reference", "log", 2.0, 1.5, 0.15, 1.0, 0.4,
        _SEEN, "starts at none and grows to some hundredths or tenths",
        {
            "ordinary": Shift(0.2, 0.6, "drifts on"),
            "rises": Shift(1.5, 0.8, "runs away from the reference"),
            "louder": _GROSS,
        },
        own={"ordinary": 0.3, "rises": 0.2, "louder": 0.05},
        take_off={"rises": 0.6},
        floor=1e-2,
    ),
    "completion_length": Channel(
        "completion length", "log token", 0.0, 0.5, 0.08, 1.0, 0.2,
        _SEEN, "halves or doubles in a run",
        {
            "ordinary": Shift(0.0, 0.35, "drifts by a third"),
            "rises": Shift(0.8, 0.4, "runs on to the limit"),
            "falls": Shift(-1.2, 0.6, "stops at once"),
        },
        own={"ordinary": 0.3, "rises": 0.15, "falls": 0.15},
        take_off={"ordinary": 0.4, "rises": 0.1, "falls": 0.1},
        floor=1.0,
    ),
    "grad_norm": Channel(
        "gradient norm", "log", 0.0, 0.7, 0.3, 0.8, 0.4,
        _SEEN, "halves or doubles in a run",
        {
            "ordinary": Shift(0.0, 0.5, "follows the spread of rewards"),
            "rises": Shift(1.5, 0.8, "explodes"),
            "falls": Shift(-2.0, 1.0, "no group has a signal"),
            "louder": _GROSS,
        },
        own={"ordinary": 0.3, "rises": 0.15, "falls": 0.15, "louder": 0.15},
        take_off={"ordinary": 0.4, "rises": 0.2},
        floor=1e-2,
    ),
    "clip_ratio": Channel(
        "clip ratio", "log", 0.0, 0.8, 0.4, 0.8, 0.5,
        _SEEN, "halves or doubles in a run",
        {
            "ordinary": Shift(0.0, 0.5, "drifts"),
            "rises": Shift(1.8, 0.9, "updates leave the trust region"),
            "louder": _GROSS,
        },
        own={"ordinary": 0.4, "rises": 0.05, "louder": 0.1},
        floor=1e-3,
    ),
}
# fmt: on

#: A counted reward is one whose number of prompts B and completions G a row is known: Var = s^2 / B (rho + (1 - rho) /
#: G). The correlation rho of the rewards of one prompt's completions that is expected, and the log standard deviation
#: of the noise that is left.
PROMPT_CORRELATION, COUNTED_LOG_SD = 0.15, 0.35
#: Fluctuation of a counted reward, of which a row has enough completions to see it: a tenth of what the range allows.
COUNTED_FLUCTUATION = 0.03
#: What a counted reward does on its own. Its scatter is known, and more of it is no accident of the scale.
COUNTED_OWN = {"louder": 0.001, "rings": 0.0003}
