"""Units of the quantities that laws have; a law of one's own states the others with its priors."""

#: Unit of every parameter and derived quantity.
UNITS = {
    "plateau": "reward",
    "rise": "1",
    "initial_reward": "reward",
    "stiffness": "1/step",
    "timescale": "step",
    "midpoint": "step",
    "steepness": "1",
    "lag_share": "1",
    "damping": "1",
    "damping_ratio": "1",
    "mass": "step",
    "temperature": "reward^2/step",
    "fluctuation": "reward",
    "noise_ratio": "1",
    "step_sd": "reward/step^(1/2)",
    "observation_sd": "reward",
    "initial_velocity": "1",
    "temperature_exponent": "1",
    "observation_exponent": "1",
    "temperature_share": "1",
    "observation_share": "1",
}
