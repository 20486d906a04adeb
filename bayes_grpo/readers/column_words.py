"""What a column holds, by the words of its name, where no trainer's key set claims it."""

from collections.abc import Iterable
from functools import lru_cache

from bayes_grpo.readers.keys import words

#: Words that a name may have beside those that tell.
_FILLERS = words(
    "mean training the of per batch current policy actor log all total overall token seq agg metric value history list "
    "series scalar scalars"
)

#: Places from here on are those of names of which only the last part speaks of a variable.
BY_ITS_END = 100


def _sets(*phrases: str) -> tuple[frozenset[str], ...]:
    return tuple(words(phrase) for phrase in phrases)


#: For each variable the sets of words that name it, the preferred first.
_PHRASES: dict[str, tuple[frozenset[str], ...]] = {
    "learning_rate": _sets("lr", "learning rate"),
    "reward_spread": _sets("reward deviation", "reward spread"),
    "entropy": _sets("entropy"),
    "kl": _sets(
        "kl", "kl reference", "kl loss", "kl divergence", "kl div", "kl penalty", "reference kl divergence",
    ),
    "update_kl": _sets("approx kl", "ppo kl", "kl old", "kl update", "approxkl", "kl old policy", "policy approx kl"),
    "completion_length": _sets(
        "completion length", "response length", "output length", "generation length", "gen length", "completion token",
        "response token", "generated token", "output token", "length", "answer length", "rollout length",
        "resp length", "gen token",
        "num response token",
        "num completion token",
    ),
    "truncation_share": _sets(
        "truncation fraction", "truncated fraction", "truncated", "truncation rate", "truncated rate", "truncation",
        "completion truncated fraction", "completion clipped fraction", "response truncated fraction",
        "response truncated rate", "response clip fraction", "response length clip fraction", "overlong fraction",
        "clipped completion fraction", "truncated completion fraction", "truncated response fraction",
    ),
    "grad_norm": _sets("grad norm", "gradnorm", "grad l 2 norm", "global grad norm"),
    "clip_ratio": _sets(
        "clip fraction", "pg clip fraction", "ppo clip fraction", "clip rate", "importance clip fraction",
    ),
    "zero_spread_share": _sets(
        "reward zero deviation fraction", "zero deviation fraction", "dead group fraction", "zero variance fraction",
        "zero variance group fraction", "zero deviation group fraction", "zero advantage fraction",
        "zero spread fraction",
        "zero advantage group fraction", "degenerate group fraction", "dead group rate", "dead fraction", "dead group",
        "zero signal fraction", "zero std group", "fraction group zero variance", "uninformative group fraction",
    ),
    "all_right_share": _sets(
        "all right", "all correct", "all right fraction", "all correct fraction", "all correct group fraction",
        "all right group fraction", "solve all", "solved all", "all solved", "all solved fraction", "too easy fraction",
        "all good fraction", "all pass fraction", "all one fraction", "too easy",
    ),
    "all_wrong_share": _sets(
        "all wrong", "all incorrect", "all wrong fraction", "all incorrect fraction", "all incorrect group fraction",
        "all wrong group fraction", "solve none", "solved none", "none solved", "none solved fraction",
        "too hard fraction",
        "all bad fraction", "all fail fraction", "all failed fraction", "all zero fraction", "too hard",
    ),
    "evaluation_reward": _sets(
        "evaluation reward", "evaluation accuracy", "evaluation score", "evaluation return", "evaluation pass 1",
        "evaluation pass k", "evaluation success rate", "evaluation success fraction", "evaluation em",
        "evaluation accuracy fraction", "evaluation pass rate", "evaluation correct",
    ),
    "step_time": _sets("step time", "time step", "second step", "iteration time", "step duration", "step second"),
    "rollout_age": _sets(
        "staleness", "rollout age", "policy lag", "policy age", "version gap", "policy version gap",
        "rollout staleness",
    ),
    "effective_sample_share": _sets(
        "ess", "effective sample size", "effective sample fraction", "importance effective sample size",
        "is effective sample size",
    ),
    "importance_chi2": _sets("chisquare", "importance chisquare", "chisquare divergence", "is chisquare"),
    "logprob_difference": _sets(
        "logprob difference", "logprob abs difference", "rollout logprob difference",
        "rollout training logprob difference",
        "rollout training logprob abs difference", "sampling logprob difference", "sampler logprob difference",
        "logprob mismatch", "training rollout logprob abs difference", "inference logprob difference",
        "training inference logprob difference",
    ),
}  # fmt: skip

