"""A base model as others may see and load it: by its id on the Hub where that is known, and under which licence."""

from __future__ import annotations

from pathlib import Path

from core.models.known_models import CATALOGUE
from core.models.records import ModelRecord, read_record


def is_public(base_model: str) -> bool:
    """Whether others can load a base model by this name: an id of the Hub."""
    return base_model.count("/") == 1


def public_name(base_model: str) -> str:
    """A base model as others may load it: its id on the Hub where known, else its folder's last name."""
    record = record_of(base_model)
    if record is not None and record.hub_id:
        return record.hub_id
    return Path(base_model).name if Path(base_model).is_dir() else base_model


def licence_of(base_model: str) -> str:
    """The licence of a base model that the catalogue or its own record names, '' for any other."""
    record = record_of(base_model)
    if record is not None:
        return record.licence
    return next((info.licence for info in CATALOGUE if info.model_id == base_model), "")


def record_of(base_model: str) -> ModelRecord | None:
    """What is known of a base model in a folder of this machine."""
    return read_record(Path(base_model)) if Path(base_model).is_dir() else None
