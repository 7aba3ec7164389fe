"""A library out of the LoRAs of several tasks (Arrow): nothing is added up, every token chooses. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from core.adapters.base import LoraFactors
from core.adapters.parts.gated import GatedAdapter
from core.adapters.registry import METHODS
from core.evaluation.contributions import encode_text
from core.evaluation.observing import observe
from core.merge.arithmetic import Merged, compress, describe_changes, gram_matrix
from core.merge.table import MAX_RANK, MergeSettings
from core.models.building import build_modular
from core.models.forward import share_weights
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.tasks.dataset import TaskDataset
from core.training.config import RunConfig

LIBRARY = next(info.name for info in METHODS if info.takes_library)
SHOWN_ROWS, SHOWN_TOKENS = 8, 200  # check rows a task, and tokens of each, by which the map is measured


def gather_library(
    names: Sequence[str], changes: Sequence[LoraFactors], settings: MergeSettings
) -> tuple[list[LoraFactors], Merged]:
    """The LoRAs at one rank, and the table that explains them; a smaller rank keeps the largest singular values."""
    rank = min(settings.rank or max(a.shape[0] for c in changes for a, _ in c.values()), MAX_RANK)
    library: list[LoraFactors] = []
    kept = whole = 0.0
    for change in changes:
        expert: LoraFactors = {}
        for name, (down, up) in change.items():
            expert[name], part, all_of_it = compress(down.float(), up.float(), rank)
            kept, whole = kept + part, whole + all_of_it
        library.append(expert)
    table = describe_changes(names, gram_matrix(changes), settings, rank, kept / whole if whole else 1.0)
    return library, Merged({}, table)


@torch.no_grad()
def build_library(
    base: LoadedBase, config: RunConfig, library: Sequence[LoraFactors], tasks: list[str]
) -> ModularModel:
    """The base model with the LoRAs side by side, chosen among by their singular vectors."""
    model = build_modular(replace(base, model=share_weights(base.model)), LIBRARY, config.adapter, tasks)
    model.adapter.take_library(library)
    model.eval()
    return model


def note_choices(base: LoadedBase, model: ModularModel, dataset: TaskDataset) -> None:
    """Lets some check rows of every task choose, so that the map shows what each task's questions use."""
    adapter = model.adapter
    assert isinstance(adapter, GatedAdapter)
    for task in range(len(dataset.tasks)):
        rows = dataset.split(task, "validation") or dataset.split(task, "train")
        for example in rows[:SHOWN_ROWS]:
            ids, decoder_ids = encode_text(base, example, SHOWN_TOKENS)
            weights = observe(model, ids, decoder_ids, task).weights
            for layer, gates in enumerate(weights):
                adapter.usage.add(layer, torch.tensor([task]), gates[None])


def expert_names(tasks: Sequence[str]) -> dict[str, str]:
    """What the method calls its experts -> whose LoRA each is; a comma would part the names in sentences."""
    return {f"expert {i + 1}": f"{name} LoRA" for i, name in enumerate(tasks) if "," not in name}
