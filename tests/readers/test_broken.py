"""Hard input: encodings, half-written files, interleaved writers, folders that loop, bombs, a million rows."""

import bz2
import gzip
import json
import lzma
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bayes_grpo import InputError, make_run, read_run, save_runs
from bayes_grpo.readers import read_log
from tests.readers.files import PEAK, REWARDS, STEPS, N, trl_rows

TABLE = "step,reward\n" + "".join(f"{s},{r}\n" for s, r in zip(STEPS, REWARDS, strict=True))
JSONL = "".join(json.dumps(row) + "\n" for row in trl_rows())
STATE = json.dumps({"log_history": trl_rows()}, indent=1)
CONSOLE = "starting\n" + "".join(
    f"step:{s} - critic/rewards/mean:{r} - actor/lr:1e-06\n" for s, r in zip(STEPS, REWARDS, strict=True)
)
TEXTS = {"table": TABLE, "jsonl": JSONL, "state": STATE, "console": CONSOLE}


@pytest.mark.parametrize("form", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_byte_order_marks_and_line_endings(form: str, encoding: str, ending: str, tmp_path: Path) -> None:
    """As editors and shells of Windows save it."""
    path = tmp_path / "log.txt"
    path.write_bytes(TEXTS[form].replace("\n", ending).encode(encoding))
    run = read_run(path)
    assert run["optimizer_step"].values[0].tolist() == STEPS
    assert run["reward"].values[0].tolist() == REWARDS


@pytest.mark.parametrize("form", TEXTS)
@pytest.mark.parametrize("size", [5, 4_096, 300_000])
@pytest.mark.parametrize("where", ["beginning", "end", "middle", "all"])
def test_zero_bytes_are_left_out(form: str, size: int, where: str, tmp_path: Path) -> None:
    """As a crash of the machine, and truncation under an open writer, leave them."""
    text = TEXTS[form].encode()
    at = text.index(b"\n", len(text) // 2) + 1
    zeros = {place: bytes(size) if where in (place, "all") else b"" for place in ("beginning", "middle", "end")}
    path = tmp_path / "log.txt"
    path.write_bytes(zeros["beginning"] + text[:at] + zeros["middle"] + text[at:] + zeros["end"])
    readings, faults = read_log(path)
    assert not faults and readings[0].run["optimizer_step"].values[0].tolist() == STEPS
    assert readings[0].run["reward"].values[0].tolist() == REWARDS
    assert any("zero bytes" in str(note) for note in readings[0].notes)


def test_a_row_that_zero_bytes_cut_is_left_out(tmp_path: Path) -> None:
    rows = [str({"loss": 0.1, "reward": r, "step": s}) + "\n" for s, r in zip(STEPS, REWARDS, strict=True)]
    path = tmp_path / "train.log"
    path.write_bytes("".join(rows[:-1]).encode() + rows[-1][:-9].encode() + bytes(4_000))
    assert read_run(path)["reward"].values[0].tolist() == REWARDS[:-1]


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode("utf-16-le"),
        bytes(100_000),
        b"step,reward\n1,0.5\n" + bytes(range(256)) * 9,
        b"".join(bytes([48 + i % 10, 0, 0, 0]) for i in range(5_000)),
    ],
)
def test_other_zero_bytes_are_binary(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="binary data|is empty"):
        read_run(path)


def test_mixed_encodings_are_named_or_skipped(tmp_path: Path) -> None:
    """In tables and JSON a foreign byte is a fault; in console output it may be anything's."""
    for form in ("table", "jsonl", "state"):
        path = tmp_path / form
        path.write_bytes(TEXTS[form].encode() + '{"caf\u00e9'.encode("latin-1"))
        with pytest.raises(InputError, match=r"expected UTF-8 text, found byte 0xe9; convert the file"):
            read_run(path)
    path = tmp_path / "console"
    path.write_bytes("caf\u00e9\n".encode("latin-1") + CONSOLE.encode())
    assert read_run(path)["reward"].values[0].tolist() == REWARDS


