"""The child process that parses an uploaded file: one JSON request in, one answer out.

Started as `python -m core.tasks.changing.child`.

`core.tasks.changing.isolation` starts it with limits of memory, time, file size and open files, so that a bomb or a
hang costs that upload only; nobody imports it for its work.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.base.errors import TaskloomError
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.isolation import Answer
from core.tasks.changing.preview import preview_file
from core.tasks.changing.staging import stage_task
from core.tasks.cuts import LengthLimit
from core.tasks.reading.readings import ReadOptions
from core.tasks.spec import SplitSettings
from core.workspace import Project


def answer(request: dict[str, Any]) -> Answer:
    """Does what was asked: 'preview' a file, 'health' of a project, a change of a task 'apart', the 'card' of a
    data set, 'arrow' files as parquet, or 'stage' a task into a hidden folder."""
    if request["verb"] == "preview":
        found = preview_file(Path(request["path"]), _options(request["options"]), request["name"])
        return {"preview": asdict(found)}
    if request["verb"] == "labels":
        from core.tasks.reading.label_codes import read_label_names

        return {"names": read_label_names(Path(request["path"]))}
    if request["verb"] in ("card", "arrow"):
        return _asked_of_datasets(request)
    project = Project(**{**request["project"], "path": Path(request["project"]["path"])})
    if request["verb"] == "health":
        from core.tasks.health.report import (
            health_report,  # here: numpy takes longer to load than most files to read
        )

        limit = request["limit"] and LengthLimit(**request["limit"])
        report = health_report(project, request["names"], limit)
        return {"report": asdict(report)}
    if request["verb"] == "apart":
        from core.tasks.changing.in_child import answer_apart

        return {"done": answer_apart(project, request["what"], request["task"], request["arguments"])}
    staged = stage_task(
        project, Path(request["path"]), _request(request["request"]), frozenset(request["taken"]), request["folder"]
    )
    doubts = [asdict(doubt) for doubt in staged.doubts]
    return {"spec": staged.spec.as_dict(), "problems": [asdict(p) for p in staged.problems], "doubts": doubts}


def _asked_of_datasets(request: dict[str, Any]) -> Answer:
    from core.tasks.changing.dataset_library import read_card, unpack_folder  # two seconds and 150 MB

    if request["verb"] == "arrow":
        return unpack_folder(Path(request["folder"]), Path(request["target"]))
    found = read_card(request["card"], request["names"], request["config"])
    return {"card": None if found is None else asdict(found)}


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
