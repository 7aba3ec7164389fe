"""Tiny base models for the adapter tests: built once, copied for every test."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.utils import logging

from core.models.building import build_modular
from core.models.loading import LoadedBase, load_base
from core.models.modular import ModularModel
from tests.adapters.contract import VARIANTS
from tests.tiny_models import build_tiny_llama, build_tiny_t5

logging.disable_progress_bar()
logging.set_verbosity_error()

TEXTS = ("Is it positive or negative?", "The sum of 12 and 30", "Name the places.", "yes and no and yes again")


@dataclass
class Batch:
    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor

    def rows(self, *rows: int) -> Batch:
        chosen = list(rows)
        return Batch(self.input_ids[chosen], self.attention_mask[chosen], self.labels[chosen])


@dataclass
class Bench:
    """Copies of the tiny bases and a fixed batch for each."""

    bases: dict[str, LoadedBase]

    def base(self, architecture: str) -> LoadedBase:
        base = self.bases[architecture]
        return LoadedBase(copy.deepcopy(base.model), base.tokenizer, base.architecture, base.context, base.model_id)

    def model(
        self,
        architecture: str,
        method: str,
        config: dict[str, Any] | None = None,
        stage: int = 1,
        tasks: int = 3,
        seed: int = 0,
        shaken: bool = True,
    ) -> ModularModel:
        """A modular model in evaluation mode; shaken = adapter moved away from its start, so that tasks differ."""
        model = build_modular(self.base(architecture), method, config or {}, tasks, seed).eval()
        model.set_stage(stage)
        if shaken:
            shake(model)
        return model

    def batch(self, architecture: str) -> Batch:
        tokenizer = self.bases[architecture].tokenizer
        tokenizer.padding_side = "left" if architecture == "llama" else "right"
        encoded = tokenizer(list(TEXTS), return_tensors="pt", padding=True)
        labels = encoded["input_ids"].masked_fill(encoded["attention_mask"] == 0, -100)
        if architecture == "llama":
            labels[:, :-3] = -100  # the last three tokens are the answer
        return Batch(encoded["input_ids"], encoded["attention_mask"], labels)


def shake(model: ModularModel, size: float = 0.2, seed: int = 7) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    builders: dict[str, Callable[[Path], Path]] = {"llama": build_tiny_llama, "t5": build_tiny_t5}
    folder = tmp_path_factory.mktemp("bases")
    return Bench({name: load_base(str(build(folder / name))) for name, build in builders.items()})


@pytest.fixture
def method(variant: str) -> tuple[str, dict[str, Any], int]:
    """The row of the contract's table: method, settings, stage."""
    return VARIANTS[variant]