def archives(path: Path) -> dict[str, Callable[[bytes], None]]:
    def tar(content: bytes) -> None:
        (path.parent / "member").write_bytes(content)
        with tarfile.open(path, "w") as archive:
            archive.add(path.parent / "member", "member")

    def packed(content: bytes) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("metrics.jsonl", content)

    return {
        "gzip": lambda content: path.write_bytes(gzip.compress(content)) and None,
        "bzip2": lambda content: path.write_bytes(bz2.compress(content)) and None,
        "xz": lambda content: path.write_bytes(lzma.compress(content)) and None,
        "zip": packed,
        "tar": tar,
    }


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zip", "tar"])
def test_archives_are_refused_unopened(kind: str, tmp_path: Path) -> None:
    """100 MB of zeros in a small file: nothing is unpacked."""
    path = tmp_path / "metrics.jsonl"
    archives(path)[kind](bytes(10_000_000) if kind == "tar" else bytes(100_000_000))
    with pytest.raises(InputError, match="packed archive; unpack it and name the log inside"):
        read_run(path)


class Bomb:
    """Unpickled, it leaves a mark."""

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.mark}",)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    """By themselves, under a log's name, in a folder, and as PyTorch saves them (a zip)."""
    bomb = Bomb()
    bomb.mark = tmp_path / "mark"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / f"trainer_state.{protocol}.json"
        path.write_bytes(pickle.dumps(bomb, protocol))
        with pytest.raises(InputError):
            read_run(path)
    with zipfile.ZipFile(tmp_path / "training_args.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(bomb))
    with pytest.raises(InputError, match="hold pickles"):
        read_run(tmp_path / "training_args.bin")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "training_args.bin").write_bytes(pickle.dumps(bomb))
    (folder / "log.jsonl").write_text(JSONL)
    assert read_run(folder)["reward"].values[0].tolist() == REWARDS
    assert not bomb.mark.exists()


def test_console_lines_are_never_executed(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    mark = tmp_path / "mark"
    evil = f"{{'reward': __import__('os').system('touch {mark}'), 'loss': 1}}\n"
    path.write_text(evil + CONSOLE + evil)
    assert read_run(path)["reward"].values[0].tolist() == REWARDS
    assert not mark.exists()


def test_loops_pipes_and_missing_permissions_end_in_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="cannot be read"):
        read_run(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="found a pipe or a device"):
        read_run(tmp_path / "pipe")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "self").symlink_to(folder)
    (folder / "gone.jsonl").symlink_to(tmp_path / "nothing")
    os.mkfifo(folder / "metrics.jsonl")
    with pytest.raises(InputError, match="another training log below it, found neither"):
        read_run(folder)
    (folder / "run").mkdir()
    (folder / "run" / "metrics.jsonl").write_text(JSONL)
    assert read_run(folder)["reward"].values[0].tolist() == REWARDS


def test_two_writers_in_one_file_are_told_apart_or_refused(tmp_path: Path) -> None:
    """Two runs appended to one file at the same time, line by line; and one line torn by the other."""
    one = [json.dumps(row) for row in trl_rows()]
    other = [json.dumps(row | {"reward": 0.9 - row["reward"], "step": row["step"] + 100}) for row in trl_rows()]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(f"{a}\n{b}\n" for a, b in zip(one, other, strict=True)))
    with pytest.raises(InputError, match="expected increasing steps, found them out of order"):
        read_run(path)
    path.write_text("\n".join([*one[:5], one[5][:20] + other[0], *one[6:]]))
    with pytest.raises(InputError, match="line 6: expected one JSON object a line"):
        read_run(path)


def test_restarts_and_a_second_run(tmp_path: Path) -> None:
    """Two restarts drop what they repeat; a run begun anew in the same file is another run."""
    rows = trl_rows()
    path = tmp_path / "log.jsonl"
    log = [*rows[:6], *rows[3:9], *rows[5:]]
    path.write_text("".join(json.dumps(row) + "\n" for row in log))
    run = read_run(path)
    assert run["optimizer_step"].values[0].tolist() == STEPS and run["reward"].values[0].tolist() == REWARDS
    assert "7 rows that it logged again" in run["notes"].item()
    path.write_text(JSONL + JSONL)
    with pytest.raises(InputError, match="found step 1 again in row 13"):
        read_run(path)


