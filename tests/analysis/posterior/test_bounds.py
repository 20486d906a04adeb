"""A plateau that reaches beyond a bound that was stated is told, once, and changes nothing."""

import numpy as np
import pytest
import xarray as xr

import bayes_grpo
from bayes_grpo.analysis.notes import notes_of
from bayes_grpo.analysis.posterior.bounds import beyond_bounds
from bayes_grpo.errors import Note

STATED = {"reward_lower": 0.0, "reward_upper": 1.0}


def test_each_stated_bound_that_is_passed_is_told() -> None:
    rng = np.random.default_rng(0)
    draws = 0.9 + 0.1 * rng.standard_normal(20_000)
    (note,) = beyond_bounds(draws, STATED, "a law")
    assert note.kind == "limit" and note.concerns("plateau")
    assert "above the largest possible reward, 1, and with probability 0.16" in note.text  # P(z > 1)
    (below,) = beyond_bounds(-0.1 * draws, STATED, "a law")
    assert "below the smallest possible reward, 0, and with probability 1 " in below.text
    assert len(beyond_bounds(3 * (draws - 0.9) + 0.5, {"reward_lower": 0.4, "reward_upper": 0.6}, "a law")) == 2
    assert beyond_bounds(0.8 * draws, STATED, "a law") == []
    assert beyond_bounds(3 * draws, {}, "a law") == []  # unless a bound is stated there is none to pass
    assert beyond_bounds(np.full(3, np.nan), STATED, "a law") == []


def _rising(known: dict[str, float]) -> xr.Dataset:
    """Rewards that rise in a straight line to 0.7: nothing tells where they end."""
    step = np.arange(1.0, 121.0)
    reward = 0.2 + 0.5 * step / 120 + 0.05 * np.random.default_rng(1).standard_normal(120)
    return bayes_grpo.make_run("rising", {"optimizer_step": step, "reward": np.clip(reward, 0, 1)}, known)


def _of_plateau(notes: list[Note]) -> list[str]:
    return [note.text for note in notes if note.kind == "limit" and note.concerns("plateau")]


@pytest.fixture(scope="module")
def stated() -> xr.DataTree:
    return bayes_grpo.fit(_rising(STATED))


def test_a_fit_says_where_its_plateau_passes_a_stated_bound(stated: xr.DataTree) -> None:
    summary = bayes_grpo.summarise(stated)
    assert summary["parameters"]["plateau"]["upper"] > 1
    (text,) = _of_plateau(notes_of(summary))
    assert "s_curve does not know the bounds" in text and "--model bounded_overdamped" in text
    answers = bayes_grpo.summarise_ask(bayes_grpo.ask(_rising(STATED)))
    assert len(_of_plateau(notes_of(answers))) == 1
    said = answers["answers"]["plateau"]["text"]
    assert "The law knows no bounds: it puts the plateau above 1 with probability 0.6" in said


def test_stated_bounds_that_were_assumed_change_no_draw(stated: xr.DataTree) -> None:
    free = bayes_grpo.fit(_rising({}))
    xr.testing.assert_equal(free["posterior"].to_dataset(), stated["posterior"].to_dataset())
    notes = notes_of(bayes_grpo.summarise(free))
    assert _of_plateau(notes) == []
    (assumed,) = [note.text for note in notes if note.subject == "reward_bounds"]
    assert "sought inside" not in assumed  # the default law does not seek it there
    other = notes_of(bayes_grpo.summarise(bayes_grpo.fit(_rising({}), "overdamped")))
    assert any("plateau is sought inside them" in note.text for note in other)
