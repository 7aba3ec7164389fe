"""Versions of a task: every change of its rows keeps what was there, so that it can be undone and compared.

<task>/versions/<n>/{task.json, change.json, train.jsonl, validation.jsonl, test.jsonl}: the state before change n,
with what was noted (problems.json) and asked (doubts.json) about the file.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.base.errors import WorkspaceError
from core.base.files import write_json_atomic
from core.base.folders import replace_folder, undone_on_error, whole_folder
from core.base.records import read_record
from core.evaluation.normalise import plain
from core.tasks.changing.dealing import SplitRow
from core.tasks.changing.staging import StagedTask, with_counts, write_task
from core.tasks.reading.table import ProblemLog
from core.tasks.spec import SPLITS, TaskSpec, read_spec, write_spec
from core.tasks.store import DOUBTS, PROBLEMS, get_task, not_writable, read_rows, stored_problems, task_dir
from core.tasks.templates import default_instruction
from core.workspace import Project

MAX_VERSIONS = 20
_COUNTED = {"version", "highest_version", "num_train", "num_validation", "num_test", "labels"}
_FILES = ("task.json", *(f"{split}.jsonl" for split in SPLITS))
_TOLD = (PROBLEMS, DOUBTS)


@dataclass(frozen=True)
class Version:
    """State `number` of a task's rows, the change that ended it, and how many rows that change touched."""

    number: int
    change: str
    count: int
    time: float


def read_all_rows(folder: Path) -> list[SplitRow]:
    return [SplitRow(split, line, row) for split in SPLITS for line, row in read_rows(folder, split)]


def list_versions(project: Project, name: str) -> list[Version]:
    """Earlier states of a task, the oldest first."""
    folder = task_dir(project, get_task(project, name).task_id) / "versions"
    found = (p for p in folder.glob("*/change.json"))
    return sorted((read_record(Version, p) for p in found), key=lambda v: v.number)


def change_rows(
    project: Project, name: str, rows: list[SplitRow], change: str, count: int, **fields: Any
) -> TaskSpec:
    """Puts new rows in place of a task's and keeps the old ones as a version.

    Args:
        change: name of what was done, such as a fix; `count` is how many rows it touched.
        fields: other fields of the spec that change with it.
    """
    spec = get_task(project, name)
    folder = task_dir(project, spec.task_id)
    following = replace(spec, version=spec.next_version, highest_version=spec.next_version, **fields)
    updated = with_counts(following, rows, ProblemLog(spec.source.file))
    if "instruction" not in fields:
        updated = follow_labels(spec, updated)
    swap_folder(folder, updated, rows, Version(spec.version, change, count, time.time()))
    return updated


def follow_labels(before: TaskSpec, after: TaskSpec) -> TaskSpec:
    """An instruction that nobody wrote follows the labels: when codes get names, two spellings become one, or a row
    brings a new label. It was drafted from some of the labels where the exam or a later row has more."""
    if (before.kind, before.targets, before.labels) == (after.kind, after.targets, after.labels):
        return after
    named = tuple(label for label in before.labels if label in before.instruction)
    for sample in ("text", "文"):
        for drafted in (before.labels, named):
            if before.instruction == default_instruction(before.kind, before.targets, drafted, sample):
                labels = _without_respelled(after.labels, drafted)
                return replace(after, instruction=default_instruction(after.kind, after.targets, labels, sample))
    return after


