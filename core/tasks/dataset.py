"""Tasks as text: examples per task and split, and the frozen copy that a run keeps. No tensors here."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from core.base.errors import SettingError, WorkspaceError
from core.base.files import write_bytes_atomic, write_json_atomic
from core.base.records import read_record
from core.tasks.cell_text import EMPTY_LIST, LABEL_JOIN, LISTED, input_text, split_labels, target_text
from core.tasks.label_columns import IN_COLUMNS, column_labels, read_columns, write_columns
from core.tasks.prompt import Prompt, Value
from core.tasks.spec import SPLITS, TaskSpec
from core.tasks.store import get_task, list_tasks, read_rows, task_dir
from core.tasks.templates import RESERVED, render_template
from core.workspace import Project

SYSTEM_END = f"{RESERVED}\n\n"  # it shows as a blank line

SAVED_TASKS = "tasks.json"  # the descriptions in a frozen copy


@dataclass(frozen=True)
class Example:
    """One prompt with its answer; `line` is where it stands in the file it came from.

    `weight` is what it counts in the loss: 1 for all, unless the task has a column of weights. `values` says where
    the texts of the columns stand in the prompt; prompts of older projects do not know.
    """

    prompt: str
    target: str
    line: int = 0
    weight: float = 1.0
    values: tuple[Value, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        known = self.prompt.values if isinstance(self.prompt, Prompt) else self.values
        object.__setattr__(self, "prompt", Prompt(self.prompt, known))
        object.__setattr__(self, "values", self.prompt.values)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class TaskDataset:
    """Tasks in a fixed order (the index is the row in the allocation) with their examples by (index, split)."""

    tasks: tuple[TaskSpec, ...]
    examples: dict[tuple[int, str], list[Example]]

    def split(self, task_index: int, split: str) -> list[Example]:
        return self.examples.get((task_index, split), [])

    def sizes(self, split: str) -> list[int]:
        return [len(self.split(i, split)) for i in range(len(self.tasks))]

    def names(self) -> list[str]:
        return [t.name for t in self.tasks]


def render_prompt(spec: TaskSpec, row: dict[str, Any], template: str | None = None) -> Prompt:
    """The one way from a row to what the model reads, in training, in exams and in the chat.

    A system prompt stands in front, ended by SYSTEM_END; encoding turns it into a turn of its own.
    """
    prompt = render_template(template or spec.template, row, spec.instruction)
    return prompt.below(f"{spec.system}{SYSTEM_END}") if spec.system else prompt


def choose_template(spec: TaskSpec, line: int, seed: int = 0) -> str:
    """One of the task's templates for a training row: drawn by seed and line, so that every load gives the same."""
    choices = (spec.template, *spec.templates)
    # crc32, since Python's own hash of a text differs from process to process.
    return choices[zlib.crc32(f"{seed} {spec.name} {line}".encode()) % len(choices)]


def row_weight(spec: TaskSpec, row: dict[str, Any]) -> float | None:
    """What the row's weight column says; 1 without such a column, None where it holds no number of 0 or more."""
    if not spec.weight:
        return 1.0
    text = input_text(row.get(spec.weight)).strip()
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def render_target(spec: TaskSpec, row: dict[str, Any]) -> str:
    """The answer text of a row; '' when there is none."""
    if spec.label_marks in IN_COLUMNS and len(spec.targets) > 1:
        return read_columns(spec.targets, row, spec.label_marks, spec.label_names)
    if len(spec.targets) == 1:
        return _answer(spec, row.get(spec.targets[0]))
    parts = [_answer(spec, row.get(name)) for name in spec.targets]
    if not any(parts):
        return ""
    return spec.target_separator.join(part or EMPTY_LIST for part in parts)


def target_cells(spec: TaskSpec, answer: str) -> dict[str, str]:
    """The inverse of `render_target`: the answer columns of a row with this answer.

    Raises:
        SettingError: the answer has too few parts, or a label that has no column.
    """
    if spec.label_marks in IN_COLUMNS and len(spec.targets) > 1:
        try:
            return write_columns(spec.targets, answer, spec.label_marks, spec.label_names)
        except ValueError as error:
            known = ", ".join(spec.label_names.get(label, label) for label in column_labels(spec.targets))
            raise SettingError("task.no_label_column", label=str(error), known=known) from error
    parts = answer.split(spec.target_separator) if len(spec.targets) > 1 else [answer]
    if len(parts) != len(spec.targets):
        raise SettingError("task.answer_parts", count=len(spec.targets), separator=spec.target_separator)
    return dict(zip(spec.targets, (_cell(spec, part.strip()) for part in parts), strict=True))


def _cell(spec: TaskSpec, answer: str) -> str:
    """The inverse of `_answer`: a name that is also somebody else's code is written as its own code."""
    names = spec.label_names
    if not names:
        return answer
    several = spec.kind == "multilabel" or spec.label_marks == LISTED
    labels = [part.strip() for part in answer.split(LABEL_JOIN.strip())] if several else [answer]
    codes = {name: code for code, name in reversed(names.items())}
    return LABEL_JOIN.join(label if _name(label, names) == label else codes.get(label, label) for label in labels)


def _answer(spec: TaskSpec, value: Any) -> str:
    """One answer cell: blanks around it gone, codes replaced by their names, several labels joined by '; '."""
    names = spec.label_names
    if isinstance(value, str) and (spec.kind == "multilabel" or spec.label_marks == LISTED):
        items = split_labels(value, spec.label_marks)
        return LABEL_JOIN.join(_name(item, names) for item in items) if items or not value.strip() else EMPTY_LIST
    if not names:
        return value.strip() if isinstance(value, str) else target_text(value)
    if isinstance(value, list):
        return target_text([_name(target_text(v), names) for v in value])
    return _name(target_text(value), names)


