"""Several files at once: a folder with a domain.json, or whatever was dropped on the page.

domain.json: {"domain": ..., "tasks": [{"name", "train", "test", "inputs", "target", "instruction", ...}]}.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.base.errors import Problem, TaskFileError, TaskloomError
from core.base.folders import undone_on_error
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.hints import HINTS, read_hints
from core.tasks.changing.isolation import label_names_isolated, stage
from core.tasks.changing.pairing import FileSet, Hint, LoneFile, pair_files
from core.tasks.changing.staging import StagedTask, commit_tasks, discard_tasks, free_name, stem_of, taken_names
from core.tasks.changing.versions import change_reading
from core.tasks.guessing.kinds import kind_from_hint, metric_from_hint
from core.tasks.reading.label_codes import read_label_names
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.shards import name_parts
from core.tasks.spec import SplitSettings, TaskSpec
from core.tasks.store import list_tasks
from core.workspace import Project


@dataclass
class ImportReport:
    """What became of several files: tasks added, files refused with the reason, notes by task id.

    `lone`: files that their names call test or check set, without the file they belong to; nothing was done to them
    until somebody says what they are.
    """

    added: list[TaskSpec] = field(default_factory=list)
    failed: list[tuple[str, Problem]] = field(default_factory=list)
    problems: dict[str, list[Problem]] = field(default_factory=dict)
    lone: list[LoneFile] = field(default_factory=list)


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
            files = _hinted_beside(folder, hint)
            staged.append(stage(project, files.train[0], request_of(files, isolated), frozenset(taken), isolated))
            taken.add(staged[-1].spec.name)
    return commit_tasks(project, staged)


def add_files(
    project: Project, paths: Sequence[Path | str], isolated: bool = True, alone: Sequence[str] = ()
) -> ImportReport:
    """Adds dropped files, each task on its own: files that belong together by their names (`pair_files`), hints
    from a domain.json among them. Files that fail are reported and leave nothing behind. Each file is parsed in a
    limited child process unless `isolated` is False.

    Args:
        alone: names of files that are tasks of their own although their names say test or check set.
    """
    report = ImportReport()
    for files in _pair([Path(p) for p in paths], report, alone):
        main, taken = files.train[0], taken_names(project)
        try:
            request = request_of(files, isolated)
            if request.name is None:
                request = replace(request, name=free_name(stem_of(request.file_name or main.name), taken))
            staged = stage(project, main, request, taken, isolated)
            report.added += commit_tasks(project, [staged])
            report.problems[staged.spec.task_id] = staged.problems
        except TaskloomError as error:
            report.failed.append((main.name, Problem(main.name, error.key, error.values)))
    return report


def require_partner(path: Path) -> None:
    """Refuses a single file whose name says that it is the exam or the check set of another one.

    Raises:
        TaskFileError: with the words of the name.
    """
    for item in pair_files([path]).lone:
        raise TaskFileError(item.problem.key, **item.problem.values)


def read_again(
    project: Project, path: Path | str, options: dict[str, Any], paths: Sequence[Path | str] = ()
) -> TaskSpec:
    """Reads a dropped file once more with other options (fields of ReadOptions; None means guessed). The task that
    came from it gets a new version, so that undo brings the first reading back; it stays as it is when the file
    cannot be read this way either, or not be written.

    Args:
        paths: what was dropped together with it, so that its test and label files are found again.

    Raises:
        TaskFileError, SettingError: as `add_task`.
    """
    path = Path(path)
    known = _pair([Path(p) for p in paths], ImportReport())
    files = next((f for f in known if path in f.train), FileSet((path,)))
    request = request_of(files, isolated=True)
    shown = request.file_name or path.name
    given = {name: value for name, value in options.items() if value is not None}
    old = next((s for s in list_tasks(project) if s.source.file == shown), None)
    taken = taken_names(project) - ({old.name} if old else set())
    name = old.name if old else request.name or free_name(stem_of(shown), taken)
    request = replace(request, name=name, options=replace(request.options, **given))
    staged = stage(project, files.train[0], request, taken, isolated=True)
    return commit_tasks(project, [staged])[0] if old is None else change_reading(project, old, staged)


def request_of(files: FileSet, isolated: bool = False) -> TaskRequest:
    """What the files and a domain.json entry say, as a request; anything left out is guessed. `isolated`: names of
    codes are read in a child process too."""
    hint = files.hint
    target = hint.get("target", hint.get("targets"))
    columns = tuple(str(c) for c in hint.get("columns") or ())
    names = {str(k): str(v) for k, v in (hint.get("label_names") or {}).items()}
    if not names and files.labels is not None:
        names = (label_names_isolated if isolated else read_label_names)(files.labels)
    return TaskRequest(
        name=str(hint["name"]) if hint.get("name") else None,
        file_name=name_parts([p.name for p in files.train]),
        more_paths=files.train[1:],
        test_path=next(iter(files.test), None),
        more_test_paths=files.test[1:],
        validation_path=next(iter(files.validation), None),
        more_validation_paths=files.validation[1:],
        inputs=_names(hint.get("inputs", hint.get("input"))),
        targets=_names(target),
        instruction=hint.get("instruction"),
        metric=metric_from_hint(hint.get("metric")),
        kind=kind_from_hint(hint.get("kind")),
        template=hint.get("template"),
        split=SplitSettings() if hint else None,
        options=ReadOptions(
            header=hint.get("header"),
            delimiter=hint.get("delimiter"),
            quotes=hint.get("quotes"),
            column_names=columns,
        ),
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


def _hinted_beside(folder: Path, hint: Hint) -> FileSet:
    """The files that an entry of a domain.json names."""
    test, validation = ((_beside(folder, hint, s),) if hint.get(s) else () for s in ("test", "validation"))
    return FileSet((_beside(folder, hint, "train"),), test, validation, hint=hint)


def _pair(paths: list[Path], report: ImportReport, alone: Sequence[str] = ()) -> list[FileSet]:
    """Groups dropped files into tasks, hinted ones first in the order of their domain.json."""
    by_name = {p.name: p for p in paths}
    sets: list[FileSet] = []
    used: set[Path] = set()
    for path in paths:
        if path.name.lower() == HINTS:
            used.add(path)
            sets += _hinted(path, by_name, used, report)
    found = pair_files([p for p in paths if p not in used], alone)
    report.failed += found.failed
    report.lone += found.lone
    return [*sets, *found.sets]


def _hinted(path: Path, by_name: dict[str, Path], used: set[Path], report: ImportReport) -> list[FileSet]:
    sets = []
    try:
        hints = read_hints(path)
    except TaskFileError as error:
        report.failed.append((path.name, Problem(path.name, error.key, error.values)))
        return []
    for hint in hints:
        train = by_name.get(str(hint.get("train")))
        if train is None:
            continue
        parts = [by_name.get(str(hint.get(split))) for split in ("test", "validation")]
        used.update(p for p in (train, *parts) if p is not None)
        labels = next((s.labels for s in pair_files([train, *by_name.values()]).sets if train in s.train), None)
        if labels is not None:
            used.add(labels)
        test, validation = ((p,) if p is not None else () for p in parts)
        sets.append(FileSet((train,), test, validation, labels, hint))
    return sets
