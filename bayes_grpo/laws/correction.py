"""What every correction of a law has."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

Needs = Mapping[str, str]
NOTHING: Needs = MappingProxyType({})


@dataclass(frozen=True)
class Correction:
    """Something that a law of motion is composed with; equal corrections compile to one program."""

    #: Quantities of a run that the correction needs, and what it costs not to know each.
    needs: ClassVar[Needs] = NOTHING
