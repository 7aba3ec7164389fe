"""Which rows train, which are checked on, which are the final exam. Rows with the same input stay together.

Four ways: random; stratified (equal shares of every label); group (rows that share a column's value stay together,
such as one patient or one document); column (a column says train, validation or test itself).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.tasks.reading.split_words import split_of_word
from core.tasks.spec import SplitSettings


@dataclass(frozen=True)
class SplitKeys:
    """What the ways of splitting look at, one entry a row: input, answer, and the text of `settings.column`."""

    inputs: Sequence[str]
    answers: Sequence[str] = ()
    column: Sequence[str] = ()


def split_rows(
    keys: SplitKeys | Sequence[str], settings: SplitSettings, test_keys: Sequence[str] | None = None
) -> list[str | None]:
    """A split for every row.

    Groups of rows are ordered by a hash of (seed, key), so that a grown file keeps most rows where they were. With
    a test file, its inputs are given: rows that repeat one get None (left out), no further test rows are drawn.

    Args:
        keys: plain strings are inputs.
    """
    known = keys if isinstance(keys, SplitKeys) else SplitKeys(keys)
    exam = frozenset(test_keys or ())
    if settings.method == "column":
        return _by_column(known, settings, test_keys is not None, exam)
    names = _group_names(known, settings)
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        groups.setdefault(name, []).append(index)
    chosen: list[str | None] = [None] * len(names)
    free = groups
    if exam:
        free = {name: rows for name, rows in groups.items() if not any(known.inputs[i] in exam for i in rows)}
    for stratum in _strata(free, known, settings):
        _deal(stratum, settings, test_keys is None, chosen)
    # Everything fell to exam and check set, as it may with few groups in many strata.
    if "train" not in chosen and free:
        for index in next(iter(free.values())):
            chosen[index] = "train"
    return chosen


def _group_names(keys: SplitKeys, settings: SplitSettings) -> Sequence[str]:
    """One name for rows that must stay together: their input; with 'group' also everything joined by the column."""
    if settings.method != "group":
        return keys.inputs
    parent = list(range(len(keys.inputs)))

    def root(i: int) -> int:
        while parent[i] != i:
            # Halves the way for the next one: a chain of a million rows is not walked again and again.
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    # Union and find: rows are joined by their input and by the column, also across both.
    for names in (keys.inputs, keys.column):
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            owner = first.setdefault(name, index)
            parent[root(index)] = root(owner)
    return [keys.column[root(i)] + "\x1f" + keys.inputs[root(i)] for i in range(len(parent))]


def _strata(groups: dict[str, list[int]], keys: SplitKeys, settings: SplitSettings) -> list[dict[str, list[int]]]:
    if settings.method != "stratified":
        return [groups]
    found: dict[str, dict[str, list[int]]] = {}
    for name, rows in groups.items():
        # A group may hold several answers (contradicting rows); its first one stands for it.
        found.setdefault(keys.answers[rows[0]], {})[name] = rows
    return list(found.values())


def _deal(groups: dict[str, list[int]], settings: SplitSettings, with_test: bool, chosen: list[str | None]) -> None:
    """The first groups, in the order of their hashes, go to the exam, the next to the check set, the rest train."""
    order = sorted(groups, key=_draws(settings.seed))
    total = sum(len(rows) for rows in groups.values())
    wanted = {
        "test": _wanted(settings.test, total, len(groups)) if with_test else 0,
        "validation": _wanted(settings.validation, total, len(groups)),
    }
    position = 0
    for split in ("test", "validation"):
        taken = 0
        # The last group always trains: a model without practice has nothing to be examined in.
        while taken < wanted[split] and position < len(order) - 1:
            rows = groups[order[position]]
            for index in rows:
                chosen[index] = split
            taken += len(rows)
            position += 1
    for key in order[position:]:
        for index in groups[key]:
            chosen[index] = "train"


def unknown_words(column: Sequence[str]) -> Counter[str]:
    """Words of a split column that say neither training nor check set nor exam, and how often each comes."""
    return Counter({w: n for w, n in Counter(c.strip() for c in column).items() if split_of_word(w) is None})


def _by_column(
    keys: SplitKeys, settings: SplitSettings, has_test_file: bool, exam: frozenset[str]
) -> list[str | None]:
    """What the column says; a row with an unknown word is left out. An input of two splits stays in the stricter
    one only. A check set or exam that no word names is drawn from the training rows."""
    splits = {word: split_of_word(word) for word in set(keys.column)}
    said = [splits[word] for word in keys.column]
    strictness = {"train": 0, "validation": 1, "test": 2}
    strictest: dict[str, str] = {}
    for key, split in zip(keys.inputs, said, strict=True):
        if split is not None and strictness[split] > strictness.get(strictest.get(key, ""), -1):
            strictest[key] = split
    chosen: list[str | None] = []
    for key, split in zip(keys.inputs, said, strict=True):
        torn = split != strictest.get(key) or key in exam or (has_test_file and split == "test")
        chosen.append(None if torn else split)
    missing = {"test": settings.test if not has_test_file else 0.0, "validation": settings.validation}
    shares = {split: 0.0 if split in said else share for split, share in missing.items()}
    groups: dict[str, list[int]] = {}
    for index, (key, split) in enumerate(zip(keys.inputs, chosen, strict=True)):
        if split == "train":
            groups.setdefault(key, []).append(index)
    if any(shares.values()) and groups:
        _deal(groups, SplitSettings(shares["validation"], shares["test"], settings.seed), True, chosen)
    return chosen


def _wanted(share: float, total: int, num_groups: int) -> int:
    """At least one row of a share that was asked for, once there are three groups to deal out."""
    if share <= 0 or num_groups < 3:
        return 0
    return max(1, round(share * total))


def _draws(seed: int) -> Callable[[str], bytes]:
    """The draw of a key: a hash keyed by the seed, set up once and copied."""
    fresh = hashlib.blake2b(digest_size=16, key=str(seed).encode()).copy

    def draw(key: str) -> bytes:
        state = fresh()
        state.update(key.encode("utf-8", "replace"))  # half a surrogate pair has no UTF-8
        return state.digest()

    return draw
