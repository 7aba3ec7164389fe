"""Examples behind each other in one row of tokens: the losses and gradients of padded rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from core.adapters.fast.last_block import find_last_blocks
from core.adapters.fast.packed import pack, share_beginnings
from core.adapters.registry import METHODS
from core.base.errors import RunError
from core.models.batching import cut_by_tokens
from core.models.building import build_modular, unwrap
from core.models.loading import load_base
from core.models.modular import ModularModel
from core.tasks.dataset import load_dataset_of
from core.tasks.mixture import MixtureSampler
from core.training.answer_loss import answer_losses
from core.training.answer_model import AnswerModel, Batch
from core.training.batches import BatchPlan, EncodedSplit, Encoder, chunked
from core.training.choose_packing import agrees_packed, choose_chunks, choose_packing
from core.training.config import RunConfig
from core.training.device import DeviceChoice, load_chosen_base
from core.training.plan import APART, JOINED
from core.workspace import Project
from tests.toy_project import ListJournal

CPU = torch.device("cpu")


def prepared(
    project: Project, folder: Path, method: str = "cpoly", products: str = "float32"
) -> tuple[AnswerModel, EncodedSplit]:
    base = load_chosen_base(str(folder), DeviceChoice("cpu", "float32", "highest", 1, products))
    dataset = load_dataset_of(project)
    modular = build_modular(base, method, None, dataset.names())
    torch.manual_seed(3)
    with torch.no_grad():  # adapters that do something
        for parameter in modular.adapter.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    encoder = Encoder(base.tokenizer, "decoder", 96, base.tokenizer.pad_token_id)
    return AnswerModel(modular).eval(), EncodedSplit(dataset, "train", encoder)


def losses_and_gradients(answers: AnswerModel, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    answers.zero_grad()
    losses = answers(batch)
    (losses * torch.linspace(0.5, 1.5, len(losses))).sum().backward()
    found = {n: p.grad.clone() for n, p in answers.modular.adapter.named_parameters() if p.grad is not None}
    return losses.detach(), found


@pytest.mark.parametrize("method", ["cpoly", "poly", "lora", "adalora", "private_lora", "taps"])
@pytest.mark.parametrize("interface", [False, True], ids=["own attention", "transformers' interface"])
def test_packed_equals_padded(toy_project: Project, tiny_llama: Path, method: str, interface: bool) -> None:
    answers, split = prepared(toy_project, tiny_llama, method)
    if interface:  # as a model whose attention is not of Llama's kind
        for layer in answers.modular.base.model.layers:
            layer.self_attn.__class__ = type(layer.self_attn).__mro__[2]
    places = sorted([(0, 0), (1, 1), (0, 2), (1, 3), (0, 4), (1, 5)], key=split.length)
    plain, gradients = losses_and_gradients(answers, split.collate(places))
    packed, found = losses_and_gradients(answers, split.pack(places))
    assert (packed - plain).abs().max() < 1e-5 * plain.abs().max()
    assert found.keys() == gradients.keys()
    for name, gradient in gradients.items():
        error = (found[name] - gradient).norm() / gradient.norm()
        assert error < 1e-5, (name, error)


def test_half_products_agree_and_keep_the_other_calls_as_they_were(toy_project: Project, tiny_llama: Path) -> None:
    answers, split = prepared(toy_project, tiny_llama, products="bfloat16")
    places = [(0, 0), (1, 1), (0, 2)]
    before = answers(split.collate(sorted(places, key=split.length)))
    assert choose_packing(answers, [split], places, RunConfig(), CPU, ListJournal())
    packed = answers(split.pack(sorted(places, key=split.length)))
    assert 0 < (packed - before).abs().max() < 0.1
    assert torch.equal(answers(split.collate(sorted(places, key=split.length))), before)


def begin_alike(split: EncodedSplit, count: int) -> None:
    """Every example of a task begins with the first one's first `count` tokens; row 3 is row 1 once more."""
    for task in split.examples:
        begin = task[0].input_ids[:count]
        for row, example in enumerate(task):
            task[row] = replace(example, input_ids=[*begin, *example.input_ids[count:]])
        task[3] = task[1]


