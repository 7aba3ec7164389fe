"""A change to what one task mixes: another task's row, or some skills stronger, weaker or off. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.base.errors import require_between

STRONGEST = 4.0


@dataclass(frozen=True)
class TaskChange:
    """`row_of`: the index of the task whose row is taken over, private skills included. `scale`: column of the
    allocation -> factor on its weight, 0 is off; the common weights are made to sum to one again."""

    row_of: int | None = None
    scale: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for factor in self.scale.values():
            require_between("factor", factor, 0, STRONGEST)

    @property
    def is_none(self) -> bool:
        return self.row_of is None and all(factor == 1.0 for factor in self.scale.values())
