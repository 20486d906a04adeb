"""`bayes-grpo watch --serve`: a run that trains, in a real browser."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bayes_grpo import make_run, save_runs
from tests.browser import PHONE, violations, visit
from tests.common import COMMAND, FACTS, LIMIT, call, curve
from tests.report.conftest import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Milliseconds until the page is given up; a loaded machine may take its time to fit.
PATIENCE = 1000 * LIMIT
FAST = ("--model", "exponential", "--every", "0.2", "--serve", "--port", "0", "--json")


def grow(log: Path, rows: int) -> None:
    """The log as it is after so many rows; the last five of 60 are a fall."""
    reward = np.where(np.arange(rows) < 48, curve(rows), 0.05)
    columns = {"optimizer_step": np.arange(1, rows + 1), "reward": reward, "entropy": np.linspace(2, 1, rows)}
    save_runs(make_run(HOSTILE, columns, FACTS), log)


@contextmanager
def watched(log: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """The command as a process, and the address that it prints."""
    # What is started in the background ignores Ctrl-C, and so would its children: one step between them hears it.
    heard = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", heard, str(COMMAND), "watch", str(log), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            said = running.stderr.readline()
            yield running, re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+", said)[0]
        finally:
            running.kill()


def test_a_run_in_the_browser_while_it_trains(browser: "Browser", tmp_path: Path) -> None:
    log = tmp_path / "log.nc"
    grow(log, 5)
    with watched(log, *FAST) as (running, url), visit(browser, url) as opened:
        page = opened.page
        page.set_default_timeout(PATIENCE)
        page.get_by_text("There is no forecast yet: expected at least").wait_for()
        assert "<script>alert(1)</script>" in page.locator("h1").inner_text() and "GRPO training" in page.title()
        grow(log, 40)
        page.get_by_text("40 rewards, step 40").wait_for()
        page.get_by_text("the next 100 steps bring more than").wait_for()
        assert "At step 60 the expected reward is" in page.locator(".findings").inner_text()
        page.locator(".chart svg").focus()
        page.keyboard.press("End")
        assert page.locator(".readout").inner_text().startswith("Step 60: forecast; expected reward")
        assert page.locator(".attention:visible").count() == 0
        grow(log, 60)
        page.locator(".findings .attention", has_text="the reward has fallen").wait_for()
        assert page.locator(".panel").count() == 1 and opened.complaints == []
        assert {request.split("?")[0].rsplit("/", 1)[0] for request in opened.requests} == {url.split("/?")[0]}
        for width, dark in ((PHONE, True), (1280, False)):
            with visit(browser, url, width, dark=dark, audit=True) as audited:
                assert violations(audited.page) == [] and audited.fits()
        with visit(browser, url.replace("token=", "token=x")) as shut:
            assert "The token is missing or wrong" in shut.page.locator("body").inner_text()
        port = re.search(r":(\d+)/", url)[1]
        second = call("watch", log, *FAST[:-3], "--port", port)
        assert second.returncode == 2 and f"port {port} cannot be had" in second.stderr and second.stdout == ""
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=LIMIT)
        assert running.returncode == 130 and "Traceback" not in err and "token" not in err
        rows = [json.loads(line) for line in out.splitlines()]
        assert [row["last_step"] for row in rows if "last_step" in row][-1] == 60
        assert [row["run"] for row in rows if "alarm" in row] == [HOSTILE]
        page.get_by_text("The watcher does not answer").wait_for()


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--port", "80"], "--port: only with --serve"),
        (["--host", "0.0.0.0"], "--host: only with --serve"),
        (["--serve", "--port", "web"], "--port: expected a whole number, found 'web'"),
        (["--serve", "--port", "65536"], "--port: expected a whole number from 0 to 65535, found 65536"),
        (["--serve", "--host", "192.0.2.1"], "192.0.2.1, port 8720 cannot be had"),
    ],
)
def test_addresses_that_cannot_be_had(arguments: list[str], fault: str, tmp_path: Path) -> None:
    log = tmp_path / "log.nc"
    grow(log, 5)
    done = call("watch", log, *arguments, "--refits", "1")
    assert done.returncode == 2 and fault in done.stderr and done.stdout == ""