@pytest.mark.parametrize("method", ["cpoly", "poly", "lora", "adalora", "private_lora", "taps"])
@pytest.mark.parametrize("kept", [128, 8], ids=["kept", "computed again"])
def test_what_examples_begin_with_stands_there_once(
    toy_project: Project, tiny_llama: Path, method: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.fast.packed_attention.KEPT_LENGTH", kept)
    answers, split = prepared(toy_project, tiny_llama, method)
    begin_alike(split, 4)
    places = sorted([(t, r) for t in (0, 1) for r in range(5)], key=split.length)
    plain, gradients = losses_and_gradients(answers, split.collate(places))
    batch = split.pack(places)
    packed, found = losses_and_gradients(answers, batch)
    tokens = sum(split.length(place) for place in places)
    twice = sum(split.length((t, 3)) - 4 for t in (0, 1))  # of rows that stand there twice
    assert batch["packing"].places.shape[1] <= tokens - 2 * 4 * 4 - twice
    assert batch["num_tokens"] == tokens
    assert (packed - plain).abs().max() < 1e-5 * plain.abs().max()
    for name, gradient in gradients.items():
        error = (found[name] - gradient).norm() / gradient.norm()
        assert error < 1e-5, (name, error)


def test_noise_with_shared_beginnings_follows_from_the_seed(toy_project: Project, tiny_llama: Path) -> None:
    answers, split = prepared(toy_project, tiny_llama)
    begin_alike(split, 4)
    places = sorted([(t, r) for t in (0, 1) for r in range(5)], key=split.length)
    quiet, _ = losses_and_gradients(answers, split.pack(places))
    answers.train()
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(losses_and_gradients(answers, split.pack(places)))
    (first, gradients), (again, same), (other, _) = found
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, quiet)
    assert all(torch.equal(gradients[name], same[name]) and bool(gradients[name].isfinite().all()) for name in same)
    assert gradients["router.logits"].abs().sum() > 0


