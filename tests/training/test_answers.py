"""The loss on answer tokens equals the model's own loss, however it is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.models.batching import Collator
from core.models.building import build_modular
from core.models.loading import load_base
from core.models.modular import ModularModel
from core.tasks.dataset import Example
from core.tasks.encoding import encode_example
from core.training.answer_model import AnswerModel, answer_positions
from core.training.validation import TaskLossMeter

EXAMPLES = [
    (Example("Read this: good 1", "yes"), 0),
    (Example("bad", "no, it is not so"), 1),
    (Example("A longer prompt that says nothing at all", "perhaps"), 0),
]


@pytest.fixture(params=["llama", "t5"])
def model(request: pytest.FixtureRequest, tiny_llama: Path, tiny_t5: Path) -> ModularModel:
    base = load_base(str(tiny_llama if request.param == "llama" else tiny_t5))
    modular = build_modular(base, "cpoly", None, 2)
    modular.tokenizer = base.tokenizer  # type: ignore[assignment]
    torch.manual_seed(3)
    with torch.no_grad():  # skills that do something
        for parameter in modular.adapter.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return modular.eval()


def batch_of(model: ModularModel) -> tuple[dict, dict]:
    tokenizer = model.tokenizer
    encoded = [encode_example(tokenizer, e, model.architecture, 96, task_id=t) for e, t in EXAMPLES]
    collated = Collator(tokenizer.pad_token_id, model.architecture)(encoded)
    shifted = model.architecture == "decoder"
    positions, targets, owners = answer_positions(collated["labels"], shifted)
    tasks = collated["task_ids"]
    batch = {
        "input_ids": collated["input_ids"],
        "attention_mask": collated["attention_mask"],
        "positions": positions,
        "targets": targets,
        "task_ids": tasks.tolist(),
        "tasks_of_tokens": tasks[owners],
    }
    if not shifted:
        batch["decoder_input_ids"] = model.base.prepare_decoder_input_ids_from_labels(labels=collated["labels"])
    return batch, collated


def test_picked_plain_and_the_models_own_loss_agree_with_their_gradients(model: ModularModel) -> None:
    batch, collated = batch_of(model)
    answers = AnswerModel(model)
    losses = answers(batch)
    losses.mean().backward()
    picked = {name: p.grad.clone() for name, p in model.adapter.named_parameters() if p.grad is not None}
    answers.picks = False
    assert torch.allclose(answers(batch), losses, atol=1e-5)
    model.zero_grad()
    own = model(
        input_ids=collated["input_ids"],
        attention_mask=collated["attention_mask"],
        labels=collated["labels"],
        task_ids=collated["task_ids"],
    ).loss
    own.backward()
    assert losses.mean().item() == pytest.approx(own.item(), abs=1e-5)
    assert picked
    for name, parameter in model.adapter.named_parameters():
        assert torch.allclose(parameter.grad, picked[name], atol=1e-5), name
    answers.close()


def test_the_answer_and_its_end_are_learned_and_nothing_else(model: ModularModel) -> None:
    batch, _ = batch_of(model)
    expected = [
        t
        for e, _ in EXAMPLES
        for t in model.tokenizer(e.target, add_special_tokens=False)["input_ids"] + [model.tokenizer.eos_token_id]
    ]
    assert batch["targets"].tolist() == expected


def test_losses_of_a_mixed_batch_equal_those_of_single_tasks(model: ModularModel) -> None:
    batch, _ = batch_of(model)
    answers = AnswerModel(model)
    losses = answers(batch).detach()
    meter = TaskLossMeter(2, torch.device("cpu"))
    meter.add(losses, batch["tasks_of_tokens"])
    by_task, mean = meter.read()
    for task in (0, 1):
        own = losses[batch["tasks_of_tokens"] == task]
        assert by_task[task] == pytest.approx(own.mean().item(), rel=1e-6)
    assert mean == pytest.approx(losses.mean().item(), rel=1e-6)
    assert meter.read() == ({}, None)  # reading starts again
    answers.close()


def test_a_model_that_needs_all_logits_is_trained_the_plain_way(model: ModularModel) -> None:
    batch, _ = batch_of(model)
    answers = AnswerModel(model)
    assert answers.agrees(batch)
    assert answers.picks
    head = model.base.get_output_embeddings()
    hook = head.register_forward_hook(lambda m, a, out: out - out.mean(dim=-2, keepdim=True))  # mixes positions
    assert not answers.agrees(batch)
    assert not answers.picks
    hook.remove()
    answers.close()
