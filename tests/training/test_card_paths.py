"""The quicker ways of a card, shown without one: whole steps on tensors that only say they are on a card, where
a tensor left on the processor or a wait of the host is an error; chains compiled by backends of this machine; and
what a run says of the way it took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from transformers import masking_utils

from core.adapters.call import build_call
from core.adapters.fast.chains import CHAINS, compile_chains, plain_chains
from core.adapters.fast.packed import LARGE_CHUNKS, pack
from core.adapters.registry import METHODS
from core.models import modular
from core.training import card_paths, choose_packing
from core.training.batches import PACKED_TOKENS
from core.training.card_paths import choose_compiled, no_kernels, part_tokens, try_compiled
from core.training.config import RunConfig, change_config
from core.training.optimisation import build_optimizer
from core.training.validation import to_device
from core.workspace import Project
from tests.toy_project import ListJournal
from tests.training.test_packing import losses_and_gradients, prepared

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
APART = torch.device("meta")  # stands for a card: nothing on it can be read, and nothing of another device mixed in
PLACES = [(0, 0), (1, 1), (0, 5), (1, 7), (0, 2)]


@pytest.fixture(autouse=True)
def as_written() -> Iterator[None]:
    yield
    plain_chains()


def put_apart(modules: Iterable[nn.Module], mode: FakeTensorMode, dtype: torch.dtype) -> None:
    """A base model in `dtype`, the rest as it is."""
    known: dict[int, Any] = {}
    kept: list[torch.Tensor] = []  # an id is one's own only as long as one is there

    def there(tensor: torch.Tensor, wanted: torch.dtype) -> Any:
        if id(tensor) not in known:
            kept.append(tensor)
            moved = mode.from_tensor(tensor).detach().to(APART, wanted)
            is_learned = tensor.requires_grad
            known[id(tensor)] = nn.Parameter(moved, is_learned) if isinstance(tensor, nn.Parameter) else moved
        return known[id(tensor)]

    for one in modules:
        for name, parameter in one._parameters.items():
            if parameter is not None and parameter.device != APART:
                one._parameters[name] = there(parameter, parameter.dtype if parameter.requires_grad else dtype)
        for name, buffer in one._buffers.items():
            if buffer is not None and buffer.device != APART:
                one._buffers[name] = there(buffer, buffer.dtype)


@pytest.mark.parametrize("method", ["cpoly", "mta", "lora", "adalora", "taps", "task_moe", "ia3"])
def test_a_step_leaves_nothing_on_the_processor_and_waits_for_nothing(
    toy_project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Of every stage; packed where the method can be."""
    answers, split = prepared(toy_project, tiny_llama, method)
    answers.train()
    split.chunk_size = LARGE_CHUNKS
    batches, config = [split.collate(PLACES)], answers.modular.config
    if METHODS.get(method).joins:
        batches.append(split.pack(PLACES))  # its tables are made on the processor
        batches[1]["packing"].tables_of(config.num_attention_heads, config.num_key_value_heads)
    mode, adapter = FakeTensorMode(allow_non_fake_inputs=True), answers.modular.adapter
    mode.allow_meta = True

    def built(*given: Any) -> Any:
        with unset_fake_temporarily():  # what a list holds is read on the processor
            return build_call(*given)

    monkeypatch.setattr(modular, "build_call", built)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)  # knows no such device
    # transformers' own look at the mask, once a step, for a model without an adapter too.
    monkeypatch.setattr(masking_utils, "_ignore_causal_mask_sdpa", lambda *_, **__: False)
    with mode:
        beside = adapter._layers if method == "lora" else []  # PEFT's layers
        put_apart([one for module in (answers, *beside) for one in module.modules()], mode, torch.bfloat16)
        if hasattr(adapter, "compute_dtype"):
            adapter.compute_dtype = torch.bfloat16
        for stage in range(1, adapter.num_stages + 1):
            adapter.set_stage(stage)
            for batch in batches:
                losses = answers(to_device(batch, APART))
                losses.sum().backward()
                assert (losses.device, losses.dtype) == (APART, torch.float32)
    found = [p.grad for p in adapter.parameters() if p.grad is not None]
    assert found
    assert {gradient.device for gradient in found} == {APART}


def test_a_moved_packing_gives_the_same_numbers_and_all_of_it_is_moved(
    toy_project: Project, tiny_llama: Path
) -> None:
    answers, split = prepared(toy_project, tiny_llama)
    padded, gradients = losses_and_gradients(answers, split.collate(PLACES))
    split.chunk_size = LARGE_CHUNKS
    batch = split.pack(PLACES)
    assert len(batch["packing"].chunks) == 1
    wanted, _ = losses_and_gradients(answers, batch)
    moved: list[int] = []

    def move(tensor: torch.Tensor) -> torch.Tensor:
        moved.append(tensor.data_ptr())
        return tensor.clone()

    there = batch["packing"].moved(move)
    found, its = losses_and_gradients(answers, {**batch, "packing": there})
    assert torch.equal(found, wanted)
    tables = next(iter(batch["packing"].tables.values()))
    assert tables.shared is not None
    read = [*tables.queries, *tables.keys, tables.queries_back, tables.keys_back, *tables.shared]
    read += [batch["packing"].owners, batch["packing"].positions]
    assert {tensor.data_ptr() for tensor in read} == set(moved)
    assert (found - padded).abs().max() < 1e-5 * padded.abs().max()
    for name, gradient in gradients.items():
        assert (its[name] - gradient).norm() < 1e-5 * gradient.norm(), name


