"""Terms that settings add to the loss: their numbers, and that a step counts them once and shows none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.adapters.allocation_metrics import shared_information
from core.adapters.parts.penalties import load_balance, mutual_information
from core.insight.allocation import allocation_numbers, read_allocation
from core.models.batching import Collator
from core.models.building import build_modular
from core.models.loading import load_base
from core.models.modular import ModularModel
from core.tasks.dataset import Example
from core.tasks.encoding import encode_example
from core.training.answer_model import AnswerModel, answer_positions
from core.training.session import train_run
from core.workspace import Project
from tests.toy_project import ListJournal, quick_run

EXAMPLES = [Example("Is it good? 1", "yes"), Example("bad", "no, it is not so"), Example("so", "well, perhaps")]


def test_information_of_known_tables() -> None:
    """Nothing when all mix alike, log 3 when three tasks have a skill each; never more than log of the fewer."""
    assert mutual_information(torch.full((4, 3), 1 / 3)).item() == pytest.approx(0.0, abs=1e-6)
    assert mutual_information(torch.eye(3)).item() == pytest.approx(np.log(3), abs=1e-6)
    assert mutual_information(torch.eye(2).repeat(3, 1)).item() == pytest.approx(np.log(2), abs=1e-6)
    assert shared_information(np.eye(3)) == pytest.approx(1.0)
    assert shared_information(np.full((4, 3), 1 / 3)) == pytest.approx(0.0, abs=1e-9)
    assert shared_information(np.eye(2).repeat(3, 0)) == pytest.approx(1.0)
    assert shared_information(np.ones((3, 1))) == 0.0
    rows = torch.rand(2, 6, 4, generator=torch.Generator().manual_seed(0)).double()
    rows = rows / rows.sum(-1, keepdim=True)
    expected = [shared_information(layer.numpy()) * np.log(4) for layer in rows]
    np.testing.assert_allclose(mutual_information(rows).numpy(), expected, rtol=1e-9)


def test_balance_of_known_gates() -> None:
    """1 for experts that are used alike, N for one that does it all."""
    assert load_balance(torch.eye(4).repeat(5, 1)).item() == pytest.approx(1.0)
    assert load_balance(torch.full((7, 4), 0.25)).item() == pytest.approx(1.0)
    assert load_balance(torch.eye(4)[[2] * 9]).item() == pytest.approx(4.0)
    gates = torch.tensor([[0.7, 0.3], [0.6, 0.4], [0.1, 0.9]])
    assert load_balance(gates[:, None]).item() == pytest.approx(2 * (2 / 3 * 1.4 / 3 + 1 / 3 * 1.6 / 3))


def batch_of(model: ModularModel, tokenizer: Any, rows: list[int]) -> dict[str, Any]:
    encoded = [encode_example(tokenizer, EXAMPLES[r], "decoder", 96, task_id=r) for r in rows]
    collated = Collator(tokenizer.pad_token_id, "decoder")(encoded)
    positions, targets, _ = answer_positions(collated["labels"], shifted=True)
    inputs = {name: collated[name] for name in ("input_ids", "attention_mask")}
    mask = collated["attention_mask"].bool() & (collated["labels"] == -100)
    tasks = collated["task_ids"].tolist()
    return {**inputs, "positions": positions, "targets": targets, "task_ids": tasks, "prompt_mask": mask}


SETTINGS = [
    ("cpoly", {"noise": False, "specialise": 0.3}, 1),
    ("mhr", {"noise": False, "specialise": 0.3, "routing_heads": 2}, 2),
    ("mta", {"specialise": 0.3}, 1),
    ("mta", {"balance": 0.3, "upper_share": 1.0}, 2),
    ("moe_lora", {"balance": 0.3}, 1),
    ("task_moe", {"balance": 0.3, "pool_size": 3}, 1),
    ("taps", {"layer_penalty": 3.0}, 1),
    ("adalora", {"orthogonality": 0.5}, 1),
]


@pytest.mark.parametrize(("method", "config", "stage"), SETTINGS)
def test_a_step_counts_the_term_once_and_shows_the_answers_loss(
    tiny_llama: Path, method: str, config: dict[str, Any], stage: int
) -> None:
    """The gradient is that of (mean loss + term), in one part or cut into two; the losses are those without it."""
    base = load_base(str(tiny_llama))
    model = build_modular(base, method, config, 3, seed=1).train()
    model.set_stage(stage)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    answers = AnswerModel(model)
    whole = batch_of(model, base.tokenizer, [0, 1, 2])
    shown = answers(whole)
    (shown.sum() / len(shown)).backward()
    found = gradients(model)
    penalties: list[torch.Tensor] = []
    logits = model(
        whole["input_ids"],
        whole["attention_mask"],
        task_ids=[0, 1, 2],
        prompt_mask=whole["prompt_mask"],
        penalties=penalties,
    ).logits
    plain = torch.nn.functional.cross_entropy(logits.flatten(0, 1)[whole["positions"]], whole["targets"])
    assert penalties
    assert shown.mean().item() == pytest.approx(plain.item(), abs=1e-5)
    (plain + torch.stack(penalties).sum()).backward()
    same_gradients(found, gradients(model))
    if "specialise" in config:  # of the table alone: parts of a step see the same term
        parts = [batch_of(model, base.tokenizer, rows) for rows in ([0], [1, 2])]
        for part in parts:
            (answers(part).sum() / len(shown)).backward()
        same_gradients(found, gradients(model))
    model.eval()
    assert torch.equal(answers(whole).detach(), answers(whole).detach())


def gradients(model: ModularModel) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.adapter.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def same_gradients(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    assert any(grad.any() for grad in first.values())
    for name, grad in first.items():
        torch.testing.assert_close(grad, second[name], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("method", "config", "stage"), SETTINGS)
def test_switched_off_there_is_no_term(tiny_llama: Path, method: str, config: dict[str, Any], stage: int) -> None:
    terms = ("specialise", "balance", "layer_penalty", "orthogonality")
    off = {name: 0.0 if name in terms else value for name, value in config.items()}
    model = build_modular(load_base(str(tiny_llama)), method, off, 3).train()
    model.set_stage(stage)
    penalties: list[torch.Tensor] = []
    model(torch.tensor([[5, 6, 7]]), task_ids=[1], penalties=penalties)
    assert penalties == []


def test_recomputed_blocks_give_the_same_gradient(tiny_llama: Path) -> None:
    base = load_base(str(tiny_llama))
    model = build_modular(base, "moe_lora", {"balance": 1.0}, 3, seed=1).train()
    batch = batch_of(model, base.tokenizer, [0, 1, 2])
    answers = AnswerModel(model)
    answers(batch).mean().backward()
    plain = gradients(model)
    model.activation_checkpointing_enable()
    answers(batch).mean().backward()
    same_gradients(plain, gradients(model))


def test_a_run_that_specialises_has_a_sharper_map(toy_project: Project, tiny_llama: Path) -> None:
    """From the beginning to the numbers of the skill map: tasks that are told to choose do so."""
    told = []
    for weight in (0.0, 10.0):
        changes = {"adapter.specialise": weight, "exam_rows": 0}
        folder = quick_run(toy_project, tiny_llama, **changes)
        train_run(folder, folder.read_config(), ListJournal())
        told.append(allocation_numbers(read_allocation(folder.path))["shared_information"])
    assert told[1] > 3 * told[0] > 0
