"""Finding a base model by the name a user gave: of the catalogue, the model store, a folder, or the Hub.

Any other decoder-only or encoder-decoder model that transformers loads from safetensors may be named by folder or
id.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.models.inspection import architecture_of, read_config
from core.models.known_models import CATALOGUE, STARTER, BaseModelInfo
from core.models.records import ModelRecord, read_record, weight_files
from core.models.store import is_name, models_dir, stored_folder

CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "n_ctx")


def find_model(model_id_or_path: str) -> BaseModelInfo:
    """What is known of a base model without loading it: a catalogue entry, a name of the model store, a folder, or
    a Hub id (context 0).

    `local_path` is set where the files are on this machine.

    Raises:
        ModelError: no name, a file, or a folder (the starter's too) that does not exist or is no safetensors model.
    """
    model_id_or_path = model_id_or_path.strip()
    if not model_id_or_path:
        raise ModelError("model.no_name")
    for info in CATALOGUE:
        if model_id_or_path == info.model_id:
            if info.package is not None:
                return replace(info, local_path=stored_folder(info.model_id))
            if info.local_path is not None:
                require_model_folder(info.local_path)
            return info
    folder = stored_folder(model_id_or_path) or Path(model_id_or_path).expanduser()
    if not folder.is_dir():
        if folder.is_file():
            raise ModelError("model.is_file", path=model_id_or_path)
        if looks_like_path(model_id_or_path):
            raise ModelError("model.no_folder", path=model_id_or_path)
        return BaseModelInfo(model_id_or_path, model_id_or_path, 0, "", "", 0, "", "")
    return _describe_folder(model_id_or_path, folder.resolve())


def _describe_folder(name: str, folder: Path) -> BaseModelInfo:
    config = require_model_folder(folder)
    record = known_record(name, folder) or ModelRecord(folder.name, folder.name, "folder")
    context = next((config[n] for n in CONTEXT_NAMES if isinstance(config.get(n), int) and config[n] > 0), 0)
    return BaseModelInfo(
        name,
        record.title,
        round(record.parameters / 1e6),
        record.licence,
        record.languages,
        context,
        architecture_of(config),
        "",
        folder,
        hub_id=record.hub_id,
        terms=record.terms,
    )


def known_record(name: str, folder: Path) -> ModelRecord | None:
    """What is known of a model beside its files: what the store holds under this name (of a folder of the user's,
    into which nothing is written), else what lies in the folder."""
    stored = read_record(models_dir() / name) if is_name(name) else None
    return stored or read_record(folder)


def require_model_folder(folder: Path) -> dict[str, Any]:
    """config.json of a folder with safetensors weights and no program code of its own.

    Raises:
        ModelError: something is missing, damaged or refused.
    """
    config = read_config(folder)
    if not weight_files(folder):
        raise ModelError("model.no_safetensors", path=str(folder))
    if "auto_map" in config:
        raise ModelError("model.remote_code", model=str(folder))
    return config


def anchor_model(model_id_or_path: str) -> str:
    """The name under which a run keeps its base model.

    The absolute folder of one that lies on this machine, so that a worker finds it from any folder and with any
    settings; ids of the Hub and the starter as they are.

    Raises:
        ModelError: as `find_model`; a model of the package index that is not on this machine yet.
    """
    info = find_model(model_id_or_path)
    if info.package is not None and info.local_path is None:
        raise ModelError("model.not_fetched", model=info.model_id)
    if info.model_id == STARTER or info.local_path is None:
        return info.model_id
    return str(info.local_path)


def resolve_model(model_id_or_path: str) -> str:
    """What transformers loads: the folder of a model on this machine, else the id as it is."""
    local = find_model(model_id_or_path).local_path
    return model_id_or_path if local is None else str(local)


def pinned_revision(model_id_or_path: str) -> str | None:
    """The commit of a catalogue model; None for a folder or an id that the catalogue does not know."""
    return next((m.revision or None for m in CATALOGUE if m.model_id == model_id_or_path), None)


def looks_like_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or text.count("/") > 1 or "\\" in text
