"""The definition of a method is read, and runs, without its fast path; one forward pass is read in a few files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from core.adapters.fast.recompute import undo_lean
from core.adapters.registry import METHODS
from core.models.building import build_modular

MOST_FILES, MOST_LINES = 6, 700

ALONE = """
import sys, torch
from transformers import LlamaConfig, LlamaForCausalLM
from core.adapters.base import build_adapter
from core.adapters.call import build_call, enter_call
from core.adapters.registry import METHODS

sizes = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=64)
config = LlamaConfig(**sizes, num_key_value_heads=2)
for info in METHODS:
    base = LlamaForCausalLM(config)
    adapter = build_adapter(base, info.name, None, 3, seed=0)
    call = build_call([0, 2], 3, torch.device("cpu"), training=True)
    adapter.prepare(call)
    with enter_call(call):
        loss = base(input_ids=torch.arange(8).view(2, 4)).logits.sum()
    loss.backward()
    assert any(p.grad is not None for p in adapter.parameters()), info.name
    print(info.name)
assert not [name for name in sys.modules if name.startswith("core.adapters.fast")]
"""


def test_every_method_trains_without_a_file_of_the_fast_path(repo_root: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=repo_root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == METHODS.names()


def files_of_a_forward_pass(model: Any, root: Path) -> dict[Path, int]:
    """The project's files with a line that runs in one forward pass -> their lines."""
    seen: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            seen.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        model(torch.tensor([[1, 2, 3]]), task_ids=[1])
    finally:
        sys.setprofile(None)
    ours = {Path(name) for name in seen if Path(name).is_relative_to(root / "core")}
    return {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(ours)}


def test_one_forward_pass_of_cpoly_is_read_in_a_few_files(bench: Any, repo_root: Path) -> None:
    """The base model's own norms and products answer: what keeps less for the backward pass is the fast path's."""
    model = build_modular(bench.base("llama"), "cpoly", {"kernel": "plain"}, 3).train()
    undo_lean(model.base)
    found = files_of_a_forward_pass(model, repo_root)
    names = [str(path.relative_to(repo_root)) for path in found]
    assert "core/adapters/parts/definition.py" in names
    assert not [name for name in names if "/fast/" in name]
    assert len(found) <= MOST_FILES, names
    assert sum(found.values()) <= MOST_LINES, found
