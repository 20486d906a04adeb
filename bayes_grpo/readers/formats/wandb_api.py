"""A W&B run by its address, through the W&B API: needs the package, a network and a key."""

import re
from collections.abc import Iterator
from typing import Any

from bayes_grpo.errors import InputError
from bayes_grpo.readers.log import Facts, Log, Row, Source
from bayes_grpo.readers.optional import need
from bayes_grpo.readers.text import flatten

NAME = "W&B API"
ORDER = 1

_ADDRESS = re.compile(r"(?:wandb:|https://wandb\.ai/)([^/\s]+)/([^/\s]+)/(?:runs/)?([^/?#\s]+).*")


def recognises(source: Source) -> bool:
    """``wandb:ENTITY/PROJECT/RUN`` or the address of a run's page."""
    return bool(source.address)


def read(source: Source) -> list[Log]:
    """The whole history (not the sample that ``history()`` gives), and the config."""
    match = _ADDRESS.fullmatch(source.address)
    if match is None:
        raise InputError(source.address, "expected wandb:ENTITY/PROJECT/RUN or the address of a run's page")
    wandb = need("wandb", source.address, "runs on W&B")
    try:
        keyed = wandb.login(prompt=False)
        run = wandb.Api().run("/".join(match.groups())) if keyed else None
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise InputError(source.address, f"W&B did not give the run ({str(error).strip()[:200]})") from error
    if run is None:
        raise InputError(
            source.address,
            "reading from W&B needs a key: run `wandb login`, or set WANDB_API_KEY; or name the offline folder",
        )
    return [log_of(run, source.address)]


def log_of(run: Any, where: str) -> Log:
    """The log of a ``wandb.apis.public.Run``."""
    return Log(_rows(run, where), label=str(run.name or run.id), facts=Facts(config=flatten(dict(run.config))))


def _rows(run: Any, where: str) -> Iterator[Row]:
    import wandb

    try:
        for row in run.scan_history():
            yield flatten(row)
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise InputError(
            where, f"W&B did not give the whole history ({str(error).strip()[:200]}); try again"
        ) from error
