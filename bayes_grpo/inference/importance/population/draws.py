"""Posterior draws of runs that are fitted together, by importance sampling over what the runs share.

Given the population's point the runs are independent, so a point's marginal likelihood is a product over the runs, each
estimated without bias from a few places. Points weighted by such estimates are draws of the exact posterior (importance
sampling squared, Tran et al. 2013; pseudo-marginal, Andrieu and Roberts 2009). Points come from the posterior under
normal sites in place of the likelihoods, which costs no filter, corrected by a quadratic that is learnt from estimates
at some of them; places come from the sites given the point.
"""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from bayes_grpo.inference.evaluate import recorded
from bayes_grpo.inference.importance.density import by_generation
from bayes_grpo.inference.importance.draws import ImportanceDraws
from bayes_grpo.inference.importance.modes import count_modes
from bayes_grpo.inference.importance.pareto import smooth_weights
from bayes_grpo.inference.importance.population.correction import Correction, learnt, no_correction
from bayes_grpo.inference.importance.population.places import Drawn, Places, places_of
from bayes_grpo.inference.importance.population.points import Points, effective_points, log_chance
from bayes_grpo.inference.importance.population.sites import Sites, improved, no_sites, softmax, weighted_moments
from bayes_grpo.inference.importance.population.target import PopulationTarget, population_of
from bayes_grpo.inference.importance.quality import Quality, disagreement_of, trusted_weights
from bayes_grpo.inference.importance.resampling import log_mean_weight, resample
from bayes_grpo.inference.importance.sampler import Settings, Weighted, sample_weighted
from bayes_grpo.inference.importance.target import Evaluated
from bayes_grpo.inference.layout import ModelData
from bayes_grpo.inference.progress import Progress
from bayes_grpo.inference.sampler_settings import Sampler
from bayes_grpo.inference.threads import on_all_cores
from bayes_grpo.models.spec import ModelSpec

#: How the runs are sampled one by one for their first sites, and the population's points under the sites.
ALONE = Settings(points=256, repetitions=1, rounds=2, polish=1, history=4, goal=0.3)
POINTS = Settings(points=512, rounds=5)
#: Passes of expectation propagation at least and at most, and points of the population that each uses.
PASSES, _MOST_PASSES, POINTS_OF_PASS = 2, 6, 256
#: Standard deviation, over points, of the log marginal likelihood of all runs over that of their sites, below which the
#: sites are near enough.
_NEAR = 3.0
#: Growth of it beyond its least at which a pass has led away from the likelihoods.
_ASTRAY = 3.0
#: Points of the population in a compiled call, in a round of the last step, and such rounds at least and at most.
_PART, _ROUND, _ROUNDS, _MOST_ROUNDS = 64, 1024, 4, 12
#: Corrections that are learnt at most: one from another's points where these were hopeless.
_LESSONS = 3
#: Runs to a place of each: the noise of the estimates adds up over the runs.
_RUNS_TO_A_PLACE = 3


def draw_population(
    spec: ModelSpec, data: ModelData, sampler: Sampler, progress: Progress | None = None
) -> ImportanceDraws:
    """Sample a model that pools.

    Parameters
    ----------
    spec : ModelSpec
        The model; `has_population` holds.
    data : ModelData
        The runs laid out for it.
    sampler : Sampler
        Its seed, chains and draws.
    progress : callable, optional
        Called with (densities of a run computed, densities expected).

    Returns
    -------
    ImportanceDraws
        Values of runs have a last dimension, run. ``log_posterior`` is that of the population's point, estimated.
    """
    sampling = _Population(population_of(spec), jax.tree.map(jnp.asarray, data), sampler, progress)
    sites = sampling.first_sites()
    correction = no_correction(sampling.prior_points.shape[-1])
    sites, weighted = sampling.improved_sites(sites, correction)
    for _ in range(_LESSONS):
        lesson = sampling.round_of_points(sites, weighted)
        correction = learnt(lesson.points.reshape(-1, correction.centre.size), lesson.remainder.ravel())
        weighted = sampling.points_under(sites, correction)
        if not lesson.hopeless:
            break
    last = sampling.last_step(sites, weighted)
    return sampling.collected(sites, correction, weighted, last)


