"""What the live page says of a run, without a browser."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from bayes_grpo import make_run
from bayes_grpo.analysis.alarms import alarms, boundary_for
from bayes_grpo.analysis.forecast.watching import Update
from bayes_grpo.report.live.page import live_page
from bayes_grpo.report.live.state import LiveState
from tests.common import FACTS, curve
from tests.report.conftest import HOSTILE

RATE = 0.2
#: What tells alarms, without any law.
REFIT = SimpleNamespace(
    alarms=lambda run: alarms(run["optimizer_step"].values, run["reward"].values, boundary_for(RATE))
)


def rows(rewards: np.ndarray, label: str = "run", **channels: np.ndarray) -> Update:
    run = make_run(label, {"optimizer_step": np.arange(1, rewards.size + 1), "reward": rewards, **channels}, FACTS)
    return Update(run, f"{rewards.size} rewards", None)


def test_a_log_that_cannot_be_read_leaves_the_last_state() -> None:
    state = LiveState().after(rows(curve()), REFIT)
    after = state.after(Update(None, "cannot be read yet: no rows", None), REFIT)
    assert after.run is state.run and after.message == "cannot be read yet: no rows"


def test_a_log_that_was_started_anew_has_no_forecast_yet() -> None:
    summary = {"recommendation": {}}
    state = LiveState().after(rows(curve())._replace(summary=summary), REFIT)
    assert state.after(rows(curve(12)), REFIT).summary is summary
    assert state.after(rows(curve(12))._replace(anew=True), REFIT).summary is None


def test_an_alarm_comes_first_and_asks_for_attention() -> None:
    fallen = np.concatenate([curve(), np.full(15, 0.05)])
    calm, alarmed = (live_page(LiveState().after(rows(rewards), REFIT), RATE, 5) for rewards in (curve(), fallen))
    first = re.search(r'<ul class="findings">\s*<li([^>]*)>(.*?)</li>', alarmed.now, re.DOTALL)
    assert first[1] == ' class="attention"' and "the reward has fallen" in first[2]
    assert "No alarm" not in alarmed.now
    assert "No alarm: a healthy run raises 0.2 of them per 1,000 steps" in calm.now and "has fallen" not in calm.now


def test_channels_are_drawn_with_their_units_and_numbers() -> None:
    entropy = np.linspace(2, 1, 60)
    entropy[:3] = np.nan
    now = live_page(LiveState().after(rows(curve(), entropy=entropy, kl=np.full(60, 0.25)), REFIT), RATE, 5).now
    alts = re.findall(r'<figure class="panel">.*?aria-label="([^"]+)"', now, re.DOTALL)
    assert len(alts) == 2
    assert alts[0].startswith("entropy from step 4 to 60: between 1 and 1.95 nat/token, last 1")
    assert "<strong>kl</strong> (nat): 0.25" in now


@pytest.mark.parametrize("part", ["whole", "now"])
def test_text_from_logs_is_escaped(part: str) -> None:
    state = LiveState().after(rows(np.concatenate([curve(), np.full(15, 0.05)]), HOSTILE), REFIT)
    text = getattr(live_page(state.after(Update(None, HOSTILE, None), REFIT), RATE, 5), part)
    assert "<script>alert" not in text and "<img" not in text and "\u202e" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3  # title, message, alarm