def _without_respelled(labels: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Without labels that only spell one of the known otherwise, as an exam of one's own may."""
    same = {plain(label) for label in known if label in labels}
    return tuple(label for label in labels if label in known or plain(label) not in same)


def change_spec(project: Project, spec: TaskSpec, updated: TaskSpec, change: str) -> TaskSpec:
    """Writes new wording or roles over rows that stay as they are; the old state becomes a version.

    Raises:
        WorkspaceError: the disk is full or read-only.
    """
    folder = task_dir(project, spec.task_id)
    updated = replace(updated, version=spec.next_version, highest_version=spec.next_version)
    place = folder / "versions" / f"{spec.version:04d}"
    try:
        shutil.rmtree(place, ignore_errors=True)  # left by a process that died between the two steps
        _keep_version(folder, place, Version(spec.version, change, 0, time.time()))
        write_spec(updated, folder)
    except OSError as error:
        raise not_writable(folder, error) from error
    return updated


def undo_change(project: Project, name: str) -> TaskSpec:
    """Brings back the rows and settings from before the latest change.

    Raises:
        WorkspaceError: nothing was changed.
    """
    spec = get_task(project, name)
    versions = list_versions(project, name)
    if not versions:
        raise WorkspaceError("task.nothing_to_undo", task=spec.name)
    folder = task_dir(project, spec.task_id)
    before = folder / "versions" / f"{versions[-1].number:04d}"
    highest = max(spec.version, spec.highest_version)
    old = replace(read_spec(before), name=spec.name, highest_version=highest)
    swap_folder(folder, old, read_all_rows(before), None, before if (before / PROBLEMS).is_file() else folder)
    shutil.rmtree(folder / "versions" / before.name, ignore_errors=True)
    return old


def read_version(project: Project, name: str, number: int) -> TaskSpec:
    """The task's description as it was in version `number`; its present one when that is the present version.

    Raises:
        WorkspaceError: there is no such version.
    """
    spec = get_task(project, name)
    return spec if number == spec.version else read_spec(_version_dir(project, spec, number))


def _version_dir(project: Project, spec: TaskSpec, number: int) -> Path:
    folder = task_dir(project, spec.task_id) / "versions" / f"{number:04d}"
    if not folder.is_dir():
        raise WorkspaceError("task.no_version", task=spec.name, number=number)
    return folder


def compare_specs(before: TaskSpec, after: TaskSpec) -> dict[str, tuple[Any, Any]]:
    """Settings that differ, as (before, after); sizes and version numbers left aside."""
    old, new = before.as_dict(), after.as_dict()
    return {name: (old[name], new[name]) for name in old if name not in _COUNTED and old[name] != new[name]}


@dataclass(frozen=True)
class RowDifference:
    """One row that is not the same in two versions; None where it is missing."""

    line: int
    before: SplitRow | None
    after: SplitRow | None


def compare_versions(project: Project, name: str, number: int) -> list[RowDifference]:
    """Rows that differ between version `number` and now, by their line in the file they came from."""
    spec = get_task(project, name)
    folder = task_dir(project, spec.task_id)
    old_dir = folder if number == spec.version else _version_dir(project, spec, number)
    before, after = ({(r.split == "test", r.line): r for r in read_all_rows(f)} for f in (old_dir, folder))
    keys = dict.fromkeys((*before, *after))
    pairs = ((key, before.get(key), after.get(key)) for key in keys)
    return [RowDifference(key[1], a, b) for key, a, b in pairs if a != b]


def swap_folder(
    folder: Path, spec: TaskSpec, rows: list[SplitRow], version: Version | None, told: Path | None = None
) -> None:
    """Writes the task anew beside the old folder and swaps the two; `version` keeps the old state in the new one.
    What was noted and asked about the file is that of the folder `told`, else stays.

    Raises:
        WorkspaceError: the disk is full or read-only; the old state stays.
    """
    try:
        with whole_folder(folder) as fresh:
            _carry_versions(folder, fresh, version)
            write_task(fresh, spec, rows, stored_problems(told or folder))
            _link_known(told or folder, fresh, (DOUBTS,))
    except OSError as error:
        raise not_writable(folder.parent, error) from error


def change_reading(project: Project, spec: TaskSpec, staged: StagedTask) -> TaskSpec:
    """Lets what a file was read as anew stand in a task's place, in one step; the earlier reading is a version.

    Raises:
        WorkspaceError: the disk is full or read-only; the task stays as it was, and nothing else is left.
    """
    folder, number = task_dir(project, spec.task_id), spec.next_version
    numbered = replace(staged.spec, version=number, highest_version=number)
    updated = replace(numbered, task_id=spec.task_id, name=spec.name, created=spec.created)
    count = sum(updated.num_examples.values())
    try:
        with undone_on_error(lambda: shutil.rmtree(staged.folder, ignore_errors=True)):
            _carry_versions(folder, staged.folder, Version(spec.version, "read_again", count, time.time()))
            write_spec(updated, staged.folder)
            replace_folder(staged.folder, folder)
    except OSError as error:
        raise not_writable(folder.parent, error) from error
    return updated


def _carry_versions(folder: Path, fresh: Path, version: Version | None) -> None:
    """Earlier states of the task, and the present one as `version`, into the folder that replaces its own."""
    if (folder / "versions").is_dir():
        shutil.copytree(folder / "versions", fresh / "versions", copy_function=_link)
    if version is not None:
        _keep_version(folder, fresh / "versions" / f"{version.number:04d}", version)


def _keep_version(folder: Path, place: Path, version: Version) -> None:
    place.mkdir(parents=True)
    for name in _FILES:
        _link(folder / name, place / name)
    _link_known(folder, place, _TOLD)
    write_json_atomic(place / "change.json", version.__dict__)
    for outdated in sorted(place.parent.iterdir())[:-MAX_VERSIONS]:
        shutil.rmtree(outdated, ignore_errors=True)


def _link_known(source: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        if (source / name).is_file():
            _link(source / name, target / name)


def _link(source: str | Path, target: str | Path) -> None:
    """A second name for a file that is only ever replaced as a whole; a copy where the disk knows no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def export_difference(differences: list[RowDifference]) -> str:
    """The differences as JSON lines."""
    records = (
        {
            "line": d.line,
            "before": d.before.row if d.before else None,
            "after": d.after.row if d.after else None,
            "split_before": d.before.split if d.before else None,
            "split_after": d.after.split if d.after else None,
        }
        for d in differences
    )
    return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
