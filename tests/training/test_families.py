"""Every family of models that is said to be held: a tiny random one is trained in both stages with C-Poly and MTA,
sits the exam, is weighed, exported as a LoRA and merged, and answers in a batch as it does alone.

    python -m pytest -m slow tests/training/test_families.py        (all but four, which are in every run)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from core.base.errors import ModelError
from core.export.weights import build_probe, export_lora, export_merged
from core.models.building import load_adapter
from core.models.families import FAILING, HELD, NO_FEED_FORWARD
from core.models.loading import LoadedBase, load_base
from core.models.modular import ModularModel
from core.runs.creation import create_run
from core.tasks.dataset import load_dataset_of
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit
from core.training.checks import check_run
from core.training.plan import load_run_dataset
from core.training.session import build_encoder, train_run
from core.workspace import Project
from tests.tiny_models import build_tokenizer
from tests.toy_project import ListJournal, quick_config

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries, for some of the families
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4}
ENDS = ("layers", "attention_heads", "ffn_dim")
BART = {"d_model": 32} | {
    f"{side}_{n}": v for side in ("encoder", "decoder") for n, v in zip(ENDS, (2, 4, 64), strict=True)
}
GEMMA = {"query_pre_attn_scalar": 8, "sliding_window": 16}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
LOCAL = {"num_local_experts": 4, "num_experts_per_tok": 2}
STATE = {f"mamba_{name}": value for name, value in {"n_heads": 8, "d_head": 8, "d_state": 8, "n_groups": 1}.items()}
PLAIN = ("llama", "mistral", "qwen2", "qwen3", "gemma", "phi", "phi3", "olmo", "olmo2", "stablelm", "starcoder2")
PLAIN += ("granite", "cohere", "gpt_neox")
# Settings of a family's own; those of _ALONE take none of SIZES.
FAMILIES: dict[str, dict[str, Any]] = {
    **{kind: {} for kind in PLAIN},
    "smollm3": {"no_rope_layer_interval": 2},
    "gemma2": GEMMA,
    "gemma3_text": GEMMA,
    "exaone4": {"sliding_window": None, "layer_types": ["full_attention"] * 2},
    "gpt2": GPT,
    "gptj": {**GPT, "rotary_dim": 4},
    "gpt_bigcode": GPT,
    "gpt_neo": {
        **{"num_layers": 2, "num_heads": 4, "hidden_size": 32, "intermediate_size": 64},
        **{"max_position_embeddings": 512, "attention_types": [[["global", "local"], 1]], "window_size": 16},
    },
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "falcon": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 512},
    "xglm": {"d_model": 32, "attention_heads": 4, "num_layers": 2, "ffn_dim": 64},
    "qwen3_moe": EXPERTS,
    "olmoe": {"num_experts": 4, "num_experts_per_tok": 2},
    "mixtral": LOCAL,
    "granitemoe": LOCAL,
    "gpt_oss": {**LOCAL, "sliding_window": 16},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "bamba": {**STATE, "attn_layer_indices": [1]},
    "granitemoehybrid": {
        **{**STATE, "layer_types": ["mamba", "attention"]},
        **{"num_local_experts": 0, "shared_intermediate_size": 64},
    },
    "t5": {**T5, "feed_forward_proj": "gated-gelu"},
    **dict.fromkeys(("mt5", "longt5"), T5),
    **dict.fromkeys(("bart", "mbart", "pegasus"), BART),
}
PAIRS = {"t5", "mt5", "longt5", "bart", "mbart", "pegasus"}
_ALONE = {"gpt2", "gptj", "gpt_bigcode", "gpt_neo", "bloom", "falcon", "mpt", "xglm", *PAIRS}
QUICK = {("qwen3_moe", "cpoly"), ("gpt_bigcode", "cpoly"), ("gpt_oss", "mta"), ("bart", "cpoly")}
CASES = [
    pytest.param(kind, method, id=f"{kind}-{method}", marks=[] if (kind, method) in QUICK else [pytest.mark.slow])
    for kind in FAMILIES
    for method in ("cpoly", "mta")
]
SETTINGS = {"max_steps": 3, "stage2_steps": 1, "batch_size": 4, "evaluate_every": 3}
SETTINGS |= {"exam_rows": 3, "validation_rows": 3, "exam_general": False}
ALIKE = 5e-5  # nats: examples of a padded batch against one after the other, in float32


def build(kind: str, folder: Path) -> Path:
    pairs = kind in PAIRS
    tokenizer = build_tokenizer(chat=not pairs)
    special = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    special |= {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.eos_token_id}
    special |= {"decoder_start_token_id": tokenizer.pad_token_id} if pairs else {}
    sizes = {} if kind in _ALONE else SIZES
    config = AutoConfig.for_model(kind, **{**sizes, **special, **FAMILIES[kind]})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = (AutoModelForSeq2SeqLM if pairs else AutoModelForCausalLM).from_config(config)
        with torch.no_grad():  # so that what a layer sees shows in the losses
            for name, parameter in model.named_parameters():
                if parameter.ndim == 2 and not any(part in name for part in ("embed", "wte", "shared.weight")):
                    parameter.mul_(4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@torch.no_grad()
def difference_alone(project: Project, base: LoadedBase, model: ModularModel, config: Any) -> float:
    """How much losses of an answer depend on who else is in the batch."""
    split = EncodedSplit(load_dataset_of(project), "train", build_encoder(base, config))
    answers = AnswerModel(model).eval()
    places = sorted([(0, 0), (1, 1), (0, 2), (1, 3), (0, 4)], key=split.length)
    answers.agrees(split.collate(places))
    together, alone = answers(split.collate(places)), torch.cat([answers(split.collate([p])) for p in places])
    answers.close()
    return float((together - alone).abs().max())


@pytest.mark.parametrize(("kind", "method"), CASES)
def test_a_family_is_computed_truly(toy_project: Project, tmp_path: Path, kind: str, method: str) -> None:
    folder = build(kind, tmp_path / "m")
    config = quick_config(folder, method=method, **SETTINGS)
    errors = [p.key for p in check_run(config, load_run_dataset(toy_project, config)) if p.severity == "error"]
    if method == "mta" and kind in NO_FEED_FORWARD:
        assert errors == ["check.no_feed_forward"]
        return
    assert errors == []
    run, journal = create_run(toy_project, config), ListJournal()
    train_run(run, config, journal)
    assert {event["stage"] for event in journal.of("loss")} == {1, 2}
    assert len(json.loads(run.results_path.read_text(encoding="utf-8"))["tasks"]) == 2
    assert run.evidence_path.is_file()
    base = load_base(str(folder))
    model = load_adapter(base, run.adapter_dir)
    assert difference_alone(toy_project, base, model, config) < ALIKE
    probe = build_probe(base, ["good 12", "bad 7 of it"])
    if method == "mta":
        with pytest.raises(ModelError, match="LoRA"):
            export_merged(model, 0, run.path / "merged", base.tokenizer, probe)
    else:
        assert export_lora(model, 0, run.path / "lora", probe).difference < 1e-4
        assert export_merged(model, 1, run.path / "merged", base.tokenizer, probe).difference < 1e-4


def test_the_table_is_the_products() -> None:
    assert set(FAMILIES) == HELD
    assert not HELD & FAILING
    assert NO_FEED_FORWARD <= HELD
