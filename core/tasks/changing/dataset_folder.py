"""A task from a folder that the library `datasets` has saved: splits and classes, and roles where we wrote it."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from core.base.errors import TaskFileError
from core.base.records import from_record
from core.tasks.changing.dataset_library import choose_splits
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.isolation import ParseLimits, ask_child, stage
from core.tasks.changing.staging import commit_tasks, free_name, taken_names
from core.tasks.spec import TaskSpec
from core.workspace import Project


def add_dataset_folder(project: Project, folder: Path, request: TaskRequest) -> TaskSpec:
    """Adds the folder's splits as one task, read in a child process with limits.

    Raises:
        TaskFileError: no such folder, or nothing usable in it. The others as `add_task`.
    """
    with tempfile.TemporaryDirectory(prefix="taskloom-arrow-") as place:
        asked = {"verb": "arrow", "folder": str(folder.resolve()), "target": place}
        found = ask_child(asked, folder.name, ParseLimits())
        splits = choose_splits(found["splits"])
        if "train" not in splits:
            raise TaskFileError("file.bad_arrow", file=folder.name, detail="no split")
        known = from_record(TaskRequest, found["roles"], folder.name) if found["roles"] else TaskRequest()
        given = {n: v for n, v in vars(request).items() if v != getattr(TaskRequest(), n)}
        taken = taken_names(project)
        name = request.name or free_name(known.name or folder.name, taken)
        paths = {split: Path(found["splits"][splits[split]]) for split in splits}
        names = {split: f"{folder.name}/{own}.parquet" for split, own in splits.items()}
        request = replace(
            replace(known, **given),
            name=name,
            file_name=names["train"],
            test_path=paths.get("test"),
            test_file_name=names.get("test"),
            validation_path=paths.get("validation"),
            validation_file_name=names.get("validation"),
            not_taken=tuple(split for split in found["splits"] if split not in splits.values()),
        )
        return commit_tasks(project, [stage(project, paths["train"], request, taken, isolated=True)])[0]
