"""Which rows train, which are checked on, which are the final exam. Rows with the same input stay together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from core.tasks.spec import SplitSettings


def split_rows(
    keys: Sequence[str], settings: SplitSettings, test_keys: Sequence[str] | None = None
) -> list[str | None]:
    """A split for every row.

    Rows are ordered by a hash of (seed, key), so that a grown file keeps most rows where they were. With a test
    file, its keys are given: rows that repeat one of them get None (left out) and no further test rows are drawn.

    Args:
        keys: what must not be torn apart, such as the input text.
    """
    exam = frozenset(test_keys or ())
    groups: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key not in exam:
            groups.setdefault(key, []).append(index)
    order = sorted(groups, key=lambda key: _draw(settings.seed, key))
    total = sum(len(rows) for rows in groups.values())
    chosen: list[str | None] = [None] * len(keys)
    wanted = {"test": 0 if test_keys is not None else _wanted(settings.test, total, len(groups))}
    wanted["validation"] = _wanted(settings.validation, total, len(groups))
    position = 0
    for split in ("test", "validation"):
        taken = 0
        while taken < wanted[split] and position < len(order) - 1:
            rows = groups[order[position]]
            for index in rows:
                chosen[index] = split
            taken += len(rows)
            position += 1
    for key in order[position:]:
        for index in groups[key]:
            chosen[index] = "train"
    return chosen


def _wanted(share: float, total: int, num_groups: int) -> int:
    """At least one row of a share that was asked for, once there are three groups to deal out."""
    if share <= 0 or num_groups < 3:
        return 0
    return max(1, round(share * total))


def _draw(seed: int, key: str) -> bytes:
    return hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=16, key=str(seed).encode()).digest()
