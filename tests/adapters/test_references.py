"""Every method but the C-Poly family's kernels (test_golden.py) against dense float64 references of its formula.

The references are in tests/references/; here each adapted layer of a whole model is compared with them on the
inputs that it really gets, and the references themselves with fixed numbers.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core.adapters.call import Adapted, AdaptedLinear
from core.adapters.methods.ia3 import IA3Adapter, _scales_input
from core.adapters.methods.lora import LoraAdapter
from core.adapters.methods.moe_lora import MoeLoraAdapter
from core.adapters.methods.mta import MTAAdapter
from core.adapters.methods.task_moe import TaskMoeAdapter
from core.adapters.parts.skills import SkillAdapter
from core.models.building import build_modular
from core.models.modular import ModularModel
from tests.adapters.conftest import shake

# Printed by: python tests/references/family_dense.py, python tests/references/mta_dense.py
GOLDEN = {
    "family_dense": {
        "lora": [-28.5, 4.0],
        "adalora": [-16.0, -23.5],
        "taps on": [-10.5, -2.0],
        "taps off": [-1.5, -5.0],
        "taps last layer": [-10.5, -2.0],
        "arrow": [0.411211064708, -0.295066746215],
        "moe_lora": [-7.003641478332, -0.251820739166],
        "task_moe": [-7.076102516998, -0.288051258499],
        "ia3 outputs": [-2.25, 2.5],
        "ia3 inputs": [1.75, 0.5],
    },
    "mta_dense": {
        "stage 1": [-0.842058320756, 0.169475226092, 3.010003290615, 0.699135296513],
        "stage 2": [-0.70169023264, 0.087978498491, 2.370822258889, 1.346567297806],
        "stage 2 own pair": [-0.690636215383, 0.068856445456, 2.370077314502, 1.366129073986],
    },
}
TASKS = [2, 0, 1, 1]
ARCHITECTURES = ["llama", "t5"]


def load(name: str) -> ModuleType:
    path = Path(__file__).parents[1] / "references" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def double_model(
    bench: Any, architecture: str, method: str, config: dict[str, Any], stage: int = 1
) -> ModularModel:
    base = bench.base(architecture)
    base.model.double()
    model = build_modular(base, method, config, 3).eval()
    model.adapter.double()
    model.set_stage(stage)
    shake(model)
    return model


@contextmanager
def recorded(model: ModularModel, kind: type[nn.Module]) -> Iterator[dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """Input and output of every adapted module, by name."""
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    hooks = [
        module.register_forward_hook(lambda _, inputs, output, name=name: seen.update({name: (inputs[0], output)}))
        for name, module in model.base.named_modules()
        if isinstance(module, kind)
    ]
    yield seen
    for hook in hooks:
        hook.remove()


def run(model: ModularModel, bench: Any, architecture: str) -> Any:
    batch = bench.batch(architecture)
    with torch.no_grad():
        model(batch.input_ids, batch.attention_mask, batch.labels, task_ids=TASKS)
    return batch


def close(found: torch.Tensor, expected: np.ndarray) -> None:
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10 * scale)


def numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def split(adapter: Any, skills: torch.Tensor, rank: int) -> list[dict[int, tuple[np.ndarray, np.ndarray]]]:
    """(A, B) of every layer for each skill of a bank's tensor."""
    dense = load("cpoly_dense")
    shapes = [(s.in_features, s.out_features, s.members) for s in adapter.bank.shapes]
    return [dense.split_skill(numbers(skill), dense.Layout(shapes, rank, "sum", 1)) for skill in skills]


