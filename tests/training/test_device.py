"""Device and number format follow from the config and the hardware alone."""

from __future__ import annotations

import pytest
import torch

from core.training import device
from core.training.config import RunConfig
from core.training.device import apply_device, choose_device
from core.training.optimisation import schedule_factor


@pytest.mark.parametrize(("precision", "amx", "dtype", "matmul"), [
    ("auto", False, "float32", "highest"), ("auto", True, "float32", "medium"),
    ("float32", True, "float32", "highest"), ("bfloat16", False, "bfloat16", "highest"),
])
def test_precision_on_a_cpu(
    precision: str, amx: bool, dtype: str, matmul: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_has_amx", lambda: amx)
    chosen = choose_device(RunConfig(precision=precision, device="cpu", num_threads=1))
    assert (chosen.device, chosen.dtype, chosen.matmul) == ("cpu", dtype, matmul)


def test_every_process_has_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert choose_device(RunConfig(device="cuda", precision="bfloat16")).device == "cuda:3"
    assert choose_device(RunConfig(device="cpu")).device == "cpu"


def test_cores_are_shared_by_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "num_cores", lambda: 8)
    assert choose_device(RunConfig(device="cpu", num_processes=4)).threads == 2
    before = torch.get_num_threads()
    apply_device(choose_device(RunConfig(device="cpu", num_threads=1)))
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
def test_schedules_rise_and_fall(kind: str) -> None:
    factor = schedule_factor(kind, 0.1, 100)
    values = [factor(step) for step in range(100)]
    assert values[:10] == sorted(values[:10])
    assert 0 < values[0] < 0.2
    assert max(values) == 1.0
    fall = values[10:]
    assert fall == sorted(fall, reverse=True)
    assert values[-1] == 1.0 if kind == "constant" else values[-1] < 0.05