def test_as_many_examples_as_wanted_share_a_beginning() -> None:
    """Each with the one before it: a chain that is longer than Python's stack."""
    examples = [[1] * (1 + number // 2) + [2] for number in range(3000)]
    packing = pack([len(e) for e in examples[::-1]], share_beginnings(examples[::-1], [0] * 3000))
    assert packing.places.shape[1] < 2 * 3000


def test_a_block_with_a_multiplier_is_not_trimmed(tiny_llama: Path) -> None:
    base = load_base(str(tiny_llama))
    assert find_last_blocks(base.model) == [base.model.model.layers[-1]]
    base.model.model.layers[-1].residual_multiplier = 0.2
    assert find_last_blocks(base.model) == []


def test_the_last_block_is_computed_for_the_answers_alone(toy_project: Project, tiny_llama: Path) -> None:
    answers, split = prepared(toy_project, tiny_llama)
    batch = split.pack([(task, row) for task in (0, 1) for row in range(16)])
    seen: dict[int, int] = {}
    for number, layer in enumerate(answers.modular.base.model.layers):
        layer.mlp.register_forward_hook(lambda m, args, y, number=number: seen.update({number: y.shape[1]}))
    trimmed = losses_and_gradients(answers, batch)
    last = len(seen) - 1
    assert seen[0] == batch["input_ids"].shape[1]
    assert seen[last] == len(batch["wanted"]) < seen[0]
    answers.trims = False
    whole = losses_and_gradients(answers, batch)
    assert seen[last] == seen[0]
    torch.testing.assert_close(trimmed[0], whole[0])
    for name, gradient in whole[1].items():
        assert (trimmed[1][name] - gradient).norm() < 1e-5 * gradient.norm(), name


def test_a_last_block_of_another_kind_stays_whole(toy_project: Project, tiny_llama: Path) -> None:
    answers, split = prepared(toy_project, tiny_llama)
    places = [(task, row) for task in (0, 1) for row in range(16)]
    rows = len(split.pack(places)["wanted"])
    assert rows < split.pack(places)["input_ids"].shape[1]
    mlp = answers.modular.base.model.layers[-1].mlp  # as if it were another one where the block is trimmed
    mlp.register_forward_hook(lambda module, args, y: 1.7 * y if args[0].shape[1] == rows else y)
    assert agrees_packed(answers, split, places)
    assert not answers.trims


def test_examples_do_not_see_each_other(toy_project: Project, tiny_llama: Path) -> None:
    answers, split = prepared(toy_project, tiny_llama)
    together, alone = answers(split.pack([(0, 0), (1, 1)])), answers(split.pack([(1, 1)]))
    assert torch.allclose(together[-len(alone) :], alone, atol=1e-5)


def test_a_first_token_is_predicted_from_nothing(toy_project: Project, tiny_llama: Path) -> None:
    """Also in an answer: another example's last token stands before it and must not predict it."""
    answers, split = prepared(toy_project, tiny_llama)
    places = [(0, 0), (1, 1)]
    for task, row in places:
        example = split.examples[task][row]
        split.examples[task][row] = replace(example, labels=list(example.input_ids))
    packed, plain = split.pack(places), split.collate(places)
    assert torch.equal(packed["targets"], plain["targets"])
    assert torch.allclose(answers(packed), answers(plain), atol=1e-5)


@pytest.mark.parametrize("method", ["cpoly", "lora", "private_lora"])
def test_a_chunk_of_one_row_read_apart_equals_single_rows(
    toy_project: Project, tiny_llama: Path, method: str
) -> None:
    answers, split = prepared(toy_project, tiny_llama, method)
    split.chunks = APART
    places = [(0, 0), (1, 1)]
    plain, gradients = losses_and_gradients(answers, split.collate(places))
    row, found = losses_and_gradients(answers, split.join(places))
    assert (row - plain).abs().max() < 1e-5 * plain.abs().max()
    for name, gradient in gradients.items():
        assert (found[name] - gradient).norm() < 1e-5 * gradient.norm(), name
    split.chunks = JOINED  # the second example reads the first one; nothing comes before the first
    joined = answers(split.join(places))
    first = len(answers(split.collate(places[:1])))
    assert (joined - plain)[:first].abs().max() < 1e-5 * plain.abs().max()
    assert (joined - plain)[first:].abs().max() > 1e-4
    assert torch.allclose(answers(split.join(places[1:])), plain[first:], atol=1e-5)


def test_chunks_hold_one_example_of_each_task(toy_project: Project, tiny_llama: Path) -> None:
    drawn = [(0, 4), (0, 1), (1, 7), (0, 2), (1, 3)]
    assert chunked(drawn) == [(0, 4), (1, 7), (0, 1), (1, 3), (0, 2)]
    answers, split = prepared(toy_project, tiny_llama)
    choose_chunks(answers, split, replace(RunConfig(), chunks=JOINED), 4096)
    places = chunked(drawn)
    assert [part["task_ids"] for part in split.parts(places)] == [[0, 1], [0, 1], [0]]
    split.room = split.length(places[0])  # the model reads no longer rows
    assert len(split.parts(places)) == len(places)
    plan = BatchPlan(MixtureSampler([30, 30]), 7, JOINED)
    assert [task for task, _ in plan.places(0)] == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("chunks", [APART, JOINED])
def test_chunks_that_cannot_be_are_refused(
    toy_project: Project, tiny_llama: Path, chunks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(RunConfig(), chunks=chunks)
    answers, split = prepared(toy_project, tiny_llama, "mta")
    with pytest.raises(RunError, match="one row"):
        choose_chunks(answers, split, config, 4096)
    answers, split = prepared(toy_project, tiny_llama)
    with pytest.raises(RunError, match="one row"):
        choose_chunks(answers, split, replace(config, gradient_checkpointing=True), 4096)
    room = split.length((0, 0)) + split.length((1, 0)) - 1  # of two rows only short ones
    seen, join = [], split.join
    monkeypatch.setattr(split, "join", lambda places: seen.append(places) or join(places))
    choose_chunks(answers, split, config, room)
    assert split.chunks == chunks
    assert all(0 < sum(map(split.length, places)) <= room for places in seen)  # no longer than the model reads


def test_who_is_packed(toy_project: Project, tiny_llama: Path) -> None:
    places = [(0, 0), (1, 1)]
    config = RunConfig()
    for info in METHODS:
        method, expected = info.name, info.joins
        if info.takes_library:
            continue
        answers, split = prepared(toy_project, tiny_llama, method)
        assert choose_packing(answers, [split], places, config, CPU, ListJournal()) == split.packed == expected, (
            method
        )
    answers, split = prepared(toy_project, tiny_llama)
    assert not choose_packing(
        answers, [split], places, replace(config, gradient_checkpointing=True), CPU, ListJournal()
    )
    answers.modular.base.config._attn_implementation = "eager"  # computes its attention in a way of its own
    assert not agrees_packed(answers, split, places)


def test_a_model_whose_attention_looks_elsewhere_is_refused(toy_project: Project, tiny_llama: Path) -> None:
    answers, split = prepared(toy_project, tiny_llama)
    for layer in answers.modular.base.model.layers:
        layer.self_attn.scaling *= 3  # read by the packed attention; the model's own below does not
        own = layer.self_attn
        own.o_proj.register_forward_hook(lambda module, args, y: y if args[0].shape[0] == 1 else 1.5 * y)
    assert not agrees_packed(answers, split, [(0, 0), (1, 1)])


def test_where_the_examples_are() -> None:
    packing = pack([3, 5, 40])
    assert packing.positions[0, :8].tolist() == [0, 1, 2, 0, 1, 2, 3, 4]
    assert packing.owners[:8].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert (packing.places.shape[1], len(packing.owners)) == (48, 128)
    chunk = packing.chunks[0]
    assert chunk.tokens.shape == (3, 64)
    assert chunk.tokens[1, :6].tolist() == [3, 4, 5, 6, 7, 0]
    assert pack([600]).chunks[0].tokens.shape == (1, 608)


def test_shared_beginnings_are_found_within_a_group() -> None:
    examples = [[1, 2, 3], [7, 7], [1, 2, 4, 5], [1, 2, 3], [1, 2, 4], [1, 2, 3]]
    shared = share_beginnings(examples, [0, 0, 0, 0, 0, 1])
    assert shared == {3: (0, 3), 4: (3, 2), 2: (4, 3)}
    packing = pack([len(e) for e in examples], shared)
    assert packing.places.shape[1] == 3 + 2 + 1 + 0 + 1 + 3
    written = torch.zeros(packing.places.shape[1], dtype=torch.long)
    for example, tokens in zip(examples, packing.tokens, strict=True):
        written[tokens] = torch.tensor(example)
    for example, tokens in zip(examples, packing.tokens, strict=True):  # every one can be read where it stands
        assert written[tokens].tolist() == example
        assert packing.positions[0, tokens].tolist() == list(range(len(example)))


def test_tokens_are_cut_into_equal_parts() -> None:
    parts = cut_by_tokens([30, 10, 20, 40, 5, 100], lambda n: n, 70)
    assert sorted(n for part in parts for n in part) == [5, 10, 20, 30, 40, 100]
    assert all(sum(part) <= 70 or len(part) == 1 for part in parts)
    assert cut_by_tokens([3, 1], lambda n: n, 10) == [[1, 3]]
    assert cut_by_tokens([], len, 10) == []


@pytest.mark.parametrize("bias", [False, True])
def test_losses_without_logits(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.answer_loss.PIECE", 3 * 11)  # in pieces of three tokens
    torch.manual_seed(1)
    hidden = torch.randn(7, 5, requires_grad=True)
    head = torch.nn.Linear(5, 11, bias=bias).requires_grad_(False)
    targets = torch.randint(0, 11, (7,))
    outer = torch.rand(7)
    expected = F.cross_entropy(head(hidden), targets, reduction="none")
    (wanted,) = torch.autograd.grad((expected * outer).sum(), hidden)
    losses = answer_losses(hidden, head.weight, head.bias, targets)
    (found,) = torch.autograd.grad((losses * outer).sum(), hidden)
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(found, wanted)


def test_taking_the_adapter_out_gives_the_attention_back(tiny_llama: Path) -> None:
    base = load_base(str(tiny_llama))
    own, block = type(base.model.model.layers[0].self_attn), type(base.model.model.layers[-1])
    modular: ModularModel = build_modular(base, "cpoly", None, 2)
    assert type(modular.base.model.layers[0].self_attn) is not own
    assert type(modular.base.model.layers[-1]) is not block
    unwrap(modular.base)
    assert type(base.model.model.layers[0].self_attn) is own
    assert type(base.model.model.layers[-1]) is block
