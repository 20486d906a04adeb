"""What all corrections of a law have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

Needs = Mapping[str, str]
NOTHING: Needs = MappingProxyType({})


@dataclass(frozen=True)
class Correction:
    """Something that a law of motion is composed with; laws with equal corrections share a compiled program."""

    #: Quantities of a run that the correction needs, and what it costs not to know them.
    needs: ClassVar[Needs] = NOTHING
