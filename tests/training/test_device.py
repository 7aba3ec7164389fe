"""Device and number format follow from the config and the hardware alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from core.base.processes import child_environment
from core.models.loading import load_base
from core.models.processor import CORES
from core.runs.engines.ray_errand import worker_order
from core.training import device
from core.training.config import RunConfig
from core.training.device import DeviceChoice, apply_device, choose_device, load_chosen_base
from core.training.optimisation import schedule_factor
from tests.tiny_models import build_tiny_llama


@pytest.mark.parametrize(
    ("precision", "amx", "half", "expected"),
    [
        ("auto", False, False, ("float32", "highest", "float32")),
        ("auto", False, True, ("float32", "highest", "bfloat16")),
        ("auto", True, True, ("float32", "medium", "bfloat16")),
        ("float32", True, True, ("float32", "highest", "float32")),
        ("bfloat16", True, True, ("bfloat16", "highest", "float32")),
    ],
)
def test_precision_on_a_cpu(
    precision: str, amx: bool, half: bool, expected: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "cpu_has_amx", lambda: amx)
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: half)
    chosen = choose_device(RunConfig(precision=precision, device="cpu", num_threads=1))
    assert (chosen.dtype, chosen.head, chosen.products) == expected
    assert chosen.matmul == "highest"


def test_base_with_bfloat16_products(tmp_path: Path) -> None:
    """The blocks' weights alone change their type; whoever reads the model's type still sees float32."""
    folder = str(build_tiny_llama(tmp_path / "llama"))
    base = load_chosen_base(folder, DeviceChoice("cpu", "float32", "highest", 1, "bfloat16"))
    types = {name: p.dtype for name, p in base.model.named_parameters()}
    halves = {name for name, dtype in types.items() if dtype == torch.bfloat16}
    assert halves == {name for name in types if "_proj" in name}
    plain = load_base(folder)
    ids = torch.arange(10, 30)[None]
    with torch.no_grad():
        found, expected = base.model(ids).logits, plain.model(ids).logits
    assert found.dtype == torch.float32
    error = (found - expected).abs().max() / expected.abs().max()
    assert 0 < error < 0.02


def test_every_process_has_a_card_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert choose_device(RunConfig(device="cuda", precision="bfloat16")).device == "cuda:3"
    assert choose_device(RunConfig(device="cpu")).device == "cpu"


def test_a_run_takes_no_more_threads_than_its_engine_set_cores_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert choose_device(RunConfig(device="cpu")).threads == 8
    order = worker_order(".", ("worker",), 3)
    monkeypatch.setenv(CORES, order.environment[CORES])
    assert choose_device(RunConfig(device="cpu")).threads == 3
    assert choose_device(RunConfig(device="cpu", num_threads=6)).threads == 3
    assert choose_device(RunConfig(device="cpu", num_threads=2)).threads == 2
    assert child_environment().get(CORES) is None  # only for the worker itself


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
