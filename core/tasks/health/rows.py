"""One task's rows side by side, and what findings and fixes ask of them: repeats, conflicts, leaks, near ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.tasks.cell_text import input_text
from core.tasks.dataset import has_input, render_target, row_weight
from core.tasks.health.near_duplicates import near_pairs, text_overlap
from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.store import read_rows, task_dir
from core.tasks.token_estimate import estimate_all
from core.workspace import Project

SHOWN_PLACES = 200
PART_OVERLAP = 0.6  # of every input and of the answer, for two rows to be near-duplicates

Place = tuple[str, int]  # split, line in the file


@dataclass
class TaskRows:
    """One task's usable rows side by side. `keys` are the inputs with blanks evened out."""

    spec: TaskSpec
    splits: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    parts: list[tuple[str, ...]] = field(default_factory=list)  # the single inputs, where there are several
    empty: list[Place] = field(default_factory=list)
    groups: list[list[int]] | None = None
    bad_weights: list[Place] = field(default_factory=list)
    count_tokens: Callable[[Sequence[str]], list[int]] = estimate_all

    def place(self, index: int) -> Place:
        return self.splits[index], self.lines[index]


def read_all(project: Project, spec: TaskSpec) -> Iterable[tuple[str, int, dict[str, Any]]]:
    folder = task_dir(project, spec.task_id)
    return ((split, line, row) for split in SPLITS for line, row in read_rows(folder, split))


def load_rows(spec: TaskSpec, rows: Iterable[tuple[str, int, dict[str, Any]]]) -> TaskRows:
    found = TaskRows(spec)
    only = spec.inputs[0] if len(spec.inputs) == 1 else ""
    for split, line, row in rows:
        answer = render_target(spec, row)
        if not answer or not has_input(spec, row):
            found.empty.append((split, line))
            continue
        if spec.weight and row_weight(spec, row) is None:
            found.bad_weights.append((split, line))
        if only:
            text = input_text(row[only])
        else:
            parts = tuple(input_text(row.get(name)) for name in spec.inputs)
            text = "\n".join(parts)
            found.parts.append(parts)
        found.splits.append(split)
        found.lines.append(line)
        found.texts.append(text)
        found.keys.append(" ".join(text.split()))
        found.answers.append(answer)
    return found


def places_of(rows: TaskRows, indices: Iterable[int]) -> tuple[Place, ...]:
    return tuple(rows.place(i) for i in sorted(indices)[:SHOWN_PLACES])


def same_inputs(rows: TaskRows) -> list[list[int]]:
    """Groups of two or more rows with one input; kept, since several findings rest on them."""
    if rows.groups is None:
        first: dict[str, int] = {}
        groups: dict[int, list[int]] = {}
        for index, key in enumerate(rows.keys):
            owner = first.setdefault(key, index)
            if owner != index:
                groups.setdefault(owner, [owner]).append(index)
        rows.groups = list(groups.values())
    return rows.groups


def repeated_rows(rows: TaskRows) -> list[int]:
    """Rows that repeat an earlier one of their split, input and answer alike."""
    found = []
    for group in same_inputs(rows):
        seen = set()
        for i in group:
            mark = (rows.splits[i], rows.answers[i])
            if mark in seen:
                found.append(i)
            seen.add(mark)
    return found


def conflicting_rows(rows: TaskRows) -> list[list[int]]:
    """Groups of training and validation rows that ask the same and answer differently."""
    kept = ([i for i in g if rows.splits[i] != "test"] for g in same_inputs(rows))
    return [g for g in kept if len({rows.answers[i] for i in g}) > 1]


def majority_answer(rows: TaskRows, group: list[int]) -> str | None:
    """The answer that most rows of a group have; None where no answer has more rows than every other."""
    (first, most), *others = Counter(rows.answers[i] for i in group).most_common(2)
    return None if others and others[0][1] == most else first


def leaking_rows(rows: TaskRows) -> list[int]:
    """Training or validation rows whose input stands in a stricter split too."""
    found = []
    for group in same_inputs(rows):
        splits = {rows.splits[i] for i in group}
        if len(splits) > 1:
            strictest = "test" if "test" in splits else "validation"
            found += [i for i in group if rows.splits[i] != strictest]
    return found


def near_groups(rows: TaskRows, signatures: Any) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Near-duplicate pairs inside training, and (row, row of a stricter split it leaks into); no exact ones."""
    first: dict[str, int] = {}
    unique = [first.setdefault(key, i) for i, key in enumerate(rows.keys)]
    order = [i for i, owner in enumerate(unique) if i == owner]
    # A text of several splits stands for all of them; those are exact leaks and reported as such.
    chosen = signatures[np.asarray(order, dtype=np.int64)]
    pairs = near_pairs([rows.texts[i] for i in order], chosen)
    inside, across = [], []
    for a, b in ((order[a], order[b]) for a, b in pairs):
        if not _alike_in_parts(rows, a, b):
            continue
        strictness = [SPLITS.index(rows.splits[i]) for i in (a, b)]
        if strictness == [0, 0]:
            inside.append((a, b))
        elif strictness[0] != strictness[1]:
            across.append((a, b) if strictness[1] > strictness[0] else (b, a))
    return inside, across


def _alike_in_parts(rows: TaskRows, a: int, b: int) -> bool:
    """Two questions about one passage, or one question with two answers, are not the same example."""
    pairs = [(rows.answers[a], rows.answers[b])]
    if len(rows.spec.inputs) > 1:
        pairs += zip(rows.parts[a], rows.parts[b], strict=True)
    return all(x == y or text_overlap(x, y) >= PART_OVERLAP for x, y in pairs)
