"""A check of group-size invariance in words, which claim no more than the checks."""

from collections.abc import Iterable, Mapping

from bayes_grpo.analysis.invariance.rows import BalanceRow, ElpdDifference, ExponentRow
from bayes_grpo.analysis.invariance.statistics import Check

#: Below this joint p-value group sizes are said to differ.
SIGNIFICANT = 0.05
#: How a sentence on each law begins.
_LEADS = {
    "leading": "Without the finite-group factor",
    "finite_groups": "With the finite-group factor",
    "balance": "By the balance law",
}
#: What rests on the fits of each model.
_RESTS = {
    "leading_order": "the prediction without the factor",
    "finite_groups": "the prediction with it",
    "balance_groups": "the balance law",
    "group_dependence": "plateau and stiffness",
    "split_noise": "noise between prompts",
}
_STATISTICS = {
    "trajectory": "mean trajectory",
    "fluctuation": "fluctuation",
    "autocorrelation": "lag-1 autocorrelation",
}


def statement(
    checks: Mapping[str, Mapping[str, Check | None]],
    difference: ElpdDifference,
    balance: BalanceRow | None,
    changes: Mapping[str, ExponentRow],
    doubtful: Iterable[str] = (),
) -> str:
    """The result in words.

    Parameters
    ----------
    checks : mapping of str to mapping of str to Check
        Of each law, each statistic over all group sizes.
    difference : dict
        Log predictive density with the finite-group factor less without.
    balance : dict, optional
        What the balance law says.
    changes : mapping of str to dict
        How plateau and stiffness change with the group size.
    doubtful : iterable of str
        Models of which a fit did not converge.
    """
    said = [f"what is said of {_RESTS[model]}" for model in dict.fromkeys(doubtful) if model in _RESTS]
    sentences = [f"A fit did not converge: do not rely on {', '.join(said)}."] if said else []
    sentences += [_against_prediction(lead, checks[law]) for law, lead in _LEADS.items() if law in checks]
    sentences.append(_told_apart("The factor", difference))
    if balance is not None:
        sentences.append(_told_apart("The balance law", balance["elpd_difference"]))
    for name, row in changes.items():
        if row["lower"] is not None and row["lower"] > 0:
            sentences.append(f"The {name} rises with the group size.")
        elif row["upper"] is not None and row["upper"] < 0:
            sentences.append(f"The {name} falls with the group size.")
    return " ".join(sentences)


def _against_prediction(lead: str, checks: Mapping[str, Check | None]) -> str:
    off = [
        f"{_STATISTICS[name]} (p = {check.p_value:.2g})"
        for name, check in checks.items()
        if check is not None and check.p_value < SIGNIFICANT
    ]
    if off:
        return f"{lead} some group sizes are not what the others predict: {', '.join(off)}."
    return f"{lead} every group size is within what the others predict."


def _told_apart(subject: str, difference: ElpdDifference) -> str:
    if not difference["found"]:
        return f"{subject} and the leading order cannot be told apart by how well they predict."
    better = "better" if difference["nats"] > 0 else "worse"
    return f"{subject} predicts {better} than the leading order by {abs(difference['nats']):.1f} nats."