@pytest.mark.parametrize("text", ["NaN", "nan", "None", "null", "", "n/a", "-"])
def test_missing_values_as_text(text: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(TABLE.replace(f"5,{REWARDS[4]}\n", f"5,{text}\n"))
    reward = read_run(path)["reward"].values[0]
    assert np.flatnonzero(np.isnan(reward)).tolist() in ([4], [])
    assert reward[np.isfinite(reward)].tolist() == [r for r in REWARDS if r != REWARDS[4]]


def test_files_still_being_written(tmp_path: Path) -> None:
    """Cut in the last row, all rows before it come through; a JSON document, which has no last row, is refused."""
    cut = tmp_path / "log.csv"
    cut.write_text(TABLE + "13")
    assert read_run(cut).sizes["step"] == N and "cut off" in read_run(cut)["notes"].item()
    cut = tmp_path / "log.jsonl"
    cut.write_text(JSONL[:-9])
    assert read_run(cut).sizes["step"] == N - 1 and "cut off" in read_run(cut)["notes"].item()
    cut = tmp_path / "trainer_state.json"
    cut.write_text(STATE[:-40])
    with pytest.raises(InputError, match="or the trainer still writing it"):
        read_run(cut)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a":' * 50_000, "nested|expected|syntax|no|break"),
        ("[" + '{"step": 1, "x": [' * 5_000, "nested|break"),
        (json.dumps({f"key{i}": i for i in range(60_000)}) + "\n", "more than 50000 different"),
        ('{"step": 1, "reward": ' + "9" * 5_000 + "}\n", "expected|found"),
        ("step,step,reward\n1,1,0.5\n", "found step more than once"),
        ("step,reward\n" + "1,2,3\n" * 3, "at least 5 rows"),
        ("\x00\x01\x02", "binary data"),
    ],
)
def test_bombs_and_nonsense_are_refused_quickly(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        read_run(path)
    assert len(str(caught.value)) < 4000


def test_a_parquet_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """Two million equal rows take a few kilobytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "completions_00001.parquet"
    pq.write_table(pa.table({"prompt": ["x"] * 2_000_000, "score": np.zeros(2_000_000)}), path)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="found 2000000 rows"):
        read_run(path)


WRITE_MANY = """
import json, sys
kind, count, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
row = lambda i: {"step": i, "reward": (i % 97) / 97, "learning_rate": 1e-6, "completions/mean_length": 5.0, "kl": 0.1, "text": "x" * 20}
with open(path, "w") as file:
    if kind == "csv":
        file.write("step,reward,learning_rate,kl,text\\n")
        file.writelines(f"{i},{(i % 97) / 97},1e-06,0.1,{'x' * 20}\\n" for i in range(count))
    elif kind == "console":
        file.writelines(f"(pid=1) step:{i} - critic/rewards/mean:{(i % 97) / 97} - actor/lr:1e-06\\n" for i in range(count))
    elif kind == "jsonl":
        file.writelines(json.dumps(row(i)) + "\\n" for i in range(count))
    else:
        file.write('{"max_steps": 5, "log_history": [')
        file.writelines((", " if i else "") + json.dumps(row(i)) for i in range(count))
        file.write("]}")
"""
READ_MANY = (
    PEAK + "import sys, time, bayes_grpo.readers as r, numpy\n"
    "before = peak()\n"
    "began = time.process_time(); run = r.read_run(sys.argv[1]); seconds = time.process_time() - began\n"
    "print(run.sizes['step'], seconds, peak() - before)"
)


@pytest.mark.parametrize(
    ("kind", "count"), [("jsonl", 1_000_000), ("state", 250_000), ("csv", 250_000), ("console", 250_000)]
)
def test_a_million_rows_take_seconds_and_memory_for_their_numbers_only(kind: str, count: int, tmp_path: Path) -> None:
    """Six columns of a million numbers are 48 MB; as Python rows they would be over a gigabyte."""
    path = tmp_path / "log"
    subprocess.run([sys.executable, "-c", WRITE_MANY, kind, str(count), path], check=True, timeout=120)
    done = subprocess.run(
        [sys.executable, "-c", READ_MANY, path], check=True, capture_output=True, text=True, timeout=300
    )
    rows, seconds, megabytes = done.stdout.split()
    assert int(rows) == count
    assert float(seconds) < 40e-6 * count, "about 4 s a million on an idle machine"
    assert int(megabytes) < 50 + 350e-6 * count


finite = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    rewards=st.lists(finite, min_size=5, max_size=40).filter(lambda r: len(set(r)) > 1),
    gaps=st.lists(st.integers(0, 5), min_size=40, max_size=40),
    rate=st.floats(0, 1, allow_subnormal=False),
    form=st.sampled_from(("csv", "tsv", "json", "jsonl", "state", "nc")),
)
def test_what_was_written_is_read(
    rewards: list[float], gaps: list[int], rate: float, form: str, tmp_path: Path
) -> None:
    """Any finite numbers, steps repeated or far apart, in every plain format."""
    steps = np.cumsum([1, *gaps])[: len(rewards)].tolist()
    rows = [{"step": s, "reward": r, "learning_rate": rate} for s, r in zip(steps, rewards, strict=True)]
    path = tmp_path / f"log.{form}"
    if form in ("csv", "tsv"):
        mark = "," if form == "csv" else "\t"
        path.write_text(
            "\n".join(mark.join(map(str, line)) for line in [rows[0].keys(), *(row.values() for row in rows)])
        )
    elif form == "nc":
        save_runs(
            make_run("r", {"optimizer_step": steps, "reward": rewards, "learning_rate": [rate] * len(rows)}), path
        )
    else:
        path.write_text(
            {"json": json.dumps(rows), "state": json.dumps({"log_history": rows})}.get(
                form, "".join(json.dumps(r) + "\n" for r in rows)
            )
        )
    run = read_run(path)
    assert run["optimizer_step"].values[0].tolist() == steps
    assert run["reward"].values[0].tolist() == rewards
    assert run["learning_rate"].values[0].tolist() == [rate] * len(rows)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(str.encode),
        st.lists(
            st.dictionaries(
                st.sampled_from(("step", "reward", "type", "kl", "data")),
                st.one_of(
                    st.none(),
                    st.booleans(),
                    st.integers(),
                    st.floats(),
                    st.text(max_size=5),
                    st.lists(st.integers(), max_size=2),
                    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
                ),
            ),
            max_size=12,
        ).map(lambda rows: "\n".join(map(json.dumps, rows)).encode()),
    )
)
@example(content=b'{"reward":0}\n{"reward":0}\n{"reward":1}\n{"reward":-39e154}\n{"reward":0}')
def test_any_content_ends_in_data_or_one_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    try:
        run = read_run(path)
    except InputError as error:
        assert str(path) in str(error)
        return
    assert np.isfinite(run["reward"].values).sum() >= 5


def test_several_runs_of_which_some_cannot_be_read(tmp_path: Path) -> None:
    """What can be read comes through; what cannot is named."""
    for name, content in (("a", JSONL), ("b", JSONL), ("c", JSONL[:200])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(content)
    readings, _ = read_log(tmp_path)
    assert [str(reading.run["run"].values[0]) for reading in readings] == ["a", "b"]
    assert str(tmp_path / "c" / "metrics.jsonl") in readings[0].run["notes"].item()


@pytest.mark.parametrize("piece", [" ", "|", "-", "─ ", "step ", "1,"])
def test_long_lines_between_rows_take_no_longer_than_their_length(piece: str, tmp_path: Path) -> None:
    """Patterns that go back over a line for each of its characters would take many minutes here."""
    noise = f" {piece * 100_000}x"
    path = tmp_path / "log.txt"
    path.write_text("".join(f"step: {step} reward: 0.{step}\n{noise}\n" for step in range(1, 7)), encoding="utf-8")
    run = read_run(path)
    np.testing.assert_allclose(run["reward"].values[0], np.arange(1, 7) / 10)
