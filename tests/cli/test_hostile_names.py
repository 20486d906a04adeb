"""Names of runs and columns are anybody's: what a terminal, a browser, a spreadsheet or a file system would act on."""

import csv
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from bayes_grpo import InputError, combine, make_run, read_run, save_runs
from bayes_grpo.cli.fit import distinct, file_name
from bayes_grpo.errors import printable
from tests.common import FACTS, QUICK, Done, call, curve, options

#: A title that is set, a cleared screen, a link; markup of rich, of HTML, of TeX and of a spreadsheet; paths out of the
#: folder; two names that are one file; letters that run backwards; an emoji's code; a name that is too long.
NAMES = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b31m",
    "[bold red]x[/] [/nothing] \\[red] :bug:",
    "<script>alert(1)</script>",
    "$\\frac{x$",
    '=HYPERLINK("http://x.invalid")',
    "../../up",
    "a/b",
    "a_b",
    "\u202egnp.exe\u2066",
    "x" * 4000,
)
FAST = ("--model", "exponential", *options(QUICK))


#: All in one, for what takes longer.
WORST = "".join(NAMES[:6])


def write(names: tuple[str, ...], path: Path) -> Path:
    steps = np.arange(1, 41)
    runs = [make_run(n, {"optimizer_step": steps, "reward": curve(40, i)}, FACTS) for i, n in enumerate(names)]
    return save_runs(combine(runs), path)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(NAMES, tmp_path_factory.mktemp("hostile") / "log.nc")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write((WORST,), tmp_path_factory.mktemp("hostile") / "log.nc")


def harmless(*texts: str) -> bool:
    """Whether a terminal only shows these texts: no control characters, no marks of direction."""
    marks = {mark for text in texts for mark in text if unicodedata.category(mark) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    return marks <= {"\n"}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def check(done: Done, code: tuple[int, ...] = (0, 3)) -> None:
    assert done.returncode in code, done.stderr[-500:]
    assert harmless(done.stdout, done.stderr)
    assert "Traceback" not in done.stderr


def test_every_fit_gets_a_file_of_its_own_in_the_folder(every: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    done = call("fit", every, *FAST, folder=here)
    check(done)
    # Rich shows names as they are, in square brackets or not.
    assert "[bold red]x[/] [/nothing] \\[red] :bug:" in done.stdout + done.stderr
    written = files(tmp_path)
    assert len(written) == len(NAMES) and {path.parent for path in written} == {here}
    assert all(path.suffix == ".nc" and not path.name.startswith(".") for path in written)
    for path in written[:3]:
        check(call("summary", path))
    write(("a/b", "a_b"), tmp_path / "two.nc")
    models = ("--models", "exponential,random_walk", *options(QUICK))
    check(call("compare", tmp_path / "two.nc", *models, "--out", "fits", folder=here))
    assert len(files(here / "fits")) == 4


def test_names_of_files() -> None:
    assert [file_name(name) for name in ("..", "", "/", "../../up", "CON", "é\u202e")] == [
        *("run", "run", "run", "up", "CON", "é"),
    ]
    assert len(file_name("\u4e2d" * 500).encode()) <= 150
    assert distinct(["a", "A", "b", "a", "a~2"]) == ["a", "A~2", "b", "a~3", "a~2~2"]


@pytest.mark.parametrize("command", ["inspect", "diagnose", "ask", "forecast --until 60 --model overdamped"])
def test_answers_in_a_terminal(command: str, log: Path, tmp_path: Path) -> None:
    name, *more = command.split()
    done = call(name, log, *more, folder=tmp_path)
    check(done)
    assert done.stdout
    machine = call(name, log, *more, "--json", folder=tmp_path)
    check(machine)
    answer = json.loads(machine.stdout)
    assert (answer["runs"][0] if "runs" in answer else answer)["run"] == WORST  # as data, a name is what it is


def test_figures_and_tables_of_paths(log: Path, tmp_path: Path) -> None:
    """TeX in a name is not set; a table for a spreadsheet holds numbers alone."""
    check(
        call(
            "forecast",
            log,
            "--until",
            "60",
            "--model",
            "overdamped",
            "--figure",
            "f.svg",
            "--paths",
            "p.csv",
            folder=tmp_path,
        )
    )
    assert len(files(tmp_path)) == 2
    for path in tmp_path.glob("*.csv"):
        head, *rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        assert head == ["sample", "optimizer_step", "expected_reward", "reward"]
        assert all(np.isfinite(float(cell)) for row in rows[:100] for cell in row)
    check(call("checkpoint", log, "--figure", "c.png", folder=tmp_path))
    check(call("diagnose", log, "--figure", "d.png", folder=tmp_path))
    assert len(list(tmp_path.glob("[cd].png"))) == 2


def test_the_report_shows_names_and_runs_none(log: Path, tmp_path: Path) -> None:
    check(call("report", log, "--out", "r.html", *options(QUICK), folder=tmp_path))
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert harmless(page.replace("\t", ""))


def test_batch_keeps_names_as_data(log: Path, tmp_path: Path) -> None:
    import pandas as pd

    check(call("batch", log, "--out", "table", "--keep-fits", "--workers", "1", *FAST, folder=tmp_path))
    table = pd.read_parquet(tmp_path / "table" / "batch.parquet")
    assert table["run"].tolist() == [WORST]
    assert sorted(path.parent.name for path in files(tmp_path)) == ["fits", "table"]


def test_alarms_on_a_terminal_and_for_prometheus(tmp_path: Path) -> None:
    falling = {"optimizer_step": np.arange(1, 201), "reward": np.r_[curve(100), 0.1 + 0.2 * curve(100, 1)]}
    log = save_runs(make_run(NAMES[0] + '"\n', falling, FACTS), tmp_path / "log.nc")
    done = call("monitor", log, "--looks", "1", "--prometheus", "state.prom", folder=tmp_path)
    check(done)
    assert "ALARM: \\x1b]0;owned" in done.stderr
    text = (tmp_path / "state.prom").read_text(encoding="utf-8")
    assert harmless(text) and all(line.startswith(("# ", "bayes_grpo_reward_")) for line in text.splitlines())


def test_columns_and_values_of_a_log(tmp_path: Path) -> None:
    """A column that names itself after an escape sequence; a value that holds one; a file that is called so."""
    head = "step,reward,\x1b[31mred,\u202eevil"
    (tmp_path / "log.csv").write_text(head + "\n" + "".join(f"{i},{r},1,2\n" for i, r in enumerate(curve(20), 1)))
    check(call("inspect", "log.csv", folder=tmp_path))
    refused = call("inspect", "log.csv", "--reward-column", "\x1b[2Jnone", folder=tmp_path)
    check(refused, (2,))
    (tmp_path / "bad.csv").write_text("step,reward\n" + "".join(f"{i},\x1b]0;{i}\x07\n" for i in range(20)))
    check(call("fit", "bad.csv", folder=tmp_path), (2,))
    strange = tmp_path / "\x1b[31mlog.csv"
    strange.write_text("step,reward\n1,2\n")
    check(call("fit", strange, folder=tmp_path), (2,))
    with pytest.raises(InputError) as caught:
        read_run(strange)
    assert harmless(str(caught.value))


def test_printable() -> None:
    assert printable("plain") == "plain" and printable("é 中 ■\n\t") == "é 中 ■\n\t"
    assert printable("\x1b[0m\x9b\r\u202e\ud800") == "\\x1b[0m\\x9b\\r\\u202e\\ud800"
