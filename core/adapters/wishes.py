"""What a user wants of the skills of a run: tasks with one row of the allocation, tasks that share no common skill,
common skills of an earlier run that are taken over and not trained.

Torch-free; tasks are their indices. `core/adapters/parts/held_rows.py` holds the wishes during training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

APART, BOUND, FROZEN = "apart", "bound", "frozen"
COMMON_TENSOR = "bank.common"  # of an adapter's saved tensors: the common skills [A, P]


@dataclass(frozen=True)
class Wishes:
    """Pairs of task indices. `bound` goes on: a with b and b with c is one row for all three."""

    apart: tuple[tuple[int, int], ...] = ()
    bound: tuple[tuple[int, int], ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind, pairs in ((APART, self.apart), (BOUND, self.bound)) if pairs)

    def groups(self) -> list[list[int]]:
        """The tasks that have one row, each group once."""
        found: list[set[int]] = []
        for pair in self.bound:
            touched = [group for group in found if group & set(pair)]
            found = [group for group in found if not group & set(pair)] + [set(pair).union(*touched)]
        return [sorted(group) for group in found]

    def contradictions(self) -> list[tuple[int, int]]:
        """Pairs that shall be apart and have one row."""
        return [pair for pair in self.apart if any(set(pair) <= set(group) for group in self.groups())]

    def parts(self) -> dict[int, int]:
        """Task -> the number of its part of the common skills: tasks that are to be kept apart have different ones,
        tasks with one row the same one. Tasks without such a wish are not in it."""
        first = {task: group[0] for group in self.groups() for task in group}
        foes: dict[int, set[int]] = {}
        for left, right in self.apart:
            a, b = first.get(left, left), first.get(right, right)
            foes.setdefault(a, set()).add(b)
            foes.setdefault(b, set()).add(a)
        chosen: dict[int, int] = {}
        for task in sorted(foes, key=lambda task: (-len(foes[task]), task)):
            taken = {chosen[foe] for foe in foes[task] if foe in chosen}
            chosen[task] = next(part for part in range(len(foes) + 1) if part not in taken)
        return chosen | {task: chosen[group[0]] for group in self.groups() if group[0] in chosen for task in group}

    def num_parts(self) -> int:
        return 1 + max(self.parts().values(), default=0)


def allowed_skills(wishes: Wishes, num_common: int) -> dict[int, list[int]]:
    """Task -> the common skills it may use, for the tasks that are kept apart from others."""
    count = wishes.num_parts()
    return {task: list(range(part, num_common, count)) for task, part in wishes.parts().items()}


def pairs_text(pairs: Iterable[tuple[str, str]]) -> str:
    """Pairs of names as a setting holds them: 'mails | bills; news | mails'."""
    return "; ".join(f"{first} | {second}" for first, second in pairs)


def read_pairs(text: str) -> list[tuple[str, ...]]:
    """The parts of a setting; what is no pair of two names is left to the checks."""
    return [tuple(name.strip() for name in part.split("|")) for part in text.split(";") if part.strip()]
