"""What the balance law needs to say of other refresh intervals: from draws, from what is known, and what is taken."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from bayes_grpo.errors import Note
from bayes_grpo.laws.balance import balance_drive

#: What the limit by starvation needs of a run beside its log: fields of a run (`bayes_grpo.runs.fields.RUN_FIELDS`).
STATED = ("group_size", "kl_weight", "clip_range", "reference_reward", "wrong_reward", "right_reward")
#: Of these, what a fit by the balance law has draws of.
INFERRED = ("kl_weight", "reference_reward", "wrong_reward", "right_reward")
#: Half-width of the clip range where it is not known: the trainers' default.
CLIP_RANGE = 0.2
#: Distance of the law's plateau from the run's, beyond both intervals, that is told (reward between 0 and 1).
_APART = 0.05
_POINTS = 240
_LOGITS = np.linspace(-12, 12, 481)


@dataclass(frozen=True)
class Conditions:
    """What the balance law needs, a value a draw.

    Rate of the logit, its start, that of the reference, KL weight, what answers earn, and the clip range.
    """

    rate: np.ndarray
    start: np.ndarray
    reference: np.ndarray
    kl: np.ndarray
    wrong: float
    right: float
    group_size: float
    clip_range: float

    def drive(self, z: np.ndarray) -> np.ndarray:
        """Drive of the rewards at logits of the success probability."""
        table = np.asarray(balance_drive(1 / (1 + np.exp(-_LOGITS)), self.group_size, self.right - self.wrong))
        drive: np.ndarray = np.interp(odds(self.reward(z)), _LOGITS, table)
        return drive

    def reward(self, z: np.ndarray) -> np.ndarray:
        """Expected reward at logits of the success probability."""
        return np.asarray(self.wrong + (self.right - self.wrong) / (1 + np.exp(-z)))

    def paths(self, clipped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits from the start to the plateau, and the updates they take, where this share of the drive is clipped.

        Shapes (draws, points).
        """
        rise = np.linspace(0, 14, 561)
        force = self._force(self.reference[:, None] + rise, clipped)
        below, rows = force <= 0, np.arange(len(force))
        place = np.where(below.any(1), np.maximum(below.argmax(1), 1), len(rise) - 1)
        before, after = force[rows, place - 1], force[rows, place]
        share = np.where(below.any(1), np.clip(before / np.maximum(before - after, 1e-12), 0, 1), 1.0)
        end = self.reference + rise[place - 1] + share * (rise[1] - rise[0])
        z = self.start[:, None] + (end - self.start)[:, None] * np.linspace(0, 1, _POINTS)
        speed = self._force(z, clipped) * (self.rate * np.sign(end - self.start))[:, None]
        slowness = 1 / np.maximum(speed, 1e-12)
        steps = (slowness[:, 1:] + slowness[:, :-1]) / 2 * np.abs(np.diff(z, axis=1))
        return z, np.concatenate([np.zeros((len(z), 1)), np.cumsum(steps, axis=1)], axis=1)

    def _force(self, z: np.ndarray, clipped: np.ndarray) -> np.ndarray:
        """Drive that clipping leaves less the pull of the reference, at logits of shape (draws, points)."""
        force: np.ndarray = (1 - clipped)[:, None] * self.drive(z) - self.kl[:, None] * (z - self.reference[:, None])
        return force