def test_a_card_has_larger_chunks() -> None:
    assert [len(pack([30] * 9).chunks), len(pack([30] * 9, size=LARGE_CHUNKS).chunks)] == [3, 1]


def test_compiled_chains_give_the_losses_and_gradients_of_plain_ones(
    toy_project: Project, tiny_llama: Path
) -> None:
    answers, split = prepared(toy_project, tiny_llama)
    batch = split.pack(PLACES)
    wanted, gradients = losses_and_gradients(answers, batch)
    compile_chains("aot_eager")
    found, its = losses_and_gradients(answers, batch)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)
    for name, gradient in gradients.items():
        assert (its[name] - gradient).norm() <= 1e-6 * gradient.norm(), name
    assert not any(one.run is one.plain for one in CHAINS)


def twice(graph: Any, given: Any) -> Any:
    """A backend that is wrong."""
    return lambda *inputs: tuple(2 * t for t in graph(*inputs))


def broken(graph: Any, given: Any) -> Any:
    raise RuntimeError("no ptxas\nand more")


@pytest.mark.parametrize(
    ("backend", "said"),
    [("eager", None), (twice, "apart in torch"), (broken, "no ptxas")],
    ids=["right", "wrong", "broken"],
)
def test_chains_are_compiled_only_where_they_give_the_same_numbers(backend: Any, said: str | None) -> None:
    torch._dynamo.reset()  # type: ignore[attr-defined]
    found = try_compiled(CPU, torch.bfloat16, backend)
    assert found is None if said is None else said in (found or "")
    assert [one.run is one.plain for one in CHAINS] == [said is not None] * len(CHAINS)


def on_a_card(monkeypatch: pytest.MonkeyPatch, gigabytes: int = 80, capability: tuple[int, int] = (8, 0)) -> None:
    total = gigabytes * 2**30
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=total))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (total // 2, total))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(choose_packing, "to_device", lambda batch, _: batch)


@pytest.mark.parametrize(
    ("asked", "method", "key"),
    [
        ("plain", "cpoly", "card_plain"),
        ("packed", "cpoly", "card_packed"),
        ("both", "lora", "card_packed"),
        ("compiled", "cpoly", "card_padded"),
        ("both", "mta", "card_padded"),  # a method that cannot be packed
    ],
)
def test_a_card_packs_where_it_is_asked_to_and_says_what_it_does(
    toy_project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, asked: str, method: str, key: str
) -> None:
    on_a_card(monkeypatch)
    answers, split = prepared(toy_project, tiny_llama, method)
    config, journal = change_config(RunConfig(), {"card_paths": asked, "method": method}), ListJournal()
    torch.set_float32_matmul_precision("high")  # as on a card; the comparison must not be made so
    seen: list[str] = []
    answers.register_forward_pre_hook(lambda *_: seen.append(torch.get_float32_matmul_precision()))
    try:
        packs = choose_packing.choose_packing(answers, [split], PLACES, config, CARD, journal)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert packs == split.packed == (key == "card_packed")
    assert [event["key"] for event in journal.events] == [f"training.{key}"]
    assert set(seen) <= {"highest"}
    if packs:
        assert len(split.parts(split.places()[:64])) == 1  # as much at once as the card has memory for
        assert journal.events[0]["values"] == {"tokens": split.packed_tokens}


def test_the_larger_the_card_the_more_tokens_at_once(toy_project: Project, tiny_llama: Path) -> None:
    base = prepared(toy_project, tiny_llama)[0].modular.base
    found = [part_tokens(base, size) for size in (2**20, 2**28, 2**30, 2**38)]
    assert (found[0], found[-1]) == (PACKED_TOKENS, card_paths.MOST_TOKENS)
    assert found == sorted(found)
    assert all(tokens & (tokens - 1) == 0 for tokens in found)
    base.config = SimpleNamespace(to_dict=dict)
    assert part_tokens(base, 2**38) == PACKED_TOKENS


def test_whether_kernels_can_be_made_is_known_before(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_card(monkeypatch, capability=(6, 1))
    monkeypatch.setattr(card_paths, "find_spec", lambda name: None)
    assert no_kernels(CARD) == "no package triton"
    monkeypatch.setattr(card_paths, "find_spec", lambda name: name)
    assert no_kernels(CARD) == "compute capability 6.1 < 7.0"
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert no_kernels(CARD) is None


@pytest.mark.parametrize(("why", "key"), [(None, "card_compiled"), ("no ptxas", "card_not_compiled")])
def test_what_became_of_the_compiling_is_said(monkeypatch: pytest.MonkeyPatch, why: str | None, key: str) -> None:
    on_a_card(monkeypatch)
    monkeypatch.setattr(card_paths, "find_spec", lambda name: name)
    monkeypatch.setattr(card_paths, "try_compiled", lambda *_: why)
    weight = SimpleNamespace(device=CARD, dtype=torch.bfloat16)
    base: Any = SimpleNamespace(parameters=lambda: iter([weight]))
    journal, asked = ListJournal(), change_config(RunConfig(), {"card_paths": "both"})
    assert choose_compiled(asked, base, journal) == (why is None)
    assert [event["key"] for event in journal.events] == [f"training.{key}"]
    assert not choose_compiled(RunConfig(), base, journal)
    weight.device = CPU
    assert not choose_compiled(asked, base, journal)
    assert len(journal.events) == 1


def test_the_optimizer_is_one_kernel(toy_project: Project, tiny_llama: Path) -> None:
    model = prepared(toy_project, tiny_llama)[0].modular
    model.set_stage(1)
    groups = build_optimizer(model, RunConfig(), 1).param_groups
    assert groups
    assert all(group["fused"] for group in groups)
