"""Putting a new adapter on a base model, and taking it off; an adapter on the disk.

An adapter's folder holds its tensors (safetensors) and a description (JSON); the base model is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from core.adapters.base import build_adapter
from core.adapters.call import Adapted
from core.adapters.fast.recompute import make_lean, undo_lean
from core.adapters.settings.places import AdapterConfig
from core.adapters.targets import replace_module
from core.base.errors import ModelError
from core.base.folders import whole_folder
from core.base.settings import settings_to_dict
from core.models.loading import LoadedBase
from core.models.modular import ModularModel

FORMAT = 1
WEIGHTS, DESCRIPTION = "adapter.safetensors", "adapter.json"


def build_modular(
    base: LoadedBase,
    method: str,
    config: AdapterConfig | Mapping[str, Any] | None,
    tasks: Sequence[str] | int,
    seed: int = 0,
) -> ModularModel:
    """A base model with a new adapter of a registered method; `tasks` are their names, or how many there are."""
    names = [f"task {i + 1}" for i in range(tasks)] if isinstance(tasks, int) else list(tasks)
    make_lean(base.model)
    adapter = build_adapter(base.model, method, config, len(names), seed)
    return ModularModel(base, adapter, names)


def unwrap(model: nn.Module) -> None:
    """Takes the adapter out of a base model: its layers are the original ones again."""
    undo_lean(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, Adapted):
            replace_module(model, name, module.inner)


def save_adapter(model: ModularModel, folder: Path) -> None:
    """Writes adapter.safetensors and adapter.json into `folder`; readers see the old pair or the new one."""
    adapter = model.adapter
    description = {
        "format": FORMAT,
        "method": adapter.method,
        "config": settings_to_dict(adapter.config),
        "num_tasks": adapter.num_tasks,
        "tasks": model.tasks,
        "stage": adapter.stage,
        "base_model": model.model_id,
        "architecture": model.architecture,
    }
    tensors = {name: t.detach().cpu().contiguous() for name, t in adapter.state_dict().items()}
    with whole_folder(folder) as written:
        save_file(tensors, written / WEIGHTS, metadata={"format": "pt"})
        (written / DESCRIPTION).write_text(json.dumps(description, ensure_ascii=False, indent=1), encoding="utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """adapter.json as a dictionary.

    Raises:
        ModelError: missing, damaged, or written by a newer version.
    """
    try:
        description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError("adapter.not_found", folder=str(folder)) from error
    except ValueError as error:
        raise ModelError("adapter.damaged", folder=str(folder), detail=str(error)) from error
    if description.get("format") != FORMAT:
        raise ModelError("adapter.format", folder=str(folder), found=description.get("format"))
    return description


def load_adapter(base: LoadedBase, folder: Path) -> ModularModel:
    """The modular model of a saved adapter on its base model.

    Raises:
        ModelError: the folder is missing or damaged, or the base model is another one than it was made for.
    """
    folder = Path(folder)
    description = read_description(folder)
    names = description["tasks"]
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError("adapter.damaged", folder=str(folder), detail=str(error)) from error
    model = build_modular(base, description["method"], description["config"], names)
    expected = {name: tuple(t.shape) for name, t in model.adapter.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if expected != found:
        raise ModelError("adapter.mismatch", base=base.model_id, made_for=description["base_model"])
    model.adapter.load_state_dict(tensors)
    model.set_stage(min(int(description["stage"]), model.adapter.num_stages))
    model.eval()
    return model
