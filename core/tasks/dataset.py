"""Tasks as text: examples per task and split, and the frozen copy that a run keeps. No tensors here."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import WorkspaceError
from core.files import read_json, write_bytes_atomic, write_json_atomic
from core.tasks.spec import SPLITS, TaskSpec, spec_from_dict
from core.tasks.store import get_task, list_tasks, read_rows, task_dir
from core.tasks.templates import render_template
from core.tasks.values import EMPTY_LIST, input_text, target_text
from core.workspace import Project

SYSTEM_END = "\u2063\n\n"  # an invisible separator: it shows as a blank line and is never typed


@dataclass(frozen=True)
class Example:
    """One prompt with its answer; `line` is where it stands in the file it came from."""

    prompt: str
    target: str
    line: int = 0


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


def render_prompt(spec: TaskSpec, row: dict[str, Any], template: str | None = None) -> str:
    """The one way from a row to what the model reads, in training, in exams and in the chat.

    A system prompt stands in front, ended by SYSTEM_END; encoding turns it into a turn of its own.
    """
    text = render_template(template or spec.template, row, spec.instruction).replace(SYSTEM_END[0], "")
    return f"{spec.system}{SYSTEM_END}{text}" if spec.system else text


def choose_template(spec: TaskSpec, line: int) -> str:
    """One of the task's templates for a training row: drawn by its line, so that every load gives the same."""
    choices = (spec.template, *spec.templates)
    return choices[zlib.crc32(f"{spec.task_id} {line}".encode()) % len(choices)]


def render_target(spec: TaskSpec, row: dict[str, Any]) -> str:
    """The answer text of a row; '' when there is none."""
    parts = [_named(row.get(name), spec.label_names) for name in spec.targets]
    if not any(parts):
        return ""
    return spec.target_separator.join(part or EMPTY_LIST for part in parts)


def _named(value: Any, names: dict[str, str]) -> str:
    if not names:
        return target_text(value)
    if isinstance(value, list):
        return target_text([names.get(target_text(v), target_text(v)) for v in value])
    text = target_text(value)
    return names.get(text, names.get(text.removesuffix(".0"), text))


def has_input(spec: TaskSpec, row: dict[str, Any]) -> bool:
    return any(input_text(row.get(name)).strip() for name in spec.inputs)


def build_example(spec: TaskSpec, row: dict[str, Any], line: int, split: str = "test") -> Example | None:
    """The example of a row, or None when its answer or all of its inputs are empty.

    Training rows take one of all templates, rows of the other splits always the first.
    """
    target = render_target(spec, row) if has_input(spec, row) else ""
    template = choose_template(spec, line) if split == "train" else None
    return Example(render_prompt(spec, row, template), target, line) if target else None


def build_examples(spec: TaskSpec, rows: Iterable[tuple[int, dict[str, Any]]], split: str) -> Iterator[Example]:
    for line, row in rows:
        example = build_example(spec, row, line, split)
        if example is not None:
            yield example


def load_dataset_of(project: Project, names: list[str] | None = None) -> TaskDataset:
    """All tasks of a project, or those named (names or ids), in the project's order.

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
        (index, split): list(build_examples(spec, read_rows(task_dir(project, spec.task_id), split), split))
        for index, spec in enumerate(tasks) for split in SPLITS
    }
    return TaskDataset(tuple(tasks), examples)


def few_shot_dataset(dataset: TaskDataset, count: int, seed: int = 0) -> TaskDataset:
    """A study of how few examples do: `count` training examples per label (classification) or per task.

    Larger counts with the same seed hold the smaller ones; validation and test stay whole.
    """
    examples = dict(dataset.examples)
    for index, spec in enumerate(dataset.tasks):
        rows = dataset.split(index, "train")
        order = sorted(rows, key=lambda e: zlib.crc32(f"{seed} {e.line} {e.prompt}".encode()))
        used: Counter[str] = Counter()
        kept = []
        for example in order:
            label = example.target if spec.kind == "classification" else ""
            used[label] += 1
            if used[label] <= count:
                kept.append(example)
        examples[(index, "train")] = sorted(kept, key=lambda e: e.line)
    tasks = tuple(
        replace(spec, num_train=len(examples[(i, "train")])) for i, spec in enumerate(dataset.tasks)
    )
    return TaskDataset(tasks, examples)


def save_dataset(dataset: TaskDataset, folder: Path) -> None:
    """A frozen copy: tasks.json and <task index>.<split>.jsonl, so that a run never depends on later edits."""
    folder.mkdir(parents=True, exist_ok=True)
    for (index, split), examples in dataset.examples.items():
        lines = "".join(f"{json.dumps(asdict(e), ensure_ascii=False)}\n" for e in examples)
        write_bytes_atomic(folder / f"{index}.{split}.jsonl", lines.encode())
    write_json_atomic(folder / "tasks.json", [t.as_dict() for t in dataset.tasks])


def load_saved_dataset(folder: Path) -> TaskDataset:
    """The inverse of `save_dataset`.

    Raises:
        WorkspaceError: a file is missing or damaged.
    """
    tasks = load_saved_tasks(folder)
    examples = {
        (index, split): _read_examples(folder / f"{index}.{split}.jsonl")
        for index in range(len(tasks)) for split in SPLITS
    }
    return TaskDataset(tasks, examples)


def load_saved_tasks(folder: Path) -> tuple[TaskSpec, ...]:
    """Only the task descriptions of a frozen copy."""
    path = folder / "tasks.json"
    if not path.is_file():
        raise WorkspaceError("workspace.damaged", path=str(path), detail="missing")
    return tuple(spec_from_dict(record) for record in read_json(path))


def _read_examples(path: Path) -> list[Example]:
    try:
        with open(path, encoding="utf-8") as file:
            return [Example(**json.loads(line)) for line in file]
    except (OSError, ValueError, TypeError) as error:
        raise WorkspaceError("workspace.damaged", path=str(path), detail=str(error)) from error
