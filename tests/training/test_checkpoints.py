"""Checkpoints survive whatever happens while they are written."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
import torch

from core.base.errors import WorkspaceError
from core.training import checkpoints
from core.training.checkpoints import (
    Checkpoint,
    flatten_optimizer,
    load_checkpoint,
    prune_checkpoints,
    restore_optimizer,
    save_checkpoint,
)
from core.training.manifest import TrainingState, check_checkpoint, find_checkpoint, list_checkpoints


def checkpoint(step: int) -> Checkpoint:
    tensors = {"a": torch.full((50, 20), float(step)), "b": torch.arange(7.0)}
    state = TrainingState(stage=1, step=step, best_value=1.5)
    return Checkpoint(state, tensors, tensors, {"0.exp_avg": tensors["a"]})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, "step-00000003", checkpoint(3))
    found = load_checkpoint(folder)
    assert found.state == checkpoint(3).state
    assert torch.equal(found.adapter["a"], checkpoint(3).adapter["a"])
    assert found.best is not None
    assert check_checkpoint(folder) == []


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest", "garbage"])
def test_damage_is_found_and_the_older_checkpoint_is_used(tmp_path: Path, damage: str) -> None:
    save_checkpoint(tmp_path, "step-00000003", checkpoint(3))
    newest = save_checkpoint(tmp_path, "step-00000006", checkpoint(6))
    target = newest / "adapter.safetensors"
    data = bytearray(target.read_bytes())
    if damage == "flip":
        data[-5] ^= 1
        target.write_bytes(data)
    elif damage == "truncate":
        target.write_bytes(data[:-1])
    elif damage == "remove":
        target.unlink()
    elif damage == "manifest":
        (newest / "manifest.json").unlink()
    else:
        (newest / "manifest.json").write_bytes(b"{")
    found, problems = find_checkpoint(tmp_path)
    assert found is not None
    assert found.name == "step-00000003"
    assert [p.key for p in problems] == ["checkpoint.damaged"]


class PowerCut(BaseException):
    """The process is gone: no handler of ours may run."""


def test_a_power_cut_leaves_a_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write is cut at random calls of the file system, 50 times; what was there is still found, whole."""
    draw = random.Random(0)
    save_checkpoint(tmp_path, "step-00000000", checkpoint(0))
    last_good = 0
    for step in range(1, 51):
        left = draw.randint(0, 12)

        def cut(real, *arguments, _box=[left], **named):  # noqa: B006  one box per round
            if _box[0] == 0:
                raise PowerCut
            _box[0] -= 1
            return real(*arguments, **named)

        with monkeypatch.context() as patch:
            for module, name in ((os, "fsync"), (Path, "rename"), (shutil, "rmtree"), (checkpoints, "save_file")):
                real = getattr(module, name)
                patch.setattr(module, name, lambda *a, _real=real, _cut=cut, **k: _cut(_real, *a, **k))
            try:
                save_checkpoint(tmp_path, f"step-{step:08d}", checkpoint(step))
                prune_checkpoints(tmp_path, 2)
            except PowerCut:
                pass
        found, _ = find_checkpoint(tmp_path)
        assert found is not None
        state = load_checkpoint(found).state
        assert state.step in (last_good, step)
        last_good = state.step
        if draw.random() < 0.3:  # what the cut left on the disk may also be half a file
            for part in tmp_path.glob(".step-*/*"):
                part.write_bytes(part.read_bytes()[: draw.randint(0, 50)])
    prune_checkpoints(tmp_path, 1)
    assert [p.name for p in tmp_path.iterdir()] == [f"step-{last_good:08d}"]


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, "step-00000001", checkpoint(1))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(WorkspaceError) as caught:
        save_checkpoint(tmp_path, "step-00000002", checkpoint(2))
    assert caught.value.key == "run.disk_full"
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001"]


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in range(5):
        save_checkpoint(tmp_path, f"step-{step:08d}", checkpoint(step))
    prune_checkpoints(tmp_path, 2)
    assert [p.name for p in list_checkpoints(tmp_path)] == ["step-00000004", "step-00000003"]


def test_the_optimizer_comes_back_to_the_last_bit() -> None:
    def steps(parameters: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            for place, parameter in enumerate(parameters[:2]):  # the third never gets a gradient
                parameter.grad = torch.sin(parameter.detach() * (place + 2))
            optimizer.step()

    first = [torch.nn.Parameter(torch.linspace(-1, 1, 9)) for _ in range(3)]
    one = torch.optim.AdamW(first, lr=0.01, fused=True)
    steps(first, one, 3)
    second = [torch.nn.Parameter(p.detach().clone()) for p in first]
    two = torch.optim.AdamW(second, lr=0.01, fused=True)
    restore_optimizer(two, flatten_optimizer(one))
    steps(first, one, 3)
    steps(second, two, 3)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