@pytest.mark.parametrize("name", GOLDEN)
def test_references_give_their_fixed_numbers(name):
    found = load(name).golden()
    assert found.keys() == GOLDEN[name].keys()
    for key, values in GOLDEN[name].items():
        np.testing.assert_allclose(found[key], values, atol=1e-11)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_lora(bench, architecture):
    model = double_model(bench, architecture, "lora", {"rank": 3, "alpha": 5.0})
    adapter = model.adapter
    assert isinstance(adapter, LoraAdapter)
    with recorded(model, AdaptedLinear) as seen:
        run(model, bench, architecture)
    for position, site in enumerate(adapter.sites):
        x, y = seen[site.name]
        weight = numbers(model.base.get_submodule(site.name).inner.weight)
        factors = numbers(adapter.downs[position]), numbers(adapter.ups[position])
        close(y[1], load("family_dense").lora(numbers(x[1]), weight, None, factors, 5.0))


@pytest.mark.parametrize(
    ("method", "config"),
    [
        ("poly", {"num_common_skills": 3}),
        ("poly", {"combine": "mix", "granularity": "model"}),
        ("mhr", {}),
        ("mhr", {"combine": "sum", "routing_heads": 2}),
        ("private_lora", {"rank": 3}),
        ("cpoly", {"num_private_skills": 2}),
    ],
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_skills(bench, architecture, method, config):
    """Outputs of every layer for a mixed batch: x (W0 + change of the task)^T."""
    model = double_model(bench, architecture, method, config)
    adapter = model.adapter
    assert isinstance(adapter, SkillAdapter)
    dense = load("cpoly_dense")
    shapes = adapter.bank.shapes
    layout = dense.Layout(
        [(s.in_features, s.out_features, s.members) for s in shapes],
        adapter.options.rank,
        adapter.options.combine,
        adapter.counts.heads,
    )
    tensors = {k: numbers(v) for k, v in adapter.state_dict().items()}
    with recorded(model, AdaptedLinear) as seen:
        run(model, bench, architecture)
    changes = {task: dense.dense_changes(tensors, layout, task) for task in set(TASKS)}
    for position, site in enumerate(adapter.sites):
        x, y = seen[site.name]
        weight = numbers(model.base.get_submodule(site.name).inner.weight)
        for row, task in enumerate(TASKS):
            close(y[row], numbers(x[row]) @ (weight + changes[task][position]).T)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_moe_lora(bench, architecture):
    model = double_model(bench, architecture, "moe_lora", {"num_experts": 3})
    adapter = model.adapter
    assert isinstance(adapter, MoeLoraAdapter)
    shapes, experts = adapter.bank.shapes, split(adapter, adapter.bank.common, 2)
    with recorded(model, AdaptedLinear) as seen:
        run(model, bench, architecture)
    for group, shape in enumerate(shapes):
        gates = numbers(adapter.gates[group]).reshape(len(shape.members), 3, -1)
        for k, member in enumerate(shape.members):
            site = adapter.sites[member]
            x, y = seen[site.name]
            weight = numbers(model.base.get_submodule(site.name).inner.weight)
            factors = [expert[member] for expert in experts]
            close(y[0], load("family_dense").moe_lora(numbers(x[0]), weight, None, gates[k], factors))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_task_moe(bench, architecture):
    """Every layer for a mixed batch; keys and values of a cross attention read the question, what is left of a
    decoder its start."""
    model = double_model(bench, architecture, "task_moe", {"pool_size": 3, "rank": 2, "task_size": 5})
    adapter = model.adapter
    assert isinstance(adapter, TaskMoeAdapter)
    shapes, family = adapter.bank.shapes, load("family_dense")
    pool = split(adapter, adapter.bank.common, 2)
    with recorded(model, AdaptedLinear) as seen:
        batch = run(model, bench, architecture)
    tokens = batch.attention_mask.bool()
    prompt = (tokens & (batch.labels == -100) if architecture == "llama" else tokens).numpy()
    starts = 0
    for group, shape in enumerate(shapes):
        name = adapter.sites[shape.members[0]].name
        start = name.startswith("decoder") and not name.endswith(("EncDecAttention.k", "EncDecAttention.v"))
        starts += start
        for k, member in enumerate(shape.members):
            site = adapter.sites[member]
            x, y = seen[site.name]
            weight = numbers(model.base.get_submodule(site.name).inner.weight)
            reader = numbers(adapter.readers[group]).reshape(-1, 3, x.shape[-1])[k]
            listener = numbers(adapter.listeners[group]).reshape(-1, 3, 5)[k]
            for row, task in enumerate(TASKS[:2]):
                inner = numbers(x[row])
                read = inner[0] if start else inner[prompt[row]].mean(0)
                gate = family.task_gate(read, reader, numbers(adapter.tasks[task]), listener)
                close(y[row], family.task_moe(inner, weight, None, gate, [skill[member] for skill in pool]))
    assert (starts > 0) == (architecture == "t5")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_ia3(bench, architecture):
    model = double_model(bench, architecture, "ia3", {})
    adapter = model.adapter
    assert isinstance(adapter, IA3Adapter)
    family = load("family_dense")
    with recorded(model, AdaptedLinear) as seen:
        run(model, bench, architecture)
    assert {_scales_input(site) for site in adapter.sites} == {True, False}
    for row, task in enumerate(TASKS[:2]):
        at = 0
        for site, size in zip(adapter.sites, adapter.sizes, strict=True):
            scale = numbers(adapter.scales[task])[at : at + size]
            at += size
            x, y = seen[site.name]
            weight = numbers(model.base.get_submodule(site.name).inner.weight)
            form = family.ia3_inputs if _scales_input(site) else family.ia3_outputs
            close(y[row], form(numbers(x[row]), weight, None, scale))


@pytest.mark.parametrize(
    ("stage", "config"),
    [
        (1, {}),
        (1, {"alpha": 4.0, "selector": "own"}),
        (2, {"num_shared": 2}),
        (2, {"num_shared": 3, "own_pair": True, "gate_bias": 1.0}),
    ],
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_task_adapters(bench, architecture, stage, config):
    model = double_model(bench, architecture, "mta", {**config, "upper_share": 1.0}, stage)
    adapter = model.adapter
    assert isinstance(adapter, MTAAdapter)
    mta = load("mta_dense")
    with recorded(model, Adapted) as seen:
        batch = run(model, bench, architecture)
    tokens = batch.attention_mask.bool()
    prompt = (tokens & (batch.labels == -100) if architecture == "llama" else tokens).numpy()
    state = {k: numbers(v) for k, v in adapter.state_dict().items()}
    scale = config.get("alpha", 8.0) / 8
    for index, site in enumerate(adapter.sites):
        inner = model.base.get_submodule(site.name).inner

        def base(x: np.ndarray, inner: nn.Module = inner) -> np.ndarray:
            with torch.no_grad():
                return numbers(inner(torch.from_numpy(x)))

        def factors(name: str) -> Any:
            """One tensor for all adapters, or one for each."""
            return state.get(name) if name in state else [state[f"{name}.{k}"] for k in range(3)]

        def pool(kind: str, index: int = index, base: Any = base) -> list[Any]:
            pairs = zip(*(factors(f"{kind}.{index}.{side}") for side in ("down", "up")), strict=True)
            return [mta.light(base, down, up, scale) for down, up in pairs]

        for row, task in enumerate(TASKS[:3]):
            x = numbers(seen[site.name][0][row])
            logits = state["selector"][index, task]
            expected = mta.stage_one(x, pool("pools"), mta.alpha(logits, 0.1, False))
            if stage == 2:
                own = mta.stage_one(x, pool("pools"), mta.alpha(logits, 0.1, config.get("own_pair", False)))
                read = np.eye(len(x))[0] if adapter.reads_start[index] else prompt[row]
                layers = [state[f"gates.{index}.{n}"] for n in ("0.weight", "0.bias", "2.weight", "2.bias")]
                gate = mta.Gate(*layers, config.get("gate_bias", 4.0))
                expected += mta.stage_two(x, base, own, pool("shared_pools"), read, gate) - own
            close(seen[site.name][1][row], expected)