class _Population:
    """The steps of the sampler, with what they share."""

    def __init__(self, target: PopulationTarget, data: ModelData, sampler: Sampler, progress: Progress | None) -> None:
        self.target, self.data, self.sampler, self.progress = target, data, sampler, progress
        self.places: Places = places_of(target)
        self.rng = np.random.default_rng(sampler.seed)
        self.runs = int(np.size(data.run.closed_form_mass))
        self.prior_points = target.draw_prior(self.rng, data, POINTS.repetitions, POINTS.points)
        self.count = int(np.clip(2 ** round(np.log2(self.runs / _RUNS_TO_A_PLACE)), 16, 64))
        self.done = 0
        self.expected = 15 * ALONE.points + (PASSES * POINTS_OF_PASS + (1 + _ROUNDS) * _ROUND) * self.count

    def first_sites(self) -> Sites:
        """Sites from sampling each run alone, under a normal prior as wide as the population's."""
        points = self.prior_points.reshape(-1, self.prior_points.shape[-1])
        centres, spreads = jax.jit(jax.vmap(self.target.centres, (0, None)))(points, self.data)
        noise = self.rng.standard_normal(centres.shape)
        low, centre, high = np.quantile(
            np.asarray(centres) + np.asarray(spreads)[:, None] * noise, (0.16, 0.5, 0.84), 0
        )
        sd = (high - low) / 2

        def density(places: jax.Array) -> Evaluated:
            white = (places - centre[:, None]) / sd[:, None]
            log_prior = -(white**2).sum(-1) / 2 - np.log(sd).sum(-1)[:, None] - sd.shape[1] / 2 * np.log(2 * np.pi)
            self._advance(ALONE.points)
            return Evaluated(log_prior, self.target.densities(places, self.data), {})

        noise = self.rng.standard_normal((self.runs, ALONE.points, sd.shape[1]))
        start = jnp.asarray(centre[:, None] + sd[:, None] * noise)
        alone = sample_weighted(density, start, self.rng, ALONE, lambda _: True)
        weights = softmax(alone.log_weight[:, 0], axis=1)
        covariance = sd[:, :, None] * np.eye(sd.shape[1]) * sd[:, None]
        sites = no_sites(self.runs, sd.shape[1])
        return improved(sites, (centre, covariance), weighted_moments(alone.points[:, 0], weights))

    def points_under(self, sites: Sites, correction: Correction) -> Weighted:
        """Points of the population under the corrected sites."""

        def density(points: jax.Array) -> Evaluated:
            log_prior, log_marginal = self.places.surrogate(points, self.data, sites, correction)
            return Evaluated(log_prior, log_marginal, {})

        return sample_weighted(density, jnp.asarray(self.prior_points), self.rng, POINTS, trusted_weights)

    def improved_sites(self, sites: Sites, correction: Correction) -> tuple[Sites, Weighted]:
        """Sites after passes of expectation propagation, and points under them; where it goes astray, those before."""
        weighted = self.points_under(sites, correction)
        best, least = (sites, weighted), np.inf
        for passes in range(1, _MOST_PASSES + 1):
            try:
                better, scatter = self.improve(sites, weighted)
            except np.linalg.LinAlgError:  # one point has all the weight: what is drawn will not be trusted
                return best
            if not scatter < _ASTRAY * least:
                return best
            if scatter < least:
                best, least = (sites, weighted), scatter
            sites, weighted = better, self.points_under(better, correction)
            if passes >= PASSES and scatter < _NEAR:
                break
        return sites, weighted

    def improve(self, sites: Sites, weighted: Weighted) -> tuple[Sites, float]:
        """Sites after a pass of expectation propagation, and how unevenly those before it missed the likelihood."""
        chosen = resample(weighted.log_weight[0], POINTS.repetitions, POINTS_OF_PASS // POINTS.repetitions, self.rng)
        points = weighted.points[0].reshape(-1, weighted.points.shape[-1])[chosen.ravel()]
        drawn = list(self._drawn(points, sites, lambda drawn: drawn))
        places, log_weight, log_weight_of_site, log_ratio = (
            np.concatenate([np.asarray(getattr(part, name)) for part in drawn])
            for name in ("places", "log_weight", "log_weight_of_site", "log_ratio")
        )
        by_run = places.swapaxes(0, 1).reshape(self.runs, -1, places.shape[-1])

        def moments(log_weight: np.ndarray, log_ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            weights = softmax(log_weight, axis=-1) * softmax(log_ratio, axis=0)[..., None]
            return weighted_moments(by_run, weights.swapaxes(0, 1).reshape(self.runs, -1))

        better = improved(sites, moments(log_weight_of_site, 0 * log_ratio), moments(log_weight, log_ratio))
        return better, float(log_ratio.sum(1).std())

    def last_step(self, sites: Sites, weighted: Weighted) -> Points:
        """Rounds of points until they can be trusted, or more would not help."""
        rounds: list[Points] = []
        while True:
            rounds.append(self.round_of_points(sites, weighted))
            last = Points(*(np.concatenate(entries, axis=1) for entries in zip(*rounds, strict=True)))
            enough = len(rounds) >= _ROUNDS and last.enough
            if enough or last.hopeless or len(rounds) >= _MOST_ROUNDS:
                return last

    def round_of_points(self, sites: Sites, weighted: Weighted) -> Points:
        """Points of a flatter density than under the corrected sites, weighted by estimates of the likelihoods."""
        shape = (POINTS.repetitions, _ROUND // POINTS.repetitions)
        of_points = weighted.log_weight[0]
        chance = log_chance(of_points)
        chosen = resample(chance, *shape, self.rng)
        points = weighted.points[0].reshape(-1, weighted.points.shape[-1])[chosen]
        parts = list(self._drawn(points.reshape(_ROUND, -1), sites, _without_places))
        log_prior, log_marginal, log_ratio, places = (np.concatenate(entries) for entries in zip(*parts, strict=True))
        remainder = log_ratio.sum(1).reshape(shape)
        log_posterior = (log_prior + log_marginal).reshape(shape) + remainder
        beyond = log_posterior - weighted.log_posterior[0].ravel()[chosen]
        log_weight = of_points.ravel()[chosen] - chance.ravel()[chosen] + beyond
        alone = log_weight + (weighted.log_weight_alone[0] - of_points).ravel()[chosen]
        return Points(points, log_posterior, log_weight, alone, remainder, places.reshape(*shape, *places.shape[1:]))

    def collected(self, sites: Sites, correction: Correction, weighted: Weighted, last: Points) -> ImportanceDraws:
        """Draws and diagnostics; the tails are the worse of the two steps'."""
        smoothed, khat = smooth_weights(last.log_weight.ravel())
        log_weight = smoothed.reshape(last.log_weight.shape)
        values = self._values(last)
        quality = Quality(
            khat=max(khat, smooth_weights(weighted.log_weight[0].ravel())[1]),
            importance_ess=effective_points(last.points, log_weight),
            modes=self._modes(sites, correction, weighted),
            disagreement=disagreement_of({"population": last.points, "runs": last.places}, last.log_weight_alone),
            power=float(weighted.power[0]),
            generations=weighted.generations,
            evaluations=self.done,
        )
        chosen = resample(log_weight.reshape(1, -1), self.sampler.chains, self.sampler.draws, self.rng)
        drawn = {name: value.reshape(-1, *value.shape[2:])[chosen] for name, value in values.items()}
        evidence = log_mean_weight(last.log_weight)
        return ImportanceDraws(drawn, last.log_posterior.ravel()[chosen], values, log_weight, quality, evidence)

    def _values(self, last: Points) -> dict[str, np.ndarray]:
        unpacked = jax.jit(jax.vmap(jax.vmap(lambda point: self.target.unpack(point, self.data)[0])))(last.points)
        values = {**self.target.parameters(jnp.asarray(last.places), self.data), **unpacked}
        return {name: np.asarray(values[name]) for name in recorded(self.target.spec)}

    def _modes(self, sites: Sites, correction: Correction, weighted: Weighted) -> int:
        """Modes of the population's points under the corrected sites."""

        def density(points: np.ndarray) -> np.ndarray:
            log_prior, log_marginal = self.places.surrogate(points, self.data, sites, correction)
            return np.asarray(log_prior + log_marginal)

        posterior = partial(by_generation, density, settings=POINTS)
        return count_modes(posterior, weighted.points[0], weighted.log_posterior[0], weighted.log_weight[0])

    def _drawn[T](self, points: np.ndarray, sites: Sites, kept: Callable[[Drawn], T]) -> Iterator[T]:
        """What is kept of the places drawn at points, a part of the points at a time, on all cores."""
        parts = points.reshape(-1, _PART, points.shape[-1])
        bits = self.rng.integers(0, 2**32, size=(len(parts), 2), dtype=np.uint32)
        draw = partial(self.places.draw, data=self.data, sites=sites, count=self.count)
        for result in on_all_cores(lambda part: kept(draw(part[0], bits=part[1])), zip(parts, bits, strict=True)):
            self._advance(_PART * self.count)
            yield result

    def _advance(self, densities: int) -> None:
        self.done += densities
        if self.progress is not None:
            self.progress(self.done, max(self.done, self.expected))


def _without_places(drawn: Drawn) -> tuple[np.ndarray, ...]:
    return tuple(np.asarray(entry) for entry in (drawn.log_prior, drawn.log_marginal, drawn.log_ratio, drawn.chosen))
