"""Tiny random models with trained-looking adapters, built once a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def shake(model: Any, seed: int = 0) -> None:
    """Gives a fresh adapter (which answers like the base) numbers of its own, so that tasks answer differently."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)


@pytest.fixture(scope="session")
def tiny_llama_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from core.models.tiny import build_tiny_llama

    return build_tiny_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="session")
def tiny_t5_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from core.models.tiny import build_tiny_t5

    return build_tiny_t5(tmp_path_factory.mktemp("models") / "t5")