def odds(place: np.ndarray, edge: float = 1e-6) -> np.ndarray:
    """Logit of a place between 0 and 1, kept inside by an edge."""
    inside = np.clip(place, edge, 1 - edge)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def conditions_of(
    draws: xr.Dataset, known: Mapping[str, float], clipped: float
) -> tuple[Conditions | None, list[Note]]:
    """What the balance law needs, from draws of stiffness, plateau and start, and from what is known of the run.

    What is not known is taken from the draws of a balance law, else from the rest of the run, which the notes say.
    """
    if (known["reward_lower"], known["reward_upper"]) != (0.0, 1.0) or known.get("group_size", 1.0) < 2:
        text = "the limit by starvation needs rewards between 0 and 1 and groups of at least 2"
        return None, [Note("limit", "starvation", text)]
    wrong, right = (
        known.get(name, float(np.median(draws[name])) if name in draws else known[bound])
        for name, bound in (("wrong_reward", "reward_lower"), ("right_reward", "reward_upper"))
    )

    def logits(reward: np.ndarray) -> np.ndarray:
        return odds((reward - wrong) / (right - wrong), 1e-3)

    start, rest = logits(draws["initial_reward"].values), logits(draws["plateau"].values)
    reference, kl = start, np.zeros_like(start)
    for name in ("reference_reward", "kl_weight"):
        if name in known or name in draws:
            values = np.full_like(start, known[name]) if name in known else draws[name].values
            reference, kl = (logits(values), kl) if name == "reference_reward" else (reference, values)
    sizes = (wrong, right, round(known["group_size"]), known.get("clip_range", CLIP_RANGE))
    base = Conditions(np.ones_like(start), start, reference, kl, *sizes)
    if "kl_weight" not in known and "kl_weight" not in draws:
        drive = (1 - clipped) * base.drive(rest)
        base = replace(base, kl=np.maximum(drive / np.maximum(rest - reference, 0.05), 0.0))
    path = base.paths(np.full(start.size, clipped))
    rises = draws["plateau"].values - draws["initial_reward"].values
    conditions = replace(base, rate=draws["stiffness"].values * _unit_time(base, path, rises))
    ends = base.reward(path[0][:, -1])
    return conditions, [*_assumed(draws, known), *_contradiction(ends, draws["plateau"].values)]


def _unit_time(base: Conditions, path: tuple[np.ndarray, np.ndarray], rises: np.ndarray) -> np.ndarray:
    """Time, at rate one, in which each draw goes a time constant's share of its way, as far as the fit saw it go.

    The stiffness of a fit is told by the rise. It is not matched to the law's slope at the plateau, for which a run
    without a KL term gives none.
    """
    reward = base.reward(path[0])
    gone = np.abs(reward - reward[:, :1])
    way = np.where(np.sign(rises) == np.sign(reward[:, -1] - reward[:, 0]), np.abs(rises), np.inf)
    share = (1 - np.exp(-1)) * np.minimum(way, gone[:, -1])
    return np.array([np.interp(s, g, t) for s, g, t in zip(share, gone, path[1], strict=True)])


def _contradiction(ends: np.ndarray, plateau: np.ndarray) -> list[Note]:
    """That the balance law puts the plateau of this very run elsewhere than the run does, if so."""
    law, seen = (np.quantile(values, (0.05, 0.5, 0.95)) for values in (ends, plateau))
    if law[0] <= seen[2] + _APART and seen[0] <= law[2] + _APART:
        return []
    text = (
        f"with what is stated, the balance law puts the plateau of this run at {law[1]:.2f} ({law[0]:.2f} to "
        f"{law[2]:.2f}), and the run itself at {seen[1]:.2f} ({seen[0]:.2f} to {seen[2]:.2f}): something else holds "
        "it, such as prompts that the policy cannot solve, or a number that is not as stated; do not rely on plateaus "
        "at other refresh intervals"
    )
    return [Note("alarm", "plateau", text)]


def _assumed(draws: xr.Dataset, known: Mapping[str, float]) -> list[Note]:
    """What was taken for that which neither the run nor a balance law tells, and the option that states it."""
    taken = {
        "kl_weight": "the KL weight is unknown: taken as the one that explains the plateau; state --kl-weight",
        "reference_reward": "the reward of the reference policy is unknown: taken as that of the run's start; state "
        "--reference-reward",
        "clip_range": f"the clip range is unknown: taken as {CLIP_RANGE}; state --clip-range",
        "wrong_reward": f"what a wrong answer earns is unknown: taken as the bound {known['reward_lower']:g}; state "
        "--wrong-reward",
        "right_reward": f"what a right answer earns is unknown: taken as the bound {known['reward_upper']:g}; state "
        "--right-reward",
    }
    return [Note("assumption", name, text) for name, text in taken.items() if name not in known and name not in draws]
