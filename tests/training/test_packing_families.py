"""Which kinds of models are packed: only those whose layers see their own example alone, however the products are
rounded. The models are tiny, random and built here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from core.models.building import build_modular
from core.tasks.dataset import load_dataset_of
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit, Encoder
from core.training.choose_packing import choose_packing, in_full_precision, mixes_neighbours
from core.training.config import RunConfig
from core.training.device import DeviceChoice, load_chosen_base
from core.workspace import Project
from tests.tiny_models import build_tokenizer
from tests.toy_project import ListJournal

CPU = torch.device("cpu")
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
WIDE, NARROW = 512, 8
# kind: settings of its own, and whether batches are packed
KINDS = [
    ("llama", {}, True),
    ("mistral", {"sliding_window": None}, True),
    ("mistral", {"sliding_window": WIDE}, True),
    ("mistral", {"sliding_window": NARROW}, False),
    ("qwen2", {"use_sliding_window": False, "sliding_window": NARROW}, True),
    ("qwen2", {"use_sliding_window": True, "sliding_window": NARROW, "max_window_layers": 1}, False),
    ("qwen3", {}, True),
    ("smollm3", {"no_rope_layer_interval": 2}, True),
    ("gemma3_text", {"sliding_window": WIDE, "query_pre_attn_scalar": 8}, True),
    ("gemma3_text", {"sliding_window": NARROW, "query_pre_attn_scalar": 8}, False),
    ("gemma2", {"sliding_window": WIDE, "query_pre_attn_scalar": 8}, False),  # soft caps
    ("lfm2", {"layer_types": ["conv", "full_attention", "conv", "full_attention"]}, False),
    ("gpt_neox", {}, True),
    ("olmo2", {}, True),
    ("qwen3_moe", {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}, True),
]


def build(kind: str, settings: dict, folder: Path) -> Path:
    tokenizer = build_tokenizer(chat=True)
    special = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    special |= {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.eos_token_id}
    config = AutoConfig.for_model(kind, **{**SIZES, **special, **settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():  # so that what a layer sees shows in the losses
            for name, parameter in model.named_parameters():
                if parameter.ndim > 1 and "embed" not in name:
                    parameter.mul_(8)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def prepared(project: Project, folder: Path, products: str) -> tuple[AnswerModel, EncodedSplit]:
    base = load_chosen_base(str(folder), DeviceChoice("cpu", "float32", "highest", 1, products))
    dataset = load_dataset_of(project)
    modular = build_modular(base, "cpoly", None, dataset.names())
    encoder = Encoder(base.tokenizer, "decoder", 96, base.tokenizer.pad_token_id)
    return AnswerModel(modular).eval(), EncodedSplit(dataset, "train", encoder)


@pytest.mark.parametrize("products", ["float32", "bfloat16"])
@pytest.mark.parametrize(("kind", "settings", "packs"), KINDS, ids=[f"{k}-{s}" for k, s, _ in KINDS])
def test_a_family_is_packed_where_that_is_exact(
    toy_project: Project, tmp_path: Path, kind: str, settings: dict, packs: bool, products: str
) -> None:
    answers, split = prepared(toy_project, build(kind, settings, tmp_path / kind), products)
    before = {name: p.clone() for name, p in answers.modular.base.named_parameters()}
    journal = ListJournal()
    assert choose_packing(answers, [split], [(0, 0), (1, 1), (0, 2)], RunConfig(), CPU, journal) == packs
    assert bool(journal.of("notice")) is not packs  # why not is said
    for name, parameter in answers.modular.base.named_parameters():
        assert parameter.dtype == before[name].dtype
        assert torch.equal(parameter, before[name]), name
    if packs:
        places = sorted([(0, 0), (1, 1), (0, 2), (1, 3), (0, 4)], key=split.length)
        with torch.no_grad():
            packed, plain = answers(split.pack(places)), answers(split.collate(places))
        if products == "float32":
            torch.testing.assert_close(packed, plain, rtol=1e-4, atol=1e-4)


def test_what_a_convolution_reads_is_known_from_the_layers(tmp_path: Path) -> None:
    config = AutoConfig.for_model("lfm2", **SIZES, layer_types=["conv", "full_attention"] * 2, vocab_size=64)
    assert mixes_neighbours(AutoModelForCausalLM.from_config(config))
    assert not mixes_neighbours(AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SIZES)))


def test_without_memory_to_compare_nothing_is_packed_and_it_is_said(
    toy_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, free, journal = build("llama", {}, tmp_path / "m"), 0, ListJournal()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    for products, packs in (("bfloat16", False), ("float32", True)):
        answers, split = prepared(toy_project, folder, products)
        half = sum(2 * p.numel() for p in answers.modular.base.parameters() if p.dtype == torch.bfloat16)
        free = half  # as much as the weights grow by, and no more
        given = ([(0, 0), (1, 1), (0, 2)], RunConfig(), CPU, journal)
        assert choose_packing(answers, [split], *given) == split.packed == packs
    values = {"needed": 1, "free": 0}
    assert journal.events == [{"kind": "notice", "key": "training.not_compared", "values": values}]


def test_half_products_are_back_after_the_proof(toy_project: Project, tmp_path: Path) -> None:
    answers, _ = prepared(toy_project, build("llama", {}, tmp_path / "m"), "bfloat16")
    answers.head_precision = "medium"
    with in_full_precision(answers):
        assert all(p.dtype == torch.float32 for p in answers.modular.base.parameters())
        assert answers.head_precision == "highest"
    assert any(p.dtype == torch.bfloat16 for p in answers.modular.base.parameters())
    assert answers.head_precision == "medium"
