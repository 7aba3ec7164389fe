"""What is measured of an adapter is what the adapter does: parts add up to the layer's change, gates are its
gates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.adapters.call import AdaptedLinear, build_call, enter_call
from core.adapters.observing import PROMPT, TASK, TOKEN
from core.adapters.registry import METHODS
from core.evaluation.contributions import delta_similarity, measure_contributions
from core.evaluation.observing import Text, measure_parts, observe
from core.models.building import build_modular
from core.models.loading import LoadedBase, load_base
from core.models.modular import ModularModel
from core.tasks.dataset import load_dataset_of
from core.workspace import Project
from tests.serving.conftest import shake

IDS, DECODER_IDS = [5, 6, 7, 8, 9], [11, 12]
LEVELS = {"mta": PROMPT, "moe_lora": TOKEN, "lora_library": TOKEN, "task_moe": PROMPT}


def build(folder: Path, method: str, tasks: int = 3) -> tuple[LoadedBase, ModularModel]:
    base = load_base(str(folder))
    model = build_modular(base, method, None, tasks).eval()
    shake(model)
    model.set_stage(model.adapter.num_stages)
    return base, model


@pytest.mark.parametrize("method", [info.name for info in METHODS])
@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_every_method_can_be_looked_at(method: str, kind: str, tiny_llama: Path, tiny_t5: Path) -> None:
    _, model = build(tiny_llama if kind == "llama" else tiny_t5, method)
    found = observe(model, IDS, DECODER_IDS, 1)
    assert found.level == LEVELS.get(method, TASK)
    assert found.weights.shape[1] == len(model.adapter.skills())
    assert torch.isfinite(found.weights).all()
    foreign = [i for i, skill in enumerate(model.adapter.skills()) if skill.task not in (None, 1)]
    assert not found.weights[:, foreign].any()
    if found.level != TASK:  # gates and their rows sum to one
        torch.testing.assert_close(found.weights.sum(1), torch.ones(len(found.weights)))


def test_task_weights_are_the_rows_of_the_allocation(tiny_llama: Path) -> None:
    _, model = build(tiny_llama, "cpoly")
    found = observe(model, IDS, None, 2)
    np.testing.assert_allclose(found.weights.numpy(), model.allocation()[:, 2], atol=1e-6)


def test_the_gate_seen_is_the_one_this_prompt_gets(tiny_llama: Path) -> None:
    _, model = build(tiny_llama, "mta")
    first, second = observe(model, IDS, None, 0), observe(model, [40, 41, 42], None, 0)
    assert not torch.equal(first.weights, second.weights)
    assert torch.equal(first.weights, observe(model, IDS, None, 0).weights)


def layer_change(model: ModularModel, name: str, ids: list[int], task: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(what the adapter adds to one layer's output, the base output) by running the wrapped layer itself."""
    seen = {}
    module = model.base.get_submodule(name)
    assert isinstance(module, AdaptedLinear)
    hook = module.register_forward_hook(lambda _, given, output: seen.update(x=given[0], y=output))
    call = build_call([task], model.adapter.num_tasks, model.device, training=False)
    call.prompt_mask = torch.ones(1, len(ids))
    model.adapter.prepare(call)
    with torch.no_grad(), enter_call(call):
        model.base(input_ids=torch.tensor([ids]))
    hook.remove()
    base = module.inner(seen["x"])
    return (seen["y"] - base).detach(), base.detach()


@pytest.mark.parametrize("method", ["cpoly", "poly", "private_lora"])
def test_parts_are_sizes_of_what_the_layer_adds(method: str, tiny_llama: Path) -> None:
    """With one kind of skill the part is the whole change; with both, each is the change without the other."""
    _, model = build(tiny_llama, method)
    (parts,) = measure_parts(model, [Text(IDS, 1)]) or []
    names = [site.name for site in model.adapter.sites]  # type: ignore[attr-defined]
    for index in (0, len(names) - 1):
        change, base = layer_change(model, names[index], IDS, 1)
        size = float(change.norm(dim=-1).mean())
        assert parts.base[index] == pytest.approx(float(base.norm(dim=-1).mean()), rel=1e-4)
        if method == "poly":
            assert (parts.common[index], parts.private[index]) == (pytest.approx(size, rel=1e-3), 0.0)
        elif method == "private_lora":
            assert (parts.common[index], parts.private[index]) == (0.0, pytest.approx(size, rel=1e-3))
        else:
            common, private = parts.common[index], parts.private[index]
            assert abs(common - private) <= size <= common + private


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_parts_of_texts_side_by_side_are_those_of_each_alone(kind: str, tiny_llama: Path, tiny_t5: Path) -> None:
    """Of other tasks and lengths, in any order; padding counts nowhere."""
    _, model = build(tiny_llama if kind == "llama" else tiny_t5, "cpoly")
    texts = [Text([*IDS, *IDS], 2, DECODER_IDS), Text(IDS[:2], 0, DECODER_IDS), Text(IDS, 1, DECODER_IDS)]
    together = measure_parts(model, texts)
    assert together is not None
    for text, found in zip(texts, together, strict=True):
        (alone,) = measure_parts(model, [text]) or []
        for name in ("common", "private", "base"):
            np.testing.assert_allclose(getattr(found, name), getattr(alone, name), rtol=1e-3, atol=1e-6)


def test_switching_the_private_skill_off_leaves_the_common_part(tiny_llama: Path) -> None:
    _, model = build(tiny_llama, "cpoly")
    (before,) = measure_parts(model, [Text(IDS, 1)]) or []
    with torch.no_grad():
        model.adapter.bank.private[1].zero_()  # type: ignore[attr-defined]
    (after,) = measure_parts(model, [Text(IDS, 1)]) or []
    assert before.common[0] == pytest.approx(after.common[0])  # the first layer's input is the same
    assert before.private[0] > 0
    assert after.private == [0.0] * len(after.private)


@pytest.mark.parametrize("method", ["cpoly", "mhr", "lora"])
def test_similarity_is_the_cosine_of_the_dense_deltas(method: str, tiny_llama: Path) -> None:
    _, model = build(tiny_llama, method)
    found = delta_similarity(model)
    dense = []
    for task in range(3):
        factors = model.adapter.lora_factors(task)
        dense.append(torch.cat([(up @ down).flatten() for down, up in factors.values()]))
    rows = torch.stack([d / d.norm() for d in dense])
    np.testing.assert_allclose(np.array(found), (rows @ rows.T).numpy(), atol=1e-4)


def test_a_run_is_measured_whole(tiny_llama: Path, toy_project: Project) -> None:
    base, model = build(tiny_llama, "cpoly", 2)
    model.train()
    found = measure_contributions(base, model, load_dataset_of(toy_project))
    assert model.training  # left as it was
    assert found["tasks"] == ["direct", "reversed"]
    assert {name: np.shape(part) for name, part in found["parts"].items()} == {
        name: (2, len(found["layers"])) for name in ("common", "private", "base")
    }
    assert found["similarity"][0][0] == 1.0
    base, other = build(tiny_llama, "ia3", 2)
    found = measure_contributions(base, other, load_dataset_of(toy_project))
    assert (found["parts"], found["similarity"]) == (None, None)
