"""The failure modes that a diagnosis tells apart, as data: one entry a mode, from which everything else follows.

The numbers are judgements of how a failure works, checked on simulated and on public runs set aside for tuning (case
study `diagnosis`); none was fitted to a run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Probability that a failure was there from the first rows on (a wrong setting); else its onset is uniform over the
#: rows.
FROM_START = 0.3

#: A channel that follows the onset does so within this share of the rows, at any of them alike. In a public account of
#: a collapse (rllm-org/rllm, issue 116) entropy led the score by a tenth to a fifth of the run.
FOLLOWING = 0.2

#: Probability that a run starts slowly. The end of a slow start moves several channels at once, in healthy runs too.
SLOW_START = 0.3


@dataclass(frozen=True)
class Answer:
    """What a diagnosis can say.

    Parameters
    ----------
    label : str
        Its name for people.
    meaning : str
        What it means in a few words; '' where the label says it all.
    colour : str
        In figures; the colours differ for colour-blind readers too (Okabe and Ito).
    """

    label: str
    meaning: str = ""
    colour: str = "#888888"


@dataclass(frozen=True)
class Mode(Answer):
    """A failure mode.

    Parameters
    ----------
    prior : float
        Probability before any row is seen. What the modes leave of 1 is healthy training.
    decisive : str
        The channel without which the mode cannot be told.
    effects : mapping
        What the failure makes the channels do from its onset on: for each channel (of
        `bayes_grpo.analysis.diagnosis.channel_priors.CHANNELS`) the probabilities of its changes. With what is left of
        1 the channel goes its own way.
    follows : mapping
        Channels that may change after the onset and not at it, and the probability that they do. Where nothing else is
        logged none can be told to follow.
    costs : str
        The channel that the failure is a loss of. Where the failure can be told at all, an onset after which that
        channel went on rising is none, see `bayes_grpo.analysis.diagnosis.rising`.
    """

    prior: float = 0.0
    decisive: str = "reward"
    effects: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    follows: Mapping[str, float] = field(default_factory=dict)
    costs: str = "reward"


#: The failure modes by name, in the order of tables. No survey tells how common they are, so they are equally probable;
#: `bayes_grpo.diagnose` takes other probabilities.
MODES: dict[str, Mode] = {
    "reward_hacking": Mode(
        label="reward hacking",
        meaning="the training reward holds while held-out reward falls",
        colour="#D55E00",
        prior=0.1,
        costs="evaluation_reward",
        decisive="evaluation_reward",
        effects={
            "reward": {"rises": 0.4},
            "evaluation_reward": {"falls": 1.0},
            "completion_length": {"rises": 0.3},
            "kl": {"rises": 0.4},
            "entropy": {"falls": 0.15},
        },
    ),
    "advantage_degeneracy": Mode(
        label="advantage degeneracy",
        meaning="groups without any difference in reward",
        colour="#E69F00",
        prior=0.1,
        decisive="informative_groups",
        effects={
            # Completions of a prompt are then all alike: the mean of B G rewards scatters like one of B.
            "reward": {"louder": 0.5},
            "informative_groups": {"falls": 1.0},
            "grad_norm": {"falls": 0.5, "louder": 0.2},
        },
    ),
    "policy_concentration": Mode(
        label="policy concentration",
        meaning="entropy falls to its floor",
        colour="#CC79A7",
        prior=0.1,
        decisive="entropy",
        effects={
            # What narrows the policy often pays at first.
            "reward": {"rises": 0.3},
            "evaluation_reward": {"rises": 0.3},
            "entropy": {"falls": 1.0},
            "kl": {"rises": 0.5},
            "grad_norm": {"falls": 0.5, "louder": 0.2},
            "completion_length": {"rises": 0.15, "falls": 0.15},
        },
    ),
    "dynamical_instability": Mode(
        label="dynamical instability",
        meaning="the reward falls, rings or scatters too much",
        colour="#111111",
        prior=0.1,
        decisive="reward",
        effects={
            "reward": {"falls": 0.55, "rings": 0.25, "louder": 0.15},
            "evaluation_reward": {"falls": 0.6},
            "entropy": {"rises": 0.5, "falls": 0.05},
            "grad_norm": {"rises": 0.3, "falls": 0.2, "louder": 0.2},
            "kl": {"rises": 0.4},
            "clip_ratio": {"rises": 0.4, "louder": 0.2},
            "completion_length": {"rises": 0.3, "falls": 0.2},
        },
        # A policy that comes apart may go on solving most prompts for a while.
        follows={"reward": 0.5, "evaluation_reward": 0.5},
    ),
}

HEALTHY, NOT_LEARNING, UNDETERMINED = "healthy", "not_learning", "undetermined"
#: The mode that stale rollouts can bring about.
INSTABILITY = "dynamical_instability"

#: The mode of runs without any signal from the first row to the last, and how many times likelier such a run is under
#: what explains it than under anything else.
NO_SIGNAL, NO_SIGNAL_FACTOR = "advantage_degeneracy", 1000.0

#: Probability that a run in which nothing fails does not learn either.
STILL = 0.2


def answers() -> dict[str, Answer]:
    """Everything that a diagnosis can say, by name: healthy, the modes, not learning, and undetermined."""
    return {
        HEALTHY: Answer("healthy training", colour="#56B4E9"),
        **MODES,
        NOT_LEARNING: Answer("not learning", "nothing fails, and the reward does not rise", "#0072B2"),
        UNDETERMINED: Answer("undetermined", "the channel that would tell is not logged, or never changes", "#C8C8C8"),
    }


def prior() -> dict[str, float]:
    """Probability of healthy training and of each mode before any row is seen."""
    failing = {name: mode.prior for name, mode in MODES.items()}
    return {HEALTHY: 1 - sum(failing.values()), **failing}
