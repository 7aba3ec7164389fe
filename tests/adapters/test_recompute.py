"""Lean norms and gated products: the base model's own values, true gradients, and less kept for backward."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from core.adapters.fast import recompute
from core.adapters.fast.recompute import LeanFeedForward, LeanNorm, make_lean, undo_lean
from core.models.building import unwrap
from tests.kept import kept_bytes


def lean_modules(model: nn.Module) -> list[str]:
    return sorted(type(m).__name__ for m in model.modules() if isinstance(m, (LeanNorm, LeanFeedForward)))


def test_which_modules_take_part(bench):
    llama, t5 = bench.base("llama").model, bench.base("t5").model
    own = {name: type(m) for name, m in llama.named_modules()}
    make_lean(llama)
    make_lean(t5)
    assert lean_modules(llama) == ["LeanLlamaMLP"] * 2 + ["LeanLlamaRMSNorm"] * 5
    assert set(lean_modules(t5)) == {"LeanT5LayerNorm"}  # its gated network has dropout and another activation
    make_lean(llama)  # twice changes nothing more
    undo_lean(llama)
    assert {name: type(m) for name, m in llama.named_modules()} == own


def test_modules_that_answer_otherwise_stay(bench):
    model = bench.base("llama").model

    class ShiftedNorm(type(model.model.norm)):  # type: ignore[misc]
        def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
            return super().forward(hidden_states) + hidden_states  # Gemma's norms are shifted too

    model.model.norm.__class__ = ShiftedNorm
    for layer in model.model.layers:
        layer.mlp.act_fn = nn.GELU()
    make_lean(model)
    assert lean_modules(model) == ["LeanLlamaRMSNorm"] * 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("architecture", ["llama", "t5"])
def test_values_to_the_bit_and_gradients(bench, architecture, dtype):
    outputs, grads = [], []
    for change in (False, True):
        model = bench.base(architecture).model.to(dtype).requires_grad_(False)
        if change:
            make_lean(model)
        batch = bench.batch(architecture)
        embedded = model.get_input_embeddings()(batch.input_ids).detach().requires_grad_(True)
        result = model(inputs_embeds=embedded, attention_mask=batch.attention_mask, labels=batch.labels)
        result.loss.backward()
        outputs.append(result.logits.detach())
        grads.append(embedded.grad.double())
    assert torch.equal(*outputs)
    tolerance = 0.05 if dtype == torch.bfloat16 else 2e-5  # norms compute in float32
    assert (grads[0] - grads[1]).abs().max() < tolerance * grads[0].abs().max()


def test_derivatives():
    generator = torch.Generator().manual_seed(0)
    gate, up = (torch.randn(2, 3, 5, generator=generator, dtype=torch.double, requires_grad=True) for _ in "ab")
    assert torch.autograd.gradcheck(recompute._GatedProduct.apply, (gate, up))
    h = torch.randn(2, 3, 5, generator=generator, dtype=torch.double, requires_grad=True)
    weight = torch.randn(5, generator=generator, dtype=torch.double)
    y, _ = recompute._Norm.apply(h, weight, 1e-3, torch.double)
    direction = torch.randn(2, 3, 5, generator=generator, dtype=torch.double)
    (y * direction).sum().backward()
    found = h.grad
    plain = h.detach().clone().requires_grad_(True)
    expected = weight * plain * (plain.pow(2).mean(-1, keepdim=True) + 1e-3).rsqrt()
    (expected * direction).sum().backward()
    torch.testing.assert_close(found, plain.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # PEFT asks under the old name
def test_backward_keeps_at_most_four_fifths_of_a_lora(bench):
    """At equal active rank, counted exactly; stage 2 keeps less still."""
    ids = torch.randint(5, 400, (8, 120), generator=torch.Generator().manual_seed(0))
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    theirs = get_peft_model(bench.base("llama").model, LoraConfig(r=8, lora_alpha=8, target_modules=names))
    lora = kept_bytes(lambda: theirs(input_ids=ids, logits_to_keep=1).logits.sum(), theirs.parameters())

    def ours(stage: int) -> int:
        model = bench.model("llama", "cpoly", stage=stage).train()
        return kept_bytes(
            lambda: model(ids, task_ids=[0, 1, 2, 0] * 2, logits_to_keep=1).logits.sum(), model.parameters()
        )

    first, second = ours(1), ours(2)
    assert first <= 0.8 * lora
    assert second < first


def test_taking_the_adapter_out_gives_every_class_back(bench):
    plain = {name: type(m) for name, m in bench.base("llama").model.named_modules()}
    model = bench.model("llama", "cpoly")
    assert lean_modules(copy.deepcopy(model.base))
    unwrap(model.base)
    assert {name: type(m) for name, m in model.base.named_modules()} == plain
