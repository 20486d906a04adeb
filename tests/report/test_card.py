"""The block for a model card: the numbers of a fit, as Markdown that a stranger's names cannot break."""

import json
import re
from pathlib import Path

import pytest
import xarray as xr

from bayes_grpo import card, save_fit, summarise
from bayes_grpo.report.words import ends
from tests.common import call


def test_a_card_says_what_the_fit_says(ahead_fit: xr.DataTree) -> None:
    text = card(ahead_fit, until=120)
    plateau = summarise(ahead_fit)["parameters"]["plateau"]
    assert f"| {ends(plateau)} |" in text and "| reward at step 120 |" in text
    assert re.search(r"^\| diagnosis \| [a-z ]+ \((0\.\d\d|(above|below) 0\.\d\d)\) \| - \|$", text, re.MULTILINE)
    assert "adaptive importance sampling" in text and "R-hat" not in text and "NUTS" not in text
    assert text.startswith("<!-- bayes_grpo: begin -->") and text.endswith("<!-- bayes_grpo: end -->")
    assert len(set(re.findall(r"^(?=\|)", text, re.MULTILINE))) == 1


def test_a_channel_that_never_changes_is_logged_and_a_note_is_said_once(ahead_fit: xr.DataTree) -> None:
    run = ahead_fit["constant_data"].to_dataset()
    flat = ahead_fit.copy()
    flat["constant_data"] = run.assign(kl=xr.zeros_like(run["reward"]))
    lines = card(flat, until=120).splitlines()
    (told,) = [line for line in lines if "Logged, but of no use" in line]
    assert told.endswith("Logged, but of no use: kl (constant at 0).") and told.count("kl") == 1
    notes = [line for line in lines if line.startswith("- Note: ")]
    assert notes and len(notes) == len(set(notes))


def test_a_name_is_text(ahead_fit: xr.DataTree) -> None:
    hostile = ahead_fit.copy()
    name = "`x` <img src=x onerror=alert(1)>\n# [a](http://x.invalid) | \x1b[31m"
    hostile["constant_data"] = hostile["constant_data"].to_dataset().assign_coords(run=[name])
    hostile.attrs["run"] = name
    text = card(hostile, until=120)
    heading = text.splitlines()[1]
    assert heading.startswith("## Training dynamics of `") and heading.endswith("`") and heading.count("`") == 2
    outside = re.sub(r"`[^`]*`", "", text)
    assert "<img" not in outside and "](http" not in outside and "\x1b" not in text


def test_the_command_prints_it(ahead_fit: xr.DataTree, tmp_path: Path) -> None:
    path = save_fit(ahead_fit, tmp_path / "fit.nc")
    done = call("card", path, "--until", "120")
    assert done.returncode in (0, 3) and done.stdout.rstrip() == card(ahead_fit, until=120)
    told = json.loads(call("card", path, "--until", "120", "--json").stdout)
    assert told["cards"][0]["text"] == card(ahead_fit, until=120)
    assert call("card", path, "--until", "50").returncode == 2
    assert pytest.approx(told["cards"][0]["run"]) == "small"


def test_what_the_log_cannot_show_is_said_once(ahead_fit: xr.DataTree) -> None:
    """The reward alone is logged: the probability of a hidden failure stands in one sentence, what lacks in another."""
    lines = [line for line in card(ahead_fit, until=120).splitlines() if line.startswith("- ")]
    assert sum("cannot show" in line for line in lines) == 1
    assert not any("next comes undetermined" in line for line in lines)
    assert sum(line.startswith("- Not logged: ") for line in lines) == 1
