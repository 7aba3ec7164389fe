"""The child process that parses an uploaded file: one JSON request in, one answer out.

Started as `python -m core.tasks.changing.child`.

`core.tasks.changing.isolation` starts it with limits of memory, time, file size and open files, so that a bomb or a
hang costs that upload only; nobody imports it for its work.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.base.errors import TaskFileError, TaskloomError
from core.tasks.cell_text import input_text, plain_value
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.isolation import Answer
from core.tasks.changing.preview import preview_file
from core.tasks.changing.staging import stage_task
from core.tasks.cuts import LengthLimit
from core.tasks.reading.files import read_table
from core.tasks.reading.readings import ReadOptions
from core.tasks.spec import SplitSettings
from core.workspace import Project


def answer(request: dict[str, Any]) -> Answer:
    """Does what was asked: the verb of the request names one of `_VERBS`."""
    return _VERBS[request["verb"]](request)


def _preview(request: dict[str, Any]) -> Answer:
    found = preview_file(Path(request["path"]), _options(request["options"]), request["name"])
    return {"preview": asdict(found)}


def _labels(request: dict[str, Any]) -> Answer:
    from core.tasks.reading.label_codes import read_label_names

    return {"names": read_label_names(Path(request["path"]))}


def _rows(request: dict[str, Any]) -> Answer:
    """The first rows of any file, refused when their texts together are larger than the asker can take."""
    options = ReadOptions(max_rows=request["most_rows"])
    table = read_table(Path(request["path"]), options, request["name"])
    size = sum(len(input_text(cell)) for row in table.rows for cell in row.values())
    if size > request["most_chars"]:
        raise TaskFileError("file.too_much_text", file=table.name, bound=request["most_chars"] >> 20)
    rows = [{k: plain_value(v) for k, v in row.items()} for row in table.rows]
    return {"table": {**asdict(replace(table, rows=[], doubts=())), "rows": rows}}


def _pack(request: dict[str, Any]) -> Answer:
    """The name of a packed project, or (with a project) all of it unpacked and checked there."""
    from core.tasks.changing.archive import pack_label, unpack_project

    path = Path(request["path"])
    if request["project"] is None:
        return {"label": pack_label(path)}
    unpack_project(path, _project(request))
    return {}


def _health(request: dict[str, Any]) -> Answer:
    from core.tasks.health.report import health_report  # here: numpy takes longer to load than most files to read

    limit = request["limit"] and LengthLimit(**request["limit"])
    return {"report": asdict(health_report(_project(request), request["names"], limit))}


def _change_task(request: dict[str, Any]) -> Answer:
    from core.tasks.changing.in_child import answer_change

    return {"done": answer_change(_project(request), request["what"], request["task"], request["arguments"])}


def _stage(request: dict[str, Any]) -> Answer:
    task, taken = _request(request["request"]), frozenset(request["taken"])
    staged = stage_task(_project(request), Path(request["path"]), task, taken, request["folder"])
    doubts = [asdict(doubt) for doubt in staged.doubts]
    return {"spec": staged.spec.as_dict(), "problems": [asdict(p) for p in staged.problems], "doubts": doubts}


def _asked_of_datasets(request: dict[str, Any]) -> Answer:
    from core.tasks.changing.dataset_library import read_card, unpack_folder  # two seconds and 150 MB

    if request["verb"] == "arrow":
        return unpack_folder(Path(request["folder"]), Path(request["target"]))
    found = read_card(request["card"], request["names"], request["config"])
    return {"card": None if found is None else asdict(found)}


_VERBS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "preview": _preview,
    "labels": _labels,
    "rows": _rows,
    "pack": _pack,
    "card": _asked_of_datasets,
    "arrow": _asked_of_datasets,
    "health": _health,
    "change": _change_task,
    "stage": _stage,
}


def _project(request: dict[str, Any]) -> Project:
    return Project(**{**request["project"], "path": Path(request["project"]["path"])})


# By hand and not by `core.base.records`: every file of an import starts such a process, and pydantic would take a
# quarter of the processor time that it needs to start.
def _options(record: dict[str, Any]) -> ReadOptions:
    return ReadOptions(**{**record, "column_names": tuple(record["column_names"])})


def _request(record: dict[str, Any]) -> TaskRequest:
    split = None if record["split"] is None else SplitSettings(**record["split"])
    named: dict[str, Any] = {"options": _options(record["options"]), "split": split}
    named |= {k: tuple(record[k]) if record[k] is not None else None for k in ("inputs", "targets")}
    named |= {k: tuple(map(Path, record[k])) for k in ("more_paths", "more_test_paths", "more_validation_paths")}
    return TaskRequest(**{**record, **named})


def main() -> int:
    request = json.load(sys.stdin)
    try:
        found = answer(request)
    except TaskloomError as error:
        found = {"error": {"kind": type(error).__name__, "key": error.key, "values": error.values}}
    except MemoryError:
        found = {"error": {"kind": "TaskFileError", "key": "file.too_much_memory", "values": {}}}
    json.dump(found, sys.stdout, default=str)
    return 0


if __name__ == "__main__":
    sys.exit(main())
