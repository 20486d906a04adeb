"""How a posterior is sampled: one record for every command, and what is wrong with it."""

from dataclasses import dataclass
from typing import Any

from bayes_grpo.errors import InputError

#: ``importance`` draws by adaptive importance sampling, ``nuts`` by Markov chains; ``auto`` takes the first where it
#: can be trusted.
METHODS = ("auto", "importance", "nuts")
#: Draws of all chains together at most: each takes the memory of all its quantities.
MOST_DRAWS = 1_000_000
#: Libraries that run Markov chains.
BACKENDS = ("numpyro", "pymc")


@dataclass(frozen=True)
class Sampler:
    """How a posterior is sampled.

    Parameters
    ----------
    method : {"auto", "importance", "nuts"}
        Adaptive importance sampling, the No-U-Turn sampler, or the first with the second where the first cannot be
        trusted. Models that pool runs whose predictors are not all known are always sampled by NUTS.
    backend : {"numpyro", "pymc"}
        Library that runs NUTS.
    seed : int
        A fixed seed gives the same draws bit for bit on one machine.
    draws, tune : int
        Kept draws and warm-up transitions of each chain; importance sampling has no warm-up.
    chains : int
        Chains; of importance sampling, equal parts of the draws.
    target_accept : float
        Target acceptance probability of NUTS, in (0, 1).

    Raises
    ------
    InputError
        All arguments that are impossible, at once.
    """

    method: str = "auto"
    backend: str = "numpyro"
    seed: int = 0
    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    target_accept: float = 0.95

    def __post_init__(self) -> None:
        faults = []
        for name, least in (("seed", 0), ("draws", 1), ("tune", 1), ("chains", 1)):
            value: Any = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                faults.append(f"{name}: expected a whole number of at least {least}, found {value!r}")
        if not faults and self.draws * self.chains > MOST_DRAWS:
            faults.append(f"draws: expected at most {MOST_DRAWS} of all chains together, found {self.draws} a chain")
        if not faults and self.tune > MOST_DRAWS:
            faults.append(f"tune: expected at most {MOST_DRAWS}, found {self.tune}")
        if not 0 < self.target_accept < 1:
            faults.append(f"target_accept: expected a number between 0 and 1, found {self.target_accept!r}")
        for name, known in (("method", METHODS), ("backend", BACKENDS)):
            if getattr(self, name) not in known:
                faults.append(f"{name}: expected one of {', '.join(known)}, found {getattr(self, name)!r}")
        if self.method == "importance" and self.backend == "pymc":
            faults.append("backend: PyMC samples by NUTS only; use method 'nuts' or 'auto', or the backend numpyro")
        if faults:
            raise InputError("fit", faults)
