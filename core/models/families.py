"""Which families of models (`model_type` in config.json) are known to be computed truly, and which are not.

`tests/training/test_families.py` trains, examines and exports a tiny random model of every family of `HELD`;
`tests/models/test_inspection.py` holds that each of `FAILING` is refused before a start. The outcome is in
assets/docs/models.md. Torch-free.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

HELD = frozenset(
    (
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "smollm3",
        "gemma",
        "gemma2",
        "gemma3_text",
        "phi",
        "phi3",
        "olmo",
        "olmo2",
    )
    + ("gpt2", "gpt_neo", "gptj", "gpt_neox", "gpt_bigcode", "bloom", "falcon", "mpt", "xglm", "stablelm", "cohere")
    + (
        "starcoder2",
        "granite",
        "exaone4",
        "qwen3_moe",
        "mixtral",
        "olmoe",
        "gpt_oss",
        "granitemoe",
        "lfm2",
        "bamba",
    )
    + ("granitemoehybrid", "t5", "mt5", "longt5", "bart", "mbart", "pegasus")
)
# OPT and Qwen2-MoE hand some layers their tokens without the examples' axis; Mamba and RWKV have no cache that can
# be copied for every label, RecurrentGemma and Switch one that cannot; PEFT takes no LoRA on Falcon-H1's layers,
# and Qwen3-Next answers otherwise from a LoRA than in training.
FAILING = frozenset(
    ("opt", "qwen2_moe", "mamba", "mamba2", "falcon_mamba", "rwkv", "falcon_h1", "recurrent_gemma", "qwen3_next")
    + ("switch_transformers",)
)
# What a config.json need not say, since the family says it.
ENCODER_DECODERS = frozenset(("t5", "mt5", "umt5", "longt5", "switch_transformers", "bart", "mbart", "pegasus"))
# Families of `HELD` whose feed-forward networks are no module of their own, or take a second input or give a second
# output: methods that change whole networks find none there.
NO_FEED_FORWARD = frozenset(
    ("bloom", "mpt", "gpt_oss", "xglm", "granitemoe", "granitemoehybrid", "bart", "mbart", "pegasus")
)


def kind_of(config: dict[str, Any]) -> str:
    """`model_type` of a config.json; "" where it names none."""
    return str(config.get("model_type") or "")


def is_known(kind: str) -> bool:
    """Whether the installed transformers has this family, as its folders say, without importing it."""
    found = importlib.util.find_spec("transformers")
    places = found.submodule_search_locations if found else None
    if not places:
        return True
    names = {p.name for p in (Path(next(iter(places))) / "models").iterdir() if p.is_dir()}
    whole = kind.replace("-", "_")
    return whole in names or any(whole.startswith(f"{name}_") for name in names)