def _name(text: str, names: dict[str, str]) -> str:
    return names.get(text) or names.get(text.removesuffix(".0"), text)  # a column with gaps reads 1 as 1.0


def has_input(spec: TaskSpec, row: dict[str, Any]) -> bool:
    for name in spec.inputs:
        value = row.get(name)
        if (value if isinstance(value, str) else input_text(value)).strip():
            return True
    return False


def build_example(
    spec: TaskSpec, row: dict[str, Any], line: int, split: str = "test", seed: int = 0
) -> Example | None:
    """The example of a row, or None when its answer or all of its inputs are empty.

    Training rows take one of all templates and their weight, rows of the other splits the first and 1.
    """
    target = render_target(spec, row) if has_input(spec, row) else ""
    if not target:
        return None
    if split != "train":
        return Example(render_prompt(spec, row), target, line)
    weight = row_weight(spec, row)
    prompt = render_prompt(spec, row, choose_template(spec, line, seed))
    return Example(prompt, target, line, 1.0 if weight is None else weight)


def build_examples(
    spec: TaskSpec, rows: Iterable[tuple[int, dict[str, Any]]], split: str, seed: int = 0
) -> list[Example]:
    """The usable rows of a split. Weights are brought to a mean of 1, so that a task's share of the training is
    that of the mixture; rows of weight 0 are left out."""
    found = [e for line, row in rows if (e := build_example(spec, row, line, split, seed)) is not None]
    if not spec.weight or split != "train":
        return found
    # A weight of 0 would cost a forward pass and teach nothing.
    kept = [e for e in found if e.weight > 0]
    total = math.fsum(e.weight for e in kept)
    return [replace(e, weight=e.weight * len(kept) / total) for e in kept]


def load_dataset_of(project: Project, names: list[str] | None = None, seed: int = 0) -> TaskDataset:
    """All tasks of a project, or those named (names or ids), in the project's order; `seed` draws the templates.

    Raises:
        WorkspaceError: an unknown name, or no task at all.
    """
    tasks = list_tasks(project)
    if names is not None:
        wanted = {get_task(project, name).task_id for name in names}
        tasks = [t for t in tasks if t.task_id in wanted]
    if not tasks:
        raise WorkspaceError("task.none", project=project.name)
    examples = {
        (index, split): build_examples(spec, read_rows(task_dir(project, spec.task_id), split), split, seed)
        for index, spec in enumerate(tasks)
        for split in SPLITS
    }
    return TaskDataset(tuple(tasks), examples)


def few_shot_dataset(dataset: TaskDataset, count: int, seed: int = 0) -> TaskDataset:
    """A study of how few examples do: `count` training examples per label (one or several) or else per task.

    Larger counts with the same seed hold the smaller ones; validation and test stay whole.
    """
    examples = dict(dataset.examples)
    for index, spec in enumerate(dataset.tasks):
        rows = dataset.split(index, "train")
        # Depends on seed and row alone, so a larger count holds the smaller one.
        order = sorted(rows, key=lambda e: zlib.crc32(f"{seed} {e.line} {e.prompt}".encode()))
        used: Counter[str] = Counter()
        kept = []
        for example in order:
            labels = _labels(spec, example)
            if any(used[label] < count for label in labels):
                kept.append(example)
                used.update(labels)
        examples[(index, "train")] = sorted(kept, key=lambda e: e.line)
    tasks = tuple(replace(spec, num_train=len(examples[(i, "train")])) for i, spec in enumerate(dataset.tasks))
    return TaskDataset(tasks, examples)


def _labels(spec: TaskSpec, example: Example) -> list[str]:
    if spec.kind == "multilabel":
        return example.target.split(LABEL_JOIN)
    return [example.target if spec.kind == "classification" else ""]


def save_dataset(dataset: TaskDataset, folder: Path) -> None:
    """A frozen copy: tasks.json and <task index>.<split>.jsonl, so that a run never depends on later edits."""
    folder.mkdir(parents=True, exist_ok=True)
    for (index, split), examples in dataset.examples.items():
        lines = b"".join(orjson.dumps(e, option=orjson.OPT_APPEND_NEWLINE) for e in examples)
        write_bytes_atomic(folder / f"{index}.{split}.jsonl", lines)
    write_json_atomic(folder / SAVED_TASKS, [t.as_dict() for t in dataset.tasks])


def load_saved_dataset(folder: Path) -> TaskDataset:
    """The inverse of `save_dataset`.

    Raises:
        WorkspaceError: a file is missing or damaged.
    """
    tasks = load_saved_tasks(folder)
    examples = {
        (index, split): _read_examples(folder / f"{index}.{split}.jsonl")
        for index in range(len(tasks))
        for split in SPLITS
    }
    return TaskDataset(tasks, examples)


def load_saved_split(folder: Path, task: int, split: str) -> list[Example]:
    """The examples of one task and split of a frozen copy.

    Raises:
        WorkspaceError: the file is missing or damaged.
    """
    return _read_examples(folder / f"{task}.{split}.jsonl")


def load_saved_tasks(folder: Path) -> tuple[TaskSpec, ...]:
    """Only the task descriptions of a frozen copy."""
    path = folder / SAVED_TASKS
    if not path.is_file():
        raise WorkspaceError("workspace.damaged", path=str(path), detail="missing")
    return read_record(tuple[TaskSpec, ...], path)


def _read_examples(path: Path) -> list[Example]:
    try:
        with open(path, "rb") as file:
            return [Example(**orjson.loads(line)) for line in file]
    except (OSError, ValueError, TypeError) as error:
        raise WorkspaceError("workspace.damaged", path=str(path), detail=str(error)) from error
