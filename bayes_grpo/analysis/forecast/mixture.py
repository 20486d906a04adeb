"""A forecast by several laws at once: each law and persistence get a share of the paths.

The shares are a softmax over the members. The score of a member is an intercept plus a slope times the logarithm of
remaining over logged steps. The coefficients are data, in mixture.toml beside this file; they were learned by stacking
forecasts of other runs (Yao et al. 2018, 2022). Persistence is the reference: its score is zero.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayes_grpo.analysis.forecast.paths import PATHS, SAMPLED, Basis, make_basis, sample_paths
from bayes_grpo.errors import InputError, Note
from bayes_grpo.inference.layout import prepare
from bayes_grpo.inference.posterior import Posterior, draw_posterior
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.models.files import load_model
from bayes_grpo.models.spec import ModelSpec

#: The name that commands know the mixture by.
MIXTURE = "mixture"
#: The member that stays about the level that the run has reached.
PERSISTENCE = "persistence"
#: A law with a smaller share of the paths does not decide whether a forecast can be trusted.
LEAST_SHARE = 0.05


class Member(NamedTuple):
    """Score of a member of the mixture: intercept, and slope in log(remaining / logged steps)."""

    intercept: float
    slope: float


@dataclass(frozen=True)
class Mixture:
    """Laws whose forecasts are mixed, and how their shares are computed.

    Parameters
    ----------
    members : mapping of str to Member
        By the name of a model.
    summary, source, reason : str
        What the mixture is, where its numbers come from, and why they are so.
    """

    members: Mapping[str, Member]
    summary: str
    source: str
    reason: str

    @property
    def specs(self) -> dict[str, ModelSpec]:
        """The members' models."""
        return {name: load_model(name) for name in self.members}

    def shares(self, remaining_over_logged: float) -> dict[str, float]:
        """Share of persistence and of each law where so many steps are to come for each step logged.

        They sum to one.
        """
        horizon = np.log(max(remaining_over_logged, 1e-9))
        scores = np.array([0.0, *(member.intercept + member.slope * horizon for member in self.members.values())])
        weights = np.exp(scores - scores.max())
        return dict(zip((PERSISTENCE, *self.members), (weights / weights.sum()).tolist(), strict=True))


class MemberFit(NamedTuple):
    """A member fitted to a run: what its forecast rests on, and how it was sampled."""

    basis: Basis
    posterior: Posterior


def load_mixture(path: Path | None = None) -> Mixture:
    """Read the mixture that comes with the package, or that of a file.

    Raises
    ------
    InputError
        If a key is missing, or a number is none; all faults at once.
    """
    path = path or Path(__file__).with_name("mixture.toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    faults = [f"{key}: expected a text, found none" for key in ("summary", "source", "reason") if key not in table]
    members = {}
    for name, entry in table.get("members", {}).items():
        try:
            members[name] = Member(float(entry["intercept"]), float(entry["slope"]))
        except (KeyError, TypeError, ValueError):
            faults.append(f"members.{name}: expected the numbers intercept and slope, found {entry!r}")
    if not table.get("members"):
        faults.append("members: expected at least one law, found none")
    if faults:
        raise InputError(str(path), faults)
    return Mixture(members, table["summary"], table["source"], table["reason"])


def fit_members(
    runs: xr.Dataset,
    specs: Mapping[str, ModelSpec],
    sampler: Sampler,
    progress: Progress | None = None,
) -> dict[str, MemberFit]:
    """Fit each law to a run, dims (run, step) of one label."""
    out = {}
    for name, spec in specs.items():
        prepared = prepare(runs, spec)
        posterior = draw_posterior(spec, prepared, sampler, progress)
        basis = make_basis(spec, prepared, {key: value.ravel() for key, value in posterior.values.items()})
        out[name] = MemberFit(basis, posterior)
    return out


def mix_paths(
    fits: Mapping[str, MemberFit],
    shares: Mapping[str, float],
    steps: np.ndarray,
    rate: np.ndarray,
    seed: int,
    count: int = PATHS,
) -> dict[str, Any]:
    """As `bayes_grpo.analysis.forecast.paths.sample_paths`, with ``component``, the member that each path is from.

    Members with the largest remainders get the paths that are left when shares are rounded down.
    """
    names = [PERSISTENCE, *fits]
    exact = np.array([shares[name] for name in names]) * count
    numbers = np.floor(exact).astype(int)
    numbers[np.argsort(numbers - exact)[: count - int(numbers.sum())]] += 1
    parts: list[dict[str, np.ndarray]] = []
    for number, (name, paths) in enumerate(zip(names, numbers, strict=True)):
        if paths == 0:
            continue
        # Persistence is the same in every law: any one lends its level.
        basis = next(iter(fits.values())).basis if name == PERSISTENCE else fits[name].basis
        part = sample_paths(basis, steps, rate, float(name == PERSISTENCE), seed + 7919 * number, int(paths))
        parts.append({key: part[key] for key in (*SAMPLED, "plateau", "step_95")} | {"component": np.full(paths, name)})
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def member_notes(fits: Mapping[str, MemberFit], shares: Mapping[str, float]) -> list[Note]:
    """What was assumed of the run, once, and which members with a share cannot be believed."""
    notes = []
    for name, fitted in fits.items():
        quality = fitted.posterior.quality
        if fitted.posterior.method == "importance" and quality is not None and shares[name] >= LEAST_SHARE:
            notes += [Note("not_converged", name, f"{name}: {note.text}") for note in quality.failures()]
        notes += [Note("assumption", subject, text) for subject, text in fitted.basis.setting.assumptions.items()]
    return list({note.subject if note.kind == "assumption" else note.text: note for note in notes}.values())
