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
    from tests.tiny_models import build_tiny_llama

    return build_tiny_llama(tmp_path_factory.mktemp("models") / "llama")


@pytest.fixture(scope="session")
def tiny_t5_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_models import build_tiny_t5

    return build_tiny_t5(tmp_path_factory.mktemp("models") / "t5")


def make_trained_run(workspace_dir: Path, base_dir: Path, num_tasks: int = 2) -> Path:
    """A project with small tasks and a run whose adapter was given random numbers instead of a training."""
    import json

    from core.base.files import write_json_atomic
    from core.models.building import build_modular, save_adapter
    from core.models.loading import load_base
    from core.runs.creation import create_run
    from core.tasks.changing.add_task import add_task
    from core.tasks.changing.describing import TaskRequest
    from core.training.config import RunConfig
    from core.workspace import Workspace

    project = Workspace(workspace_dir).create_project("Desk")
    for index in range(num_tasks):
        rows = [{"text": f"message {i} of task {index}", "label": ("yes", "no")[i % 2]} for i in range(40)]
        path = workspace_dir / f"task{index}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        add_task(project, path, TaskRequest(name=f"task {index}"))
    rows = [{"question": f"what is {i}", "context": f"it is {i} 号", "answer": str(i)} for i in range(40)]
    path = workspace_dir / "pairs.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    add_task(project, path, TaskRequest(name="pairs", inputs=("question", "context"), targets=("answer",)))
    folder = create_run(project, RunConfig(base_model=str(base_dir), max_tokens=256, num_threads=1))
    base = load_base(str(base_dir))
    names = [task["name"] for task in folder.read_run()["tasks"]]
    model = build_modular(base, "cpoly", None, names)
    shake(model)
    save_adapter(model, folder.adapter_dir)
    write_json_atomic(folder.allocation_path, model.allocation_table())
    return folder.path


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> Path:
    return make_trained_run(tmp_path_factory.mktemp("workspace"), tiny_llama_dir)
