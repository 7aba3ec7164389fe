"""Several files at once: a folder with a domain.json, or whatever was dropped on the page.

domain.json: {"domain": ..., "tasks": [{"name", "train", "test", "inputs", "target", "instruction", ...}]}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.base.errors import Problem, TaskFileError, TaskloomError
from core.base.folders import undone_on_error
from core.messages.details import plain_detail
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.isolation import stage
from core.tasks.changing.staging import StagedTask, commit_tasks, discard_tasks, free_name, stem_of, taken_names
from core.tasks.guessing.kinds import kind_from_hint, metric_from_hint
from core.tasks.reading.files import SUFFIXES
from core.tasks.reading.label_codes import read_label_names
from core.tasks.reading.readings import ReadOptions
from core.tasks.spec import TaskSpec
from core.tasks.store import list_tasks, remove_task
from core.workspace import Project

HINTS = "domain.json"
_PART = re.compile(r"^(?P<stem>.*?)[._-]?(?P<part>train|test)$", re.IGNORECASE)
_LABELS = re.compile(r"^(?P<stem>.+)[._-]labels?$", re.IGNORECASE)
_MAX_HINT_BYTES = 4 << 20

Hint = dict[str, Any]


@dataclass
class ImportReport:
    """What became of several files: tasks added, files refused with the reason, notes by task id."""

    added: list[TaskSpec] = field(default_factory=list)
    failed: list[tuple[str, Problem]] = field(default_factory=list)
    problems: dict[str, list[Problem]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Entry:
    """One task to be: its files and what a domain.json says about it."""

    train: Path
    test: Path | None = None
    labels: Path | None = None
    hint: Hint = field(default_factory=dict)


def add_domain(project: Project, folder: Path | str, isolated: bool = False) -> list[TaskSpec]:
    """Adds every task of a folder with a domain.json: all of them or none. `isolated`: parsed in child processes.

    Raises:
        TaskFileError: no or bad domain.json, a file missing or unusable.
        WorkspaceError: a name is taken.
    """
    folder = Path(folder)
    hints = read_hints(folder / HINTS)
    staged: list[StagedTask] = []
    taken = set(taken_names(project))
    with undone_on_error(lambda: discard_tasks(staged)):
        for hint in hints:
            entry = _Entry(_beside(folder, hint, "train"), _test_beside(folder, hint), hint=hint)
            staged.append(stage(project, entry.train, request_of(entry), frozenset(taken), isolated))
            taken.add(staged[-1].spec.name)
    return commit_tasks(project, staged)


def add_files(project: Project, paths: Sequence[Path | str], isolated: bool = True) -> ImportReport:
    """Adds dropped files, each on its own: NAME.train.EXT with NAME.test.EXT, hints from a domain.json among them,
    NAME_labels.EXT as the names of label codes. Files that fail are reported and leave nothing behind. Each file is
    parsed in a limited child process unless `isolated` is False."""
    report = ImportReport()
    for entry in _pair([Path(p) for p in paths], report):
        taken = taken_names(project)
        try:
            request = request_of(entry)
            if request.name is None:
                request = replace(request, name=free_name(stem_of(entry.train.name), taken))
            staged = stage(project, entry.train, request, taken, isolated)
            report.added += commit_tasks(project, [staged])
            report.problems[staged.spec.task_id] = staged.problems
        except TaskloomError as error:
            report.failed.append((entry.train.name, Problem(entry.train.name, error.key, error.values)))
    return report


def read_again(
    project: Project, path: Path | str, options: dict[str, Any], paths: Sequence[Path | str] = ()
) -> TaskSpec:
    """Reads a dropped file once more with other options (fields of ReadOptions; None means guessed). The task that
    came from it is replaced, and stays as it is when the file cannot be read this way either.

    Args:
        paths: what was dropped together with it, so that its test and label files are found again.

    Raises:
        TaskFileError, SettingError: as `add_task`.
    """
    path = Path(path)
    entries = _pair([Path(p) for p in paths], ImportReport())
    entry = next((e for e in entries if e.train == path), _Entry(path))
    request = request_of(entry)
    given = {name: value for name, value in options.items() if value is not None}
    old = next((s for s in list_tasks(project) if s.source.file == path.name), None)
    taken = taken_names(project) - ({old.name} if old else set())
    name = old.name if old else request.name or free_name(stem_of(path.name), taken)
    request = replace(request, name=name, options=replace(request.options, **given))
    staged = stage(project, path, request, taken, isolated=True)
    if old is not None:
        remove_task(project, old.task_id)
    return commit_tasks(project, [staged])[0]


def read_hints(path: Path) -> list[Hint]:
    """The task entries of a domain.json.

    Raises:
        TaskFileError: missing, not JSON, or without usable entries.
    """
    if not path.is_file():
        raise TaskFileError("domain.missing", folder=path.parent.name, file=HINTS)
    if path.stat().st_size > _MAX_HINT_BYTES:
        raise TaskFileError("file.too_large", file=HINTS, bound=_MAX_HINT_BYTES >> 20)
    try:
        record = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno, "detail": plain_detail(error.msg)}
        raise TaskFileError("file.bad_json", file=HINTS, **where) from error
    except (OSError, ValueError, RecursionError) as error:
        detail = getattr(error, "strerror", None) or str(error)  # an OSError's text has the whole path
        raise TaskFileError("domain.bad_json", file=HINTS, detail=detail[:200]) from error
    tasks = record.get("tasks") if isinstance(record, dict) else None
    if not isinstance(tasks, list) or not tasks or not all(isinstance(t, dict) for t in tasks):
        raise TaskFileError("domain.no_tasks", file=HINTS)
    return tasks


def request_of(entry: _Entry) -> TaskRequest:
    """What a domain.json entry says, as a request; anything it leaves out is guessed."""
    hint = entry.hint
    target = hint.get("target", hint.get("targets"))
    columns = tuple(str(c) for c in hint.get("columns") or ())
    options = ReadOptions(header=hint.get("header"), column_names=columns)
    names = {str(k): str(v) for k, v in (hint.get("label_names") or {}).items()}
    if not names and entry.labels is not None:
        names = read_label_names(entry.labels)
    return TaskRequest(
        name=str(hint["name"]) if hint.get("name") else None,
        test_path=entry.test,
        inputs=_names(hint.get("inputs", hint.get("input"))),
        targets=_names(target),
        instruction=hint.get("instruction"),
        metric=metric_from_hint(hint.get("metric")),
        kind=kind_from_hint(hint.get("kind")),
        template=hint.get("template"),
        options=options,
        label_names=names,
        licence=str(hint.get("licence") or hint.get("license") or ""),
        citation=str(hint.get("citation") or ""),
    )


def _names(value: Any) -> tuple[str, ...] | None:
    if not value:
        return None
    return (value,) if isinstance(value, str) else tuple(str(v) for v in value)


def _beside(folder: Path, hint: Hint, part: str) -> Path:
    name = hint.get(part) or hint.get("file")
    if not isinstance(name, str) or Path(name).name != name or name.startswith("."):
        raise TaskFileError("domain.bad_file_name", file=HINTS, task=str(hint.get("name")), name=str(name))
    if not (folder / name).is_file():
        raise TaskFileError("domain.file_missing", file=name, task=str(hint.get("name")))
    return folder / name


def _test_beside(folder: Path, hint: Hint) -> Path | None:
    return _beside(folder, hint, "test") if hint.get("test") else None


def _pair(paths: list[Path], report: ImportReport) -> list[_Entry]:
    """Groups dropped files into tasks, hinted ones first in the order of their domain.json."""
    by_name = {p.name: p for p in paths}
    entries: list[_Entry] = []
    used: set[str] = set()
    for path in paths:
        if path.name.lower() == HINTS:
            used.add(path.name)
            entries += _hinted(path, by_name, used, report)
    plain = [p for p in paths if p.name not in used]
    labels = {m.group("stem").lower(): p for p in plain if (m := _LABELS.match(_stem(p)))}
    owners = {_PART.sub(r"\g<stem>", _stem(p)).lower() for p in plain}
    labels = {stem: p for stem, p in labels.items() if stem in owners}
    plain = [p for p in plain if p not in labels.values()]
    parts = ((_PART.match(_stem(p)), p) for p in plain)
    tests = {m.group("stem").lower(): p for m, p in parts if m and m.group("part").lower() == "test"}
    trains = [p for p in plain if p not in tests.values()]
    for path in trains:
        stem = _PART.sub(r"\g<stem>", _stem(path)).lower()
        entries.append(_Entry(path, tests.pop(stem, None), labels.get(stem)))
    # A test file without its train file is a task of its own rather than lost.
    entries += [_Entry(path) for path in tests.values()]
    return entries


def _stem(path: Path) -> str:
    name = path.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def _hinted(path: Path, by_name: dict[str, Path], used: set[str], report: ImportReport) -> list[_Entry]:
    entries = []
    try:
        hints = read_hints(path)
    except TaskFileError as error:
        report.failed.append((path.name, Problem(path.name, error.key, error.values)))
        return []
    for hint in hints:
        train, test = by_name.get(str(hint.get("train"))), by_name.get(str(hint.get("test")))
        if train is None:
            continue
        used.update(p.name for p in (train, test) if p is not None)
        stem = _PART.sub(r"\g<stem>", _stem(train)).lower()
        matches = ((_LABELS.match(_stem(p)), p) for p in by_name.values())
        labels = next((p for m, p in matches if m and m.group("stem").lower() == stem), None)
        if labels is not None:
            used.add(labels.name)
        entries.append(_Entry(train, test, labels, hint))
    return entries