#: Words for the step, and those that may stand beside them.
_STEPS = _sets(
    "optimizer step", "global step", "step", "iteration", "update", "update step", "n iteration", "step idx",
    "step index",
)  # fmt: skip
_STEP_FILLERS = words("training current grpo rl ppo the log policy")
#: Words for a count that may stand for the step where there is none.
_COUNTS = _sets(
    "epoch",
    "episode",
    "batch",
    "rollout",
    "x",
    "index",
    "idx",
    "i",
    "n",
    "t",
    "timestep",
    "num update",
    "num iteration",
    "num step",
    "unnamed 0",
)
#: Words for the length that was planned.
_PLANNED = _sets(
    "total step", "max step", "num training step", "planned step", "num step", "total training step", "total iteration",
    "max iteration", "num iteration", "num update", "total update", "training num step",
    "max training step",
)  # fmt: skip
#: Words by which a reward is no mean reward of training rollouts.
_NO_MEAN = words(
    "deviation var variance spread max maximum min minimum median best count evaluation advantage adv advantages norm "
    "normalized normalised whitened centered centred loss baseline weight coef model fraction weights diff difference "
    "ema ma smoothed num threshold target gap"
)  # fmt: skip
_SCORES = _sets(
    "score", "accuracy", "return", "success rate", "success fraction", "correct fraction", "pass rate", "correct"
)


def _named(key: str, phrases: Iterable[frozenset[str]], fillers: frozenset[str]) -> int | None:
    """The place of the phrase whose words a key has, with nothing but fillers beside them."""
    key_words = words(key)
    return next((i for i, phrase in enumerate(phrases) if phrase <= key_words and key_words - phrase <= fillers), None)


@lru_cache(maxsize=100_000)
def variable_of(key: str) -> tuple[str, int] | None:
    """The variable that a column's name speaks of, and how far down its list of phrases; None where it speaks of none.

    From `BY_ITS_END` on it is only the last part of the name that speaks of it, as in ``my run/entropy``.
    """
    for part, least in ((key, 0), (key.rpartition("/")[2], BY_ITS_END)):
        for variable, phrases in _PHRASES.items():
            place = _named(part, phrases, _FILLERS)
            if place is not None:
                return variable, least + place
    return None


@lru_cache(maxsize=100_000)
def step_rank(key: str) -> int | None:
    """How surely a column holds the step, 0 the surest; from `BY_ITS_END` on another count; None where it has none."""
    place = _named(key, _STEPS, _STEP_FILLERS)
    if place is not None:
        return place
    place = _named(key, _COUNTS, _STEP_FILLERS)
    return None if place is None else BY_ITS_END + place


def is_step(key: str) -> bool:
    """Whether a column counts steps and nothing else, such as rollouts or epochs."""
    rank = step_rank(key)
    return rank is not None and rank < BY_ITS_END


@lru_cache(maxsize=100_000)
def is_planned_length(key: str) -> bool:
    """Whether a column holds the number of steps that were planned."""
    return _named(key, _PLANNED, frozenset({"training", "optimizer"})) is not None


@lru_cache(maxsize=100_000)
def reward_rank(key: str) -> int | None:
    """How surely a column holds the mean reward: 0 its very name, 1 a reward among other words, 2 a score, or None."""
    key_words = words(key)
    if key_words & _NO_MEAN:
        return None
    if "reward" in key_words or "rewards" in key.lower():
        return 0 if key_words - {"reward"} <= _FILLERS | {"raw"} else 1
    return 2 if _named(key, _SCORES, _FILLERS) is not None else None
