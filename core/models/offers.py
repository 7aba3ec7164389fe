"""All base models that can be chosen, of the catalogue and of the store, and where each of them is. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.models.catalogue import find_model, known_record
from core.models.known_models import CATALOGUE, STARTER, BaseModelInfo
from core.models.records import has_chat_template
from core.models.seeing import token_folder
from core.models.store import list_stored

HERE, CACHED, TO_FETCH = "here", "cached", "to_fetch"
RECOMMENDED = "smollm2-135m"  # an instruct model of real English that trains on two cores in minutes


@dataclass(frozen=True)
class ModelOffer:
    """One base model as a choice. `parameters` in millions, `megabytes` on disk or to fetch (0: not known).

    `state` is `here`, `cached` (in the Hub's cache) or `to_fetch`; `has_chat_template` is None until it is here."""

    name: str
    title: str
    state: str
    source: str
    parameters: float
    megabytes: int
    languages: str
    licence: str
    terms: str
    hub_id: str
    has_chat_template: bool | None
    is_recommended: bool
    folder: Path | None
    weights_sha256: str = ""


def list_offers() -> list[ModelOffer]:
    """The catalogue, then what users added, each once."""
    known = {info.model_id for info in CATALOGUE}
    added = [find_model(r.name) for r in list_stored() if r.name not in known and _is_whole(r.name)]
    return [_offer(info) for info in (*CATALOGUE, *added)]


def find_offer(name: str) -> ModelOffer:
    """The base model of this name, folder or Hub id.

    Raises:
        ModelError: a folder that is not there or holds no model.
    """
    return _offer(find_model(name))


def _is_whole(name: str) -> bool:
    """A folder of the user's may have been moved since it was added."""
    try:
        return find_model(name).local_path is not None
    except ModelError:
        return False


def _offer(info: BaseModelInfo) -> ModelOffer:
    folder = info.local_path or cached_folder(info)
    record = None if folder is None else known_record(info.model_id, folder)
    size = _size_of(folder) if folder is not None else (info.package.megabytes if info.package else 0)
    return ModelOffer(
        info.model_id,
        info.title,
        TO_FETCH if folder is None else (HERE if info.local_path is not None else CACHED),
        _source_of(info),
        info.parameters,
        size,
        info.languages,
        info.licence,
        info.terms,
        info.hub_id or (info.model_id if info.local_path is None and info.package is None else ""),
        None if folder is None else has_chat_template(folder),
        info.model_id == RECOMMENDED,
        folder,
        record.weights_sha256 if record else "",
    )


def _source_of(info: BaseModelInfo) -> str:
    if info.model_id == STARTER:
        return STARTER
    if info.package is not None:
        return "package"
    record = None if info.local_path is None else known_record(info.model_id, info.local_path)
    return record.source if record else ("hub" if info.local_path is None else "folder")


def cached_folder(info: BaseModelInfo) -> Path | None:
    """The folder of a Hub model in this machine's cache, where its weights are in it too."""
    if info.package is not None:
        return None
    folder = token_folder(info.model_id)
    return folder if folder is not None and any(folder.glob("*.safetensors")) else None


def _size_of(folder: Path) -> int:
    return round(sum(p.stat().st_size for p in folder.iterdir() if p.is_file()) / 1e6)


def get_model(name: str, progress: Callable[[int, int, str], None]) -> ModelOffer:
    """Brings a model of the catalogue, or any model of the Hub, to this machine; one that is here stays as it is.

    Raises:
        ModelError: it cannot be fetched, and why.
    """
    offer = find_offer(name)
    if offer.state == TO_FETCH:
        fetch: dict[str, Callable[..., Any]] = {"package": _get_package, "hub": _get_hub}
        fetch[offer.source](find_model(name), progress)
    return find_offer(name)


def _get_package(info: BaseModelInfo, progress: Callable[[int, int, str], None]) -> None:
    from core.models.sources.package import get_package  # here: conversion needs torch

    get_package(info, progress)


def _get_hub(info: BaseModelInfo, progress: Callable[[int, int, str], None]) -> None:
    from core.models.sources.hub import get_hub

    get_hub(info, progress)
