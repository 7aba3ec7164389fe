"""The model store of a workspace: base models that were fetched or converted for it, one folder a name. Torch-free.

    <workspace>/models/<name>/            config.json, *.safetensors, tokenizer, taskloom_model.json
                       .getting-<name>/   what is being fetched; a second try goes on with what is there

A model that stays in a folder of the user's is a name with nothing but its record, which says where it lies.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from core.base.errors import ModelError
from core.base.files import inside
from core.models.records import ModelRecord, read_record
from core.workspace import default_workspace_dir

VARIABLE = "TASKLOOM_MODELS"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_GETTING = ".getting-"


def models_dir() -> Path:
    """TASKLOOM_MODELS, else `models` in the workspace."""
    return Path(os.environ.get(VARIABLE) or default_workspace_dir() / "models").expanduser()


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and ".." not in text


def require_name(text: str) -> str:
    """A name for the store: small letters, digits, dots and dashes.

    Raises:
        ModelError: anything else.
    """
    if not is_name(text):
        raise ModelError("model.bad_name", name=text[:80])
    return text


def name_from(text: str) -> str:
    """A name of the store made from a file or folder name: 'SmolLM2 135M.Q4_1' -> 'smollm2-135m.q4_1'."""
    made = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:60].replace("..", ".")
    return made or "model"


def stored_folder(name: str) -> Path | None:
    """Where the files of a stored model lie; None for a name that the store does not hold."""
    if not is_name(name):
        return None
    folder = models_dir() / name
    record = read_record(folder) if folder.is_dir() else None
    if record is None:
        return None
    return Path(record.folder) if record.folder else folder.resolve()


def list_stored() -> list[ModelRecord]:
    """The models of the store by name."""
    root = models_dir()
    folders = sorted(p for p in root.iterdir() if p.is_dir() and is_name(p.name)) if root.is_dir() else []
    return [record for folder in folders if (record := read_record(folder)) is not None]


def get_stored(name: str) -> ModelRecord:
    """The record of a stored model.

    Raises:
        ModelError: the store does not hold it.
    """
    record = read_record(models_dir() / name) if is_name(name) else None
    if record is None:
        known = ", ".join(r.name for r in list_stored()) or "-"
        raise ModelError("model.not_stored", name=name, known=known)
    return record


def remove_stored(name: str) -> ModelRecord:
    """Removes a model from the store; files in a folder of the user's stay.

    Raises:
        ModelError: the store does not hold it.
    """
    record = get_stored(name)
    shutil.rmtree(inside(models_dir(), name))
    return record


def getting_folder(name: str) -> Path:
    """Where what is fetched for `name` is gathered; kept when a try is broken off.

    Raises:
        ModelError: the store cannot be written.
    """
    folder = inside(models_dir(), _GETTING + require_name(name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError("model.no_store", path=str(folder), detail=error.strerror or "") from error
    return folder


def require_space(path: Path, needed: int) -> None:
    """Raises ModelError where the disk under `path` has less room than `needed` bytes."""
    free = shutil.disk_usage(path).free
    if free < needed:
        values = {"needed": round(needed / 2**20), "free": round(free / 2**20)}
        raise ModelError("model.no_space", path=str(path), **values)


def finish(name: str, made: Path) -> Path:
    """Puts a complete model folder in its place, and throws away what it was made from.

    Raises:
        ModelError: the store holds another model of this name.
    """
    final = inside(models_dir(), require_name(name))
    if final.exists():
        raise ModelError("model.name_taken", name=name)
    made.rename(final)
    shutil.rmtree(inside(models_dir(), _GETTING + name), ignore_errors=True)
    return final
