"""Parsing in a child process with limits: the same results and the same errors as in this one."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import core.base.errors
from core.base.errors import TaskFileError
from core.base.folders import hidden_beside, undone_on_error
from core.base.limits import Limits
from core.base.processes import Finished, Order, python, run_to_end
from core.base.records import from_record
from core.base.warm import WarmProgram
from core.tasks.changing.describing import TaskRequest, part_name
from core.tasks.changing.preview import FilePreview
from core.tasks.changing.staging import StagedTask, stage_task
from core.tasks.cuts import LengthLimit
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.table import Table
from core.workspace import Project

if TYPE_CHECKING:
    from core.tasks.health.report import HealthReport

PREVIEW_SECONDS = 120
MAX_WRITTEN_BYTES = 8 << 30
MAX_OPEN_FILES = 256
MAX_TEXT = 64 << 20  # characters that one reading may bring into this process

Answer = dict[str, Any]
CHILD = "core.tasks.changing.child"  # also where a record came from, should one not fit
ORDER = Order(
    python("-m", CHILD),
    variables={"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    is_bare=True,
)
# What most requests need, and what starts no thread: pyarrow does, and takes 160 MB of address space.
WARM = (
    *(CHILD, "core.tasks.health.report", "core.tasks.changing.in_child", "core.tasks.changing.archive"),
    *("core.tasks.reading.label_codes", "openpyxl", "tokenizers"),
)


@dataclass(frozen=True)
class ParseLimits:
    """What one file may cost: seconds of waiting (and of processor time) and MB of address space."""

    seconds: int = 600
    memory_mb: int = 4096


def preview_isolated(
    path: Path | str, options: ReadOptions | None = None, name: str | None = None, limits: ParseLimits | None = None
) -> FilePreview:
    """`preview_file` in a child process.

    Raises:
        TaskFileError: as `preview_file`; also when the file takes too long or too much memory.
    """
    path = Path(path)
    request = {
        "verb": "preview",
        "path": str(path.resolve()),
        "name": name or path.name,
        "options": asdict(options or ReadOptions()),
    }
    found = ask_child(request, name or path.name, limits or ParseLimits(PREVIEW_SECONDS))
    return from_record(FilePreview, found["preview"], CHILD)


def stage_isolated(
    project: Project,
    path: Path | str,
    request: TaskRequest,
    taken: frozenset[str],
    limits: ParseLimits | None = None,
) -> StagedTask:
    """`stage_task` in a child process; what a killed child left behind is removed."""
    path = Path(path)
    name = request.file_name or path.name
    folder = hidden_beside(project.tasks_dir / "task")
    message = {
        "verb": "stage",
        "path": str(path.resolve()),
        "request": request_to_dict(request),
        "taken": sorted(taken),
        "folder": folder.name,
        "project": project_to_dict(project),
    }
    with undone_on_error(lambda: shutil.rmtree(folder, ignore_errors=True)):
        found = ask_child(message, name, limits or ParseLimits())
    return from_record(StagedTask, {**found, "folder": folder}, CHILD)


def health_isolated(
    project: Project,
    names: Sequence[str] | None = None,
    limit: LengthLimit | None = None,
    limits: ParseLimits | None = None,
) -> HealthReport:
    """`health_report` in a child process: a million rows take a gigabyte that the app should not keep."""
    request = {
        "verb": "health",
        "names": None if names is None else list(names),
        "limit": None if limit is None else asdict(limit),
        "project": project_to_dict(project),
    }
    from core.tasks.health.report import HealthReport  # numpy; a start without a report is spared it

    return from_record(HealthReport, ask_child(request, project.name, limits or ParseLimits())["report"], CHILD)


def label_names_isolated(path: Path | str, limits: ParseLimits | None = None) -> dict[str, str]:
    """`read_label_names` in a child process."""
    path = Path(path)
    request = {"verb": "labels", "path": str(path.resolve())}
    found = ask_child(request, path.name, limits or ParseLimits(PREVIEW_SECONDS))["names"]
    return {str(code): str(name) for code, name in found.items()}


def read_rows_isolated(path: Path | str, most_rows: int, name: str | None = None) -> Table:
    """The first rows of a file of any format, read in a child process, with what was noted about it but no doubts.

    Raises:
        TaskFileError: as `read_table`; also when the texts of these rows are too large together.
    """
    path = Path(path)
    shown = name or path.name
    request = {"verb": "rows", "path": str(path.resolve()), "name": shown, "most_rows": most_rows}
    request |= {"most_chars": MAX_TEXT}
    return from_record(Table, ask_child(request, shown, ParseLimits(PREVIEW_SECONDS, 2048))["table"], CHILD)


def ask_pack(path: Path, project: Project | None) -> Answer:
    """What is packed in a file: its name (`label`), or all of it unpacked into a project."""
    into = None if project is None else project_to_dict(project)
    return ask_child({"verb": "pack", "path": str(path.resolve()), "project": into}, path.name, ParseLimits())


def warm_child() -> WarmProgram:
    """The child of this module, to be kept ready by a page: many who come at once would wait for each other's
    imports."""
    return WarmProgram(ORDER, WARM)


def stage(
    project: Project, path: Path | str, request: TaskRequest, taken: frozenset[str], isolated: bool
) -> StagedTask:
    return (stage_isolated if isolated else stage_task)(project, path, request, taken)


def project_to_dict(project: Project) -> dict[str, Any]:
    return {**asdict(project), "path": str(project.path.resolve())}


def ask_child(request: dict[str, Any], name: str, limits: ParseLimits) -> Answer:
    """The child's answer to a request of `core.tasks.changing.child`.

    Raises:
        TaskloomError: as the child would in this process; TaskFileError when it took too long or too much memory.
    """
    bounds = Limits(limits.seconds, limits.memory_mb << 20, MAX_WRITTEN_BYTES, MAX_OPEN_FILES)
    order = replace(ORDER, limits=bounds)
    try:
        done = run_to_end(order, limits.seconds, json.dumps(request))
    except TimeoutError as error:
        raise TaskFileError("file.took_too_long", file=name, seconds=limits.seconds) from error
    return _checked(done, name, limits)


def _checked(done: Finished, name: str, limits: ParseLimits) -> Answer:
    """The child's answer, or its error raised here in the same words."""
    code, report = done.code, done.complaints
    if code == -signal.SIGXCPU:
        raise TaskFileError("file.took_too_long", file=name, seconds=limits.seconds)
    try:
        found: Answer = json.loads(done.output)
    except ValueError as error:
        if code == -signal.SIGKILL or "MemoryError" in report or "memory" in report.lower():
            raise TaskFileError("file.too_much_memory", file=name, bound=limits.memory_mb) from error
        raise TaskFileError("file.parser_died", file=name, detail=done.last_words[:200]) from error
    if "error" in found:
        kind = getattr(core.base.errors, found["error"]["kind"], TaskFileError)
        values = {"file": name, "bound": limits.memory_mb, **found["error"]["values"]}
        raise kind(found["error"]["key"], **values)
    return found


_PATHS = ("more_paths", "more_test_paths", "more_validation_paths")


def request_to_dict(request: TaskRequest) -> dict[str, Any]:
    record = asdict(request)
    for part in ("test", "validation"):
        path = record[f"{part}_path"]
        if path is not None:
            record[f"{part}_path"] = str(Path(path).resolve())
            record[f"{part}_file_name"] = record[f"{part}_file_name"] or part_name(
                path, None, record[f"more_{part}_paths"]
            )
    for name in _PATHS:
        record[name] = [str(Path(path).resolve()) for path in record[name]]
    return record
