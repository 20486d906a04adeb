"""Diagnosis: the filter against dense Gaussians, the sum over onsets against brute force, failures, bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import multivariate_normal

import bayes_grpo
from bayes_grpo.analysis.diagnosis.channel_priors import CHANNELS, FLUCTUATION, SETTLING, Channel, Noise, Shift
from bayes_grpo.analysis.diagnosis.evidence import ChannelEvidence, noise_grid, whiten
from bayes_grpo.analysis.diagnosis.joint import joint_posterior
from bayes_grpo.analysis.diagnosis.modes import MODES, Mode, answers, prior
from bayes_grpo.analysis.diagnosis.table import diagnosis_table
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.cli import main
from case_studies.diagnosis import bandits
from tests.common import call

KEYS = {"probabilities", "onset_step", "evidence", "missing_channels", "warnings"}


def covariance(rows: int, which: int) -> np.ndarray:
    phi, ratio = FLUCTUATION[which]
    lag = np.abs(np.subtract.outer(np.arange(rows), np.arange(rows)))
    return np.eye(rows) + ratio * (phi**lag if phi else np.eye(rows))


def test_whitening_is_the_dense_gaussian() -> None:
    rng = np.random.default_rng(0)
    observed = rng.random(30) < 0.7
    y = rng.normal(size=30)
    white, log_scale = whiten(y[:, None], observed)
    for which in range(len(FLUCTUATION)):
        dense = covariance(30, which)[np.ix_(observed, observed)]
        expected = multivariate_normal(np.zeros(observed.sum()), dense).logpdf(y[observed])
        terms = -0.5 * (np.log(2 * np.pi) + white[observed, which, 0] ** 2) - log_scale[observed, which]
        np.testing.assert_allclose(terms.sum(), expected, rtol=1e-10)


def dense_log_evidence(
    channel: Channel, y: np.ndarray, said: ChannelEvidence, change: Shift | None, onset: int
) -> float:
    """Log of the sum over all grids of dense Gaussian densities, times priors."""
    seen = np.isfinite(y)
    rows = np.arange(y.size)
    terms = []
    for which, (_, ratio) in enumerate(FLUCTUATION):
        for noise in said.noise:
            prior = -0.5 * (np.log(noise / channel.noise) / channel.noise_log_sd) ** 2
            prior -= 0.5 * ratio * (noise / channel.fluctuation) ** 2
            for settling in SETTLING:
                gain = 1 - np.exp(-rows / settling)
                mean, dense = channel.settle_mean * gain, noise**2 * covariance(y.size, which) + 100.0
                dense = dense + channel.settle_sd**2 * np.outer(gain, gain)
                for tau in said.constants if change is not None else (1.0,):
                    moved, spread = mean, dense
                    if change is not None:
                        b = np.where(rows >= onset, 1 - np.exp(-(rows - onset + 1) / tau), 0.0)
                        moved, spread = mean + change.mean * b, dense + change.sd**2 * np.outer(b, b)
                    density = multivariate_normal(moved[seen], spread[np.ix_(seen, seen)]).logpdf(y[seen] - y[seen][0])
                    terms.append(density + prior - np.log(len(said.constants) if change is not None else 1))
    return float(np.logaddexp.reduce(terms))


@pytest.mark.parametrize("rows_seen", [8, 17])
def test_bayes_factor_of_a_shift_is_the_dense_one(rows_seen: int) -> None:
    rng = np.random.default_rng(1)
    y = 0.4 + 0.03 * rng.normal(size=18)
    y[10:] -= 0.3
    y[4] = np.nan
    channel = CHANNELS["reward"]
    onsets = np.array([3, 10])
    said = ChannelEvidence(channel, y, onsets, np.array([rows_seen]))
    cut = np.where(np.arange(18) <= rows_seen, y, np.nan)
    shift = channel.changes["falls"]
    assert isinstance(shift, Shift)
    calm = dense_log_evidence(channel, cut, said, None, 0)
    expected = [dense_log_evidence(channel, cut, said, shift, int(s)) - calm for s in onsets]
    np.testing.assert_allclose(said.log_factor(shift)[0], expected, rtol=1e-6, atol=1e-6)
    assert rows_seen > 10 or said.log_factor(shift)[0, 1] == pytest.approx(0)


def test_noise_change_multiplies_innovations() -> None:
    rng = np.random.default_rng(2)
    y = 0.05 * rng.normal(size=25)
    channel = CHANNELS["reward"]
    said = ChannelEvidence(channel, y, np.array([9]), np.array([24]))
    u, weight = said.residual, np.exp(said.log_evidence[24] - said.log_evidence[24].max())
    change = Noise((4.0,), ((4.0, 0.9),), "")
    a1, a2 = 2 * 0.9 * np.cos(np.pi / 2), -0.81
    left = u[9:] - a1 * u[8:-1] - a2 * u[7:-2]
    gain = np.exp((-0.5 * np.log(4) - left**2 / 8 + u[9:] ** 2 / 2).sum(0))
    expected = np.log((gain * weight).sum() / weight.sum())
    np.testing.assert_allclose(said.log_factor(change)[0, 0], expected, rtol=1e-9)


def test_sum_over_onsets_is_brute_force() -> None:
    rng = np.random.default_rng(3)
    names = ("reward", "entropy")
    factors = {n: {c: rng.normal(size=(1, 6)) for c in CHANNELS[n].changes} for n in names}
    chances = prior()
    joint, _ = joint_posterior(factors, chances, {})

    def mix(weights, values, rest):
        return sum(w * np.exp(values[c]) for c, w in weights.items()) + (1 - sum(weights.values())) * rest

    def at(failure, name, s):
        """Factors of changes at an onset, or at the next row where the channel follows: a fifth of six rows is one."""
        later = MODES[failure].follows.get(name, 0.0)
        after = {c: np.append(values[0], 0.0)[s + 1] for c, values in factors[name].items()}
        return {
            c: np.log((1 - later) * np.exp(factors[name][c][0, s]) + later * np.exp(after[c])) for c in factors[name]
        }

    starts = [(0.7, None), *[(0.3 / 2, s) for s in (0, 4)]]
    weight = {}
    for chance, end in starts:
        begun = {
            n: 1.0 if end is None else mix(CHANNELS[n].take_off, {c: factors[n][c][0, end] for c in factors[n]}, 1.0)
            for n in names
        }
        weight["healthy"] = weight.get("healthy", 0) + chances["healthy"] * chance * np.prod(list(begun.values()))
        for failure in MODES:
            for s in range(6):
                onset = 0.7 / 6 + 0.3 * (s == 0)
                like = np.prod([mix(MODES[failure].effects.get(n, {}), at(failure, n, s), begun[n]) for n in names])
                key = (failure, s)
                weight[key] = weight.get(key, 0) + chances[failure] * onset * chance * like
    total = sum(weight.values())
    expected = [[weight[(failure, s)] / total for s in range(6)] for failure in MODES]
    np.testing.assert_allclose(joint[0], expected, rtol=1e-10)


def test_priors_are_probabilities_of_changes_that_exist() -> None:
    assert sum(prior().values()) == pytest.approx(1) and prior()["healthy"] == 0.6
    effects = [(name, weights) for mode in MODES.values() for name, weights in mode.effects.items()]
    alone = [(name, weights) for name, c in CHANNELS.items() for weights in (c.own, c.take_off) if weights]
    for name, weights in (*effects, *alone):
        assert set(weights) <= set(CHANNELS[name].changes)
        assert 0 < sum(weights.values()) <= 1
    assert all(channel.own for channel in CHANNELS.values())
    assert all(mode.decisive in CHANNELS and mode.label and mode.meaning for mode in MODES.values())
    assert all(channel.reason and channel.unit and channel.source for channel in CHANNELS.values())
    assert all(change.reason for channel in CHANNELS.values() for change in channel.changes.values())


@pytest.mark.parametrize("mode", bandits.MODES)
def test_failures_are_recognised_on_unused_seeds(mode: str) -> None:
    """Of 4 runs at least 3 are named rightly.

    The bench has 0.88 to 0.98 a run, so that other seeds would fail by chance
    with probability 0.07 at most (these are fixed)."""
    said = []
    for seed in range(100_001, 100_009, 2):
        run, _ = bandits.make(mode, seed)
        said.append(bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(run))["diagnosis"])
    assert said.count(mode) >= 3, said


@pytest.fixture(scope="module")
def hacked() -> xr.Dataset:
    run: xr.Dataset = bandits.make("reward_hacking", 100_001)[0]
    return run


def test_what_is_not_logged_is_undetermined(hacked: xr.Dataset) -> None:
    full = bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(hacked))
    assert full["probabilities"]["reward_hacking"] > 0.9
    said = bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(hacked.drop_vars("evaluation_reward")))
    assert said["probabilities"]["reward_hacking"] == 0
    assert said["probabilities"]["undetermined"] > 0.05
    assert any(text.startswith("evaluation_reward") for text in said["missing_channels"])
    (note,) = [note for note in notes_of(said) if note.subject == "reward_hacking"]
    assert note.kind == "limit" and "cannot be told without evaluation_reward" in note.text


def test_reward_alone_leaves_three_failures_undetermined(small_run: xr.Dataset) -> None:
    said = bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(small_run))
    chances = said["probabilities"]
    assert list(chances) == list(answers())
    assert sum(chances.values()) == pytest.approx(1)
    lost = {"reward_hacking", "advantage_degeneracy", "policy_concentration"}
    assert {name for name, p in chances.items() if p == 0} == lost
    # Nothing speaks for or against them, so about their prior's share is left.
    assert chances["undetermined"] == pytest.approx(0.3 / 0.9, abs=0.08)
    assert len(said["missing_channels"]) == len(CHANNELS) - 1
    assert said["onset_step"] is None


def test_onset_and_first_sight(hacked: xr.Dataset) -> None:
    run, cause = bandits.make("policy_concentration", 100_003)
    found = bayes_grpo.diagnose(run)
    said = bayes_grpo.summarise_diagnosis(found)
    onset = said["onset_step"]
    assert onset["failure"] == "policy_concentration"
    assert onset["lower"] <= onset["median"] <= onset["upper"]
    assert abs(onset["median"] - cause) < 15
    assert said["first_seen_step"] >= onset["lower"]
    at = found["probability_at"]
    np.testing.assert_allclose(at.sum("answer"), 1, rtol=1e-12)
    assert float(at.isel(seen=0).sel(answer=["healthy", "not_learning"]).sum()) > 0.9


def test_what_was_seen_does_not_depend_on_what_came_later(hacked: xr.Dataset) -> None:
    """Every figure given the first rows is that of the run cut off there, but for grids that go with the length."""
    found = bayes_grpo.diagnose(hacked)
    late = hacked.copy(deep=True)
    half = hacked.sizes["step"] // 2
    rng = np.random.default_rng(0)
    values = late["evaluation_reward"].values
    values[:, half + 1 :] = np.where(np.isfinite(values[:, half + 1 :]), rng.permuted(values[:, half + 1 :]), np.nan)
    other = bayes_grpo.diagnose(late)
    before = found["seen_step"].values <= hacked["optimizer_step"].values[0, half]
    np.testing.assert_allclose(found["probability_at"][before], other["probability_at"][before], atol=0.02)


def test_runs_bit_for_bit_alike(hacked: xr.Dataset) -> None:
    xr.testing.assert_identical(bayes_grpo.diagnose(hacked), bayes_grpo.diagnose(hacked))


def test_channels_of_different_lengths_and_steps() -> None:
    """Evaluations in a few rows, entropy in each update, rewards in every second row."""
    rng = np.random.default_rng(5)
    reward = np.where(np.arange(80) % 2 == 0, 0.5 + 0.03 * rng.normal(size=80), np.nan)
    entropy = 1 + 0.02 * rng.normal(size=80)
    few = np.full(80, np.nan)
    few[::30] = 0.5
    run = bayes_grpo.make_run(
        "r", {"optimizer_step": np.arange(80), "reward": reward, "entropy": entropy, "evaluation_reward": few}
    )
    found = bayes_grpo.diagnose(run)
    assert found.sizes["row"] == 40
    np.testing.assert_allclose(
        found["channel_value"].sel(channel="entropy"), np.log(entropy.reshape(40, 2).mean(1) + 0.02), rtol=1e-12
    )
    said = bayes_grpo.summarise_diagnosis(found)
    assert said["unused_channels"] == {"evaluation_reward": "logged in 3 rows, fewer than 5"}
    assert not any(text.startswith("evaluation_reward") for text in said["missing_channels"])


def test_a_constant_channel_is_logged_and_of_no_use(small_run: xr.Dataset) -> None:
    """It is not listed among what is not logged, and neither note nor table asks for it."""
    columns = {"kl": 0.0, "clip_ratio": -0.25, "completion_length": 17.0, "entropy": 0.5}
    shape = small_run["reward"].shape
    varied = np.full(shape, columns["clip_ratio"])
    varied[:, ::2] -= 0.1
    run = small_run.assign({name: (("run", "step"), np.full(shape, value)) for name, value in columns.items()})
    said = bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(run.assign(clip_ratio=(("run", "step"), varied))))
    unused = said["unused_channels"]
    assert unused["kl"] == "constant at 0" and unused["completion_length"] == "constant at 17"
    assert unused["clip_ratio"] == "never above 0" and set(unused) == set(columns)
    assert len(said["missing_channels"]) == len(CHANNELS) - 1 - len(columns)
    (note,) = [note for note in notes_of(said) if note.subject == "policy_concentration"]
    assert "cannot be told: entropy is constant at 0.5" in note.text
    lines = diagnosis_table(said).splitlines()
    table = " ".join(line.strip() for line in lines[[line.startswith("not logged") for line in lines].index(True) :])
    missing, logged = table.split("logged, but of no use: ")
    assert "kl (constant at 0)" in logged and "kl" not in missing and "entropy" not in missing


def test_bad_input(small_run: xr.Dataset, hacked: xr.Dataset) -> None:
    two = bayes_grpo.combine([small_run, hacked.drop_vars("reward_spread")])
    with pytest.raises(bayes_grpo.InputError, match="expected one run, found 2; name one with run="):
        bayes_grpo.diagnose(two)
    with pytest.raises(bayes_grpo.InputError, match="no run 'x'"):
        bayes_grpo.diagnose(two, run="x")
    with pytest.raises(bayes_grpo.InputError, match="expected at least 5 rows with a reward, found 3"):
        bayes_grpo.diagnose(small_run.isel(step=slice(3)))
    with pytest.raises(bayes_grpo.InputError) as error:
        bayes_grpo.diagnose(small_run, prior={"healthy": 1.2, "ringing": 0.1})
    assert len(error.value.faults) == 6
    with pytest.raises(bayes_grpo.InputError, match="sum to 1"):
        bayes_grpo.diagnose(small_run, prior=dict.fromkeys(prior(), 0.3))


def test_a_prior_without_a_failure_rules_it_out(hacked: xr.Dataset) -> None:
    chances = {**dict.fromkeys(MODES, 0.1), "healthy": 0.7, "reward_hacking": 0.0}
    assert float(bayes_grpo.diagnose(hacked, prior=chances)["probability"].sel(answer="reward_hacking")) == 0


def test_a_new_mode_is_one_entry(hacked: xr.Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A mode added in memory gets a probability, evidence, a colour, a line of the table and a place in the report."""
    before = bayes_grpo.summarise_diagnosis(bayes_grpo.diagnose(hacked))
    runaway = Mode(
        label="runaway length",
        meaning="completions grow to the limit",
        colour="#0072B2",
        prior=0.1,
        decisive="completion_length",
        effects={"completion_length": {"rises": 1.0}, "reward": {"falls": 0.2}},
    )
    monkeypatch.setitem(MODES, "runaway_length", runaway)
    assert prior() == pytest.approx({"healthy": 0.5, **dict.fromkeys(MODES, 0.1)})
    # From the middle on completions are four times as long, and nothing else happens.
    n = 80
    rng = np.random.default_rng(0)
    length = np.where(np.arange(n) < n // 2, 100.0, 400.0) * np.exp(0.03 * rng.normal(size=n))
    columns = {"optimizer_step": np.arange(n), "reward": 0.5 + 0.02 * rng.normal(size=n), "completion_length": length}
    result = bayes_grpo.diagnose(bayes_grpo.make_run("long", columns))
    said = bayes_grpo.summarise_diagnosis(result)
    # The channel rises on its own in 15 runs of 100, which bounds what it alone can prove.
    assert said["diagnosis"] == "runaway_length" and said["probabilities"]["runaway_length"] > 3 * runaway.prior
    assert (
        abs(float(result["onset_step"][int(result["onset"].sel(failure="runaway_length").values.argmax())]) - n // 2)
        <= 1
    )
    assert said["evidence"]["completion_length"]["runaway_length"] > 1
    assert "runaway length" in diagnosis_table(said)
    assert "runaway length" in bayes_grpo.plot_diagnosis(result).axes[0].get_legend_handles_labels()[1]
    # Where its channel is not logged it is among what cannot be told, and the others are as probable as they were.
    without = bayes_grpo.summarise_diagnosis(
        bayes_grpo.diagnose(hacked.drop_vars("completion_length", errors="ignore"))
    )
    assert without["probabilities"]["runaway_length"] == 0
    assert any(note.subject == "runaway_length" for note in notes_of(without))
    assert without["diagnosis"] == before["diagnosis"]


def test_command_line(
    hacked: xr.Dataset, small_run: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = small_run.assign_coords(run=["<b>[red]$x$"])
    for name, run in (("a", hacked), ("b", strange)):
        bayes_grpo.save_runs(run, tmp_path / f"{name}.nc")
    figure = tmp_path / "f.png"
    assert main(["diagnose", str(tmp_path / "a.nc"), "--json", "--figure", str(figure)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) >= KEYS
    assert set(said["probabilities"]) == set(answers())
    assert figure.read_bytes().startswith(b"\x89PNG")
    both = [str(tmp_path / "a.nc"), str(tmp_path / "b.nc")]
    assert main(["diagnose", *both, "--figure", str(tmp_path / "g.svg")]) == 0
    out = capsys.readouterr().out
    assert "<b>[red]$x$" in out and "reward hacking" in out
    narrow = call("diagnose", both[0], columns=80).stdout
    assert "began at step" in narrow and max(map(len, narrow.splitlines())) <= 80
    assert {p.name for p in tmp_path.glob("g*")} == {"g-1.svg", "g-2.svg"}
    assert main(["diagnose", both[0], "--figure", "f.gif"]) == 2
    assert main(["diagnose", str(tmp_path / "none.nc")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_noise_grid_spans_quiet_and_loud() -> None:
    y = np.random.default_rng(0).normal(size=80) * np.repeat([0.05, 0.5], 40)
    grid = noise_grid(y, 0.04)
    assert grid[0] < 0.05 and grid[-1] > 0.5
    assert (grid[1:] / grid[:-1]).max() < 1.31
