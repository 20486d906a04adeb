"""What a comparison of laws says, in words that claim no more than the differences and their errors allow."""

from collections.abc import Mapping

import numpy as np

from bayes_grpo.analysis.differences import LEAST_REWARDS, Difference, Scores, difference

_TASK = {
    "loo": "predicting each reward from all others of its run",
    "lfo": "predicting each reward from those before it",
}


def statement(scores: Mapping[str, Scores], runs: np.ndarray, criterion: str, doubtful: Mapping[str, str]) -> str:
    """The comparison in words.

    Parameters
    ----------
    scores : mapping of str to Scores
        By model, of the same observations.
    runs : numpy.ndarray
        Label of the run of each observation.
    criterion : {"loo", "lfo"}
        How the densities were made.
    doubtful : mapping of str to str
        Models about which nothing is said, and why.

    Returns
    -------
    str
        Which model predicts best, which cannot be told apart from it, and by how much the others are behind.
    """
    count, labels = runs.size, np.unique(runs)
    where = f"{count} rewards" + (f" of {labels.size} runs" if labels.size > 1 else "")
    lead = f"{_TASK[criterion].capitalize()} ({where})"
    ranked = sorted((name for name in scores if name not in doubtful), key=lambda name: -scores[name].elpd.sum())
    sentences = []
    if len(ranked) < 2:
        sentences.append(f"{lead}: nothing can be said, for want of two models whose fits can be believed.")
    else:
        best = ranked[0]
        behind = {name: difference(scores[best], scores[name], runs) for name in ranked[1:]}
        sentences.append(f"{lead}: {_words(best, behind, count)}")
    sentences += [f"Nothing is said about {name}: {why}." for name, why in doubtful.items()]
    return " ".join(sentences)


def _words(best: str, behind: Mapping[str, Difference], count: int) -> str:
    if count < LEAST_REWARDS:
        return (
            f"the models cannot be told apart, as errors from fewer than {LEAST_REWARDS} rewards are not to be "
            f"trusted. {best} has the highest score, ahead of {_gaps(behind)}."
        )
    worse = {name: gap for name, gap in behind.items() if gap.clear}
    tied = {name: gap for name, gap in behind.items() if not gap.clear}
    if not tied:
        return f"{best} does best, ahead of {_gaps(worse)}."
    if not worse:
        return f"the models cannot be told apart. {best} has the highest score, ahead of {_gaps(tied)}."
    return (
        f"{best} has the highest score, but cannot be told apart from {_gaps(tied)}. It does better than "
        f"{_gaps(worse)}."
    )


def _gaps(behind: Mapping[str, Difference]) -> str:
    parts = [f"{name} ({gap.nats:.1f} nats, standard error {gap.error:.1f})" for name, gap in behind.items()]
    return ", ".join(parts[:-1]) + " and " + parts[-1] if parts[1:] else parts[0]
