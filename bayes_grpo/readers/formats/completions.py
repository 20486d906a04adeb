"""TRL's completions (``log_completions=True``): parquet files from which the spread within groups is computed."""

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bayes_grpo.errors import InputError
from bayes_grpo.readers.log import Entry, Facts, Log, Row, Source, reading_note
from bayes_grpo.readers.optional import need

NAME = "TRL completions (parquet)"
ORDER = 20

_FILE = re.compile(r"completions_(\d+)\.parquet")
_NO_REWARDS = ("step", "prompt", "completion", "advantage", "image", "images")
#: A batch of completions has no more rows.
MOST_ROWS = 1_000_000
MOST_BYTES = 1 << 31


def recognises(source: Source) -> bool:
    """A parquet file, or a folder of files ``completions_N.parquet``."""
    return bool(_files(source.path)) if source.is_folder else source.head[:4] == b"PAR1"


def read(source: Source) -> list[Log]:
    """A row for each batch of completions: mean reward, spread within groups, each reward function's mean."""
    files = _files(source.path) if source.is_folder else {_step_of(source.path): source.path}
    return [Log(_rows(files), trainer="TRL", facts=Facts(extras={"spread": "within_group"}))]


def _files(folder: Path) -> dict[int, Path]:
    """Files of a folder by their step, in order."""
    files = {int(m[1]): path for path in folder.iterdir() if (m := _FILE.fullmatch(path.name)) and path.is_file()}
    return dict(sorted(files.items()))


def _step_of(path: Path) -> int:
    match = _FILE.fullmatch(path.name)
    return int(match[1]) if match else 0


def _rows(files: dict[int, Path]) -> Iterator[Entry]:
    batches = {step: _load(path) for step, path in files.items()}
    group = _group_size(batch["runs"] for batch in batches.values())
    yield Facts(stated={"group_size": group, "logging_window": 1})
    yield reading_note("group_size", f"completions: groups of {group}, told by equal prompts in a row")
    names = [name for batch in batches.values() for name in batch["rewards"]]
    functions = list(dict.fromkeys(names))
    if len(functions) > 1:
        text = f"completions: reward taken as the plain sum of {', '.join(functions)} (weights are not logged)"
        yield reading_note("reward", text)
    previous: dict[str, Any] | None = None
    for step, batch in batches.items():
        if previous is not None and _same(batch, previous):
            continue
        previous = batch
        yield {"step": step, **_figures(batch, group)}


def _load(path: Path) -> dict[str, Any]:
    """Rewards and prompts of one batch; texts are never unpacked.

    Raises
    ------
    InputError
        If the file is broken or no batch of completions.
    """
    parquet = need("pyarrow.parquet", str(path), "TRL's completions")
    try:
        file = parquet.ParquetFile(path)
        schema = file.schema_arrow
        if "prompt" in schema.names and str(schema.field("prompt").type) in ("string", "large_string"):
            file = parquet.ParquetFile(path, read_dictionary=["prompt"])  # equal texts are told without unpacking them
        if file.metadata.num_rows > MOST_ROWS:
            raise InputError(str(path), f"expected a batch of completions, found {file.metadata.num_rows} rows")
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if size > MOST_BYTES:
            raise InputError(str(path), f"expected a batch of completions, found {size >> 20} MiB of them")
        kinds = {name: str(schema.field(name).type) for name in schema.names}
        rewards = [
            n for n, kind in kinds.items() if n not in _NO_REWARDS and kind in ("double", "float", "int64", "halffloat")
        ]
        if "prompt" not in kinds or not rewards:
            raise InputError(
                str(path),
                f"expected TRL's completions (prompt and a column a reward function), found {', '.join(kinds)}",
            )
        table = file.read(columns=["prompt", *rewards])
        prompts = table.column("prompt").combine_chunks()
        keys = prompts.indices.to_pylist() if hasattr(prompts, "indices") else [repr(p) for p in prompts.to_pylist()]
        values = {n: table.column(n).to_numpy(zero_copy_only=False).astype(float) for n in rewards}
        texts = prompts.dictionary.to_pylist() if hasattr(prompts, "dictionary") else None
    except InputError:
        raise
    except (OSError, ValueError, KeyError, MemoryError, NotImplementedError, TypeError, OverflowError) as error:
        raise InputError(str(path), f"expected a parquet file, found a broken one ({str(error)[:100]})") from error
    changes = [i for i in range(1, len(keys)) if keys[i] != keys[i - 1]]
    bounds = [0, *changes, len(keys)]
    runs = [b - a for a, b in pairwise(bounds)]
    prompts_seen = hashlib.sha256(repr((keys, texts)).encode(errors="replace")).digest()
    return {"rewards": values, "runs": runs, "prompts": prompts_seen}


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether a step repeats the batch before it, as those do that draw none."""
    equal = first["rewards"].keys() == second["rewards"].keys() and first["prompts"] == second["prompts"]
    return equal and all(np.array_equal(v, second["rewards"][k], equal_nan=True) for k, v in first["rewards"].items())


def _group_size(runs: Iterable[list[int]]) -> int:
    return math.gcd(*(length for lengths in runs for length in lengths)) or 1


def _figures(batch: dict[str, Any], group: int) -> Row:
    """Mean reward, root of the mean variance within groups (over G - 1), and the share of groups without spread."""
    rewards = batch["rewards"]
    total = np.nansum(np.stack(list(rewards.values())), axis=0)
    row: Row = {"reward": float(total.mean()) if total.size else math.nan}
    with np.errstate(invalid="ignore"):
        row |= {f"rewards/{n}/mean": float(np.nanmean(v)) for n, v in rewards.items() if np.isfinite(v).any()}
    if group > 1 and total.size:
        variance = total.reshape(-1, group).var(axis=1, ddof=1)
        row |= {"reward_spread": float(np.sqrt(variance.mean())), "frac_reward_zero_std": float((variance == 0).mean())}
    return row


def with_spread(rows: Iterable[Entry], folder: Path) -> Iterator[Entry]:
    """Rows of a trainer state, with the spread within groups at those whose completions were logged.

    What cannot be read is noted; the rows come through in any case.
    """
    try:
        batches = {step: _load(path) for step, path in _files(folder).items()}
    except InputError as error:
        yield reading_note("reward_spread", f"the spread within groups was not computed: {error}")
        yield from rows
        return
    group = _group_size(batch["runs"] for batch in batches.values())
    used = 0
    for row in rows:
        if not isinstance(row, dict):
            yield row
            continue
        batch = batches.get(int(row["step"])) if isinstance(row.get("step"), int) else None
        if batch is not None and group > 1 and "reward" in row:
            figures = _figures(batch, group)
            row = row | {"reward_spread": figures["reward_spread"]}
            used += 1
        yield row
    if used:
        yield Facts(stated={"group_size": group}, extras={"spread": "within_group"})
        reason = f"spread within groups of {group} (told by equal prompts in a row)"
        text = f"{reason} computed from the completions of {used} steps"
        yield reading_note("reward_spread", text)
