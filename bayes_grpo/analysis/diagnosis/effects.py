"""Priors of the failures in the diagnosis, as data: how probable they are and what each does to which channel.

A table says, channel by channel, how probable each of the changes of `bayes_grpo.analysis.diagnosis.priors.CHANNELS` is:
``{"entropy": {"falls": 1.0}}``; what is left of 1 is no change. The numbers are judgements of how a failure works, checked on
simulated and on public runs set aside for tuning (case study `diagnosis`); none was fitted to a run.
"""

from collections.abc import Mapping

#: The answers, in the order of tables; "undetermined" is the mass of failures that nothing in the log could show.
FAILURES = ("reward_hacking", "advantage_degeneracy", "policy_concentration", "dynamical_instability")
ANSWERS = ("healthy", *FAILURES, "undetermined")

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

#: Of a counted reward (`bayes_grpo.analysis.diagnosis.priors.COUNTED_LOG_SD`) the scatter is known, and more of it is no accident of the scale.
OWN_COUNTED = {"louder": 0.001, "rings": 0.0003}

#: The channel without which a failure cannot be told, and the column that would give it.
DECISIVE: dict[str, str] = {
    "reward_hacking": "evaluation_reward",
    "advantage_degeneracy": "informative_groups",
    "policy_concentration": "entropy",
    "dynamical_instability": "reward",
}

#: Before any row: most runs are healthy, failures are equally common. No survey says better; it stands as an argument.
PRIOR: dict[str, float] = {"healthy": 0.6, **dict.fromkeys(FAILURES, 0.1)}
