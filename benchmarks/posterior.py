"""Time and memory of a full posterior: 4 chains of 1000 warm-up and 1000 kept draws on a run of 500 steps.

Cold: nothing compiled before. Warm: another run of like length in the same process. The repeats after it show whether
memory stays flat. The peer draws from the same posterior density through tinygp, with NumPyro's own MCMC, its chains
side by side in one process.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import arviz_stats as az
import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.infer import MCMC, NUTS

import bayes_grpo
from bayes_grpo.inference.layout import prepare
from bayes_grpo.laws import likelihood
from bayes_grpo.runs.dataset import make_run, one_run

FACTS = {"group_size": 8, "prompts_per_step": 16, "momentum": 0.9, "logging_window": 1}
FACTS |= {"reward_lower": 0, "reward_upper": 1}


def simulated(steps: int, seed: int):
    """Rewards drawn from the oscillator law at settled values."""
    spec = bayes_grpo.load_model("oscillator")
    facts = FACTS | {"planned_steps": steps}
    blank = make_run(
        "blank", {"optimizer_step": np.arange(1, steps + 1), "reward": np.linspace(0.2, 0.7, steps)}, facts
    )
    prepared = prepare(blank, spec)
    truth = {"plateau": 0.7, "initial_reward": 0.2, "stiffness": 5 / steps, "damping": 0.8, "fluctuation": 0.04}
    truth |= {"observation_sd": 0.05, "initial_velocity": 1.0}
    logged = likelihood.simulated(spec.law, truth, prepared.data.run, jax.random.key(seed))[1]
    rewards = np.asarray(logged)[prepared.rows[0]]
    return make_run(f"run{seed}", {"optimizer_step": np.arange(1, steps + 1), "reward": rewards.clip(0, 1)}, facts)


def peer(run, seed: int) -> tuple[float, float]:
    """Seconds and least bulk ESS of the same model with tinygp's likelihood.

    tinygp has no known start; the oscillator's deterministic mean is its mean function and the stationary process its
    noise, which differs from the exact law only in the first timescale.
    """
    from tinygp import GaussianProcess, kernels

    from bayes_grpo.inference.backends.numpyro import priors

    spec = bayes_grpo.load_model("oscillator")
    prepared = prepare(run, spec)
    where = prepared.rows[0]
    rewards = jnp.asarray(one_run(run)["reward"].values)
    steps = jnp.arange(float(rewards.size))

    def program() -> None:
        p = priors(spec, prepared.data)
        mass = spec.law.mass.value(p, prepared.data.run)
        law = spec.law.state_space(p | {"fluctuation": jnp.zeros(())}, prepared.data.run)

        def move(state, motion):
            x, v = motion.f11 * state[0] + motion.f12 * state[1], motion.f21 * state[0] + motion.f22 * state[1]
            return (x, v), x

        _, path = jax.lax.scan(move, (law.position, law.velocity), law.motion.per_row())
        w0 = jnp.sqrt(p["stiffness"] / mass)
        damping = jnp.abs(p["damping"])
        kernel = kernels.quasisep.SHO(
            omega=w0, quality=jnp.sqrt(mass * p["stiffness"]) / damping, sigma=p["fluctuation"] / jnp.sqrt(damping)
        )
        gp = GaussianProcess(kernel, steps, diag=p["observation_sd"] ** 2)
        total = gp.log_probability(rewards - p["plateau"] - path[where])
        numpyro.factor("reward", jnp.where(jnp.isfinite(total), total, -jnp.inf))

    began = time.perf_counter()
    kernel = NUTS(program, dense_mass=True, target_accept_prob=0.95)
    mcmc = MCMC(kernel, num_warmup=1000, num_samples=1000, num_chains=4, chain_method="vectorized", progress_bar=False)
    mcmc.run(jax.random.key(seed))
    draws = {name: np.asarray(values) for name, values in mcmc.get_samples(group_by_chain=True).items()}
    seconds = time.perf_counter() - began
    return seconds, min(
        float(az.ess(values, method="bulk")) for name, values in draws.items() if name != "damping_moved"
    )


def memory() -> float:
    """Resident memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--out", type=Path, help="write the figures here, as JSON")
    options = parser.parse_args()
    rows = []
    for repeat in range(options.repeats):
        run = simulated(options.steps, repeat)
        began = time.perf_counter()
        fit = bayes_grpo.fit(run, "oscillator", seed=repeat)
        seconds = time.perf_counter() - began
        found = bayes_grpo.summarise(fit)["diagnostics"]
        name = "bayes_grpo, cold" if repeat == 0 else "bayes_grpo, warm"
        rows.append({"name": name, "seconds": seconds, "ess_bulk": found["min_ess_bulk"], "memory_mb": memory()})
        rows[-1] |= {"divergences": found["divergences"], "max_rhat": found["max_rhat"]}
        show(rows[-1])
    if not options.no_peer:
        seconds, ess = peer(simulated(options.steps, 0), 0)
        rows.append(
            {"name": "tinygp in NumPyro's MCMC, cold", "seconds": seconds, "ess_bulk": ess, "memory_mb": memory()}
        )
        show(rows[-1])
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def show(row: dict) -> None:
    rate = row["ess_bulk"] / row["seconds"]
    print(
        f"{row['name']:32} {row['seconds']:6.1f} s  least bulk ESS {row['ess_bulk']:5.0f} ({rate:4.0f} /s)"
        f"  memory {row['memory_mb']:5.0f} MB  {row.get('divergences', '')}",
        flush=True,
    )


if __name__ == "__main__":
    main()
