"""A file or folder of the user's as a base model of the store."""

from __future__ import annotations

from pathlib import Path

from core.base.errors import ModelError
from core.models.inspection import inspect_folder
from core.models.records import ModelRecord, Progress, write_record
from core.models.sources.gguf import convert_gguf, describe_gguf
from core.models.store import finish, getting_folder, name_from, require_name, require_space, stored_folder


def add_model(path: Path, name: str | None, progress: Progress, allow_large: bool = False) -> str:
    """Adds a .gguf file (converted once) or a folder (which stays where it is) -> its name in the store.

    Raises:
        ModelError: there is nothing, the name is taken, or the model cannot be trained here.
    """
    path = path.expanduser().resolve()
    if not path.exists():
        raise ModelError("model.no_folder", path=str(path))
    chosen = require_name(name) if name else name_from(path.stem if path.is_file() else path.name)
    if stored_folder(chosen) is not None:
        raise ModelError("model.name_taken", name=chosen)
    add = _add_folder if path.is_dir() else _add_gguf
    add(path, chosen, progress, allow_large)
    return chosen


def _add_gguf(path: Path, name: str, progress: Progress, allow_large: bool) -> None:
    record = describe_gguf(path, name)
    work = getting_folder(name)
    require_space(work, path.stat().st_size + 3 * record.parameters)  # a copy, and two bytes a number with room
    made = work / "made"
    convert_gguf(path, made, record, progress, allow_large)
    finish(name, made)


def _add_folder(path: Path, name: str, progress: Progress, allow_large: bool) -> None:
    inspect_folder(path, allow_large)
    progress(0, 1, "checking")
    made = getting_folder(name) / "made"
    made.mkdir(exist_ok=True)
    record = ModelRecord(name, path.name, "folder", str(path), folder=str(path)).with_files(path)
    write_record(made, record)
    finish(name, made)
    progress(1, 1, "done")
