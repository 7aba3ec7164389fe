"""What of a model folder can be written as a GGUF file, said from its config.json and tokenizer.json before
anything is made. Torch-free.

A family is here when llama.cpp computes it exactly as transformers does and the file can be read back by both,
which tests/serving/test_gguf.py holds. All others are refused by name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.base.errors import ModelError
from core.models.inspection import read_config
from core.models.seeing import token_folder


@dataclass(frozen=True)
class Family:
    """`arch` is llama.cpp's name. `turns_pairs`: it turns neighbouring rows of queries and keys where transformers
    turns halves, so the rows change places."""

    arch: str
    turns_pairs: bool


FAMILIES = {
    "llama": Family("llama", True),
    "mistral": Family("llama", True),
    "qwen2": Family("qwen2", False),
    "qwen3": Family("qwen3", False),
}
# What splits words before the merges, by the names that llama.cpp has for it (its src/llama-vocab.cpp).
_QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GPT2, SMOLLM = "gpt-2", "smollm"
SPLITTINGS = {_QWEN % "": "qwen2", _QWEN % "{1,3}": "llama-bpe"}
_IGNORES_MERGES = frozenset({"llama-bpe"})  # in llama.cpp the name settles that as well


def gguf_refusal(base_model: str) -> ModelError | None:
    """Why a run on this base model cannot leave as a GGUF file; None where it can, or where its files are not on
    this machine and nothing can be said yet."""
    try:
        folder = token_folder(base_model)
        if folder is not None and (folder / "config.json").is_file():
            require_layout(folder)
    except ModelError as error:
        return error
    return None


def require_layout(folder: Path) -> tuple[Family, str]:
    """The family of a model folder and the name of its tokenizer's splitting.

    Raises:
        ModelError: llama.cpp or its reader would compute something else; names what.
    """
    config = read_config(folder)
    kind = str(config.get("model_type", ""))
    if kind not in FAMILIES:
        raise ModelError("export.gguf_family", kind=kind or "?", known=", ".join(FAMILIES))
    for setting, value in _unlike(config):
        raise ModelError("export.gguf_setting", setting=setting, value=value)
    return FAMILIES[kind], splitting_of(folder)


def _unlike(config: dict[str, Any]) -> list[tuple[str, Any]]:
    """Settings with which a model of a known family is computed in another way than the file would say."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    found = [("rope_type", rope.get("rope_type", rope.get("type", "default")))]
    found += [("hidden_act", config.get("hidden_act", "silu")), ("mlp_bias", config.get("mlp_bias", False))]
    found += [("partial_rotary_factor", rope.get("partial_rotary_factor", 1.0))]
    window, longest = config.get("sliding_window"), config.get("max_position_embeddings", 0)
    if window and window < longest and config.get("use_sliding_window", config["model_type"] == "mistral"):
        found += [("sliding_window", window)]
    harmless = {
        "rope_type": ("default", None),
        "hidden_act": ("silu",),
        "mlp_bias": (False, None),
        "partial_rotary_factor": (1.0,),
    }
    return [(name, value) for name, value in found if value not in harmless.get(name, ())]


def splitting_of(folder: Path) -> str:
    """The name that llama.cpp has for how a tokenizer splits words.

    Raises:
        ModelError: no byte-level BPE, text is rewritten before, or a splitting without a name.
    """
    told = read_tokenizer(folder)
    model, steps = told.get("model") or {}, _steps(told.get("pre_tokenizer"))
    if model.get("type") != "BPE" or model.get("byte_fallback") or "ByteLevel" not in [s["type"] for s in steps]:
        raise ModelError("export.gguf_tokenizer", detail=str(model.get("type") or "?"))
    normaliser = (told.get("normalizer") or {}).get("type")
    if normaliser not in (None, "NFC"):  # of NFC llama.cpp's own converter takes no notice either
        raise ModelError("export.gguf_tokenizer", detail=f"normalizer {normaliser}")
    name = _name_of(steps)
    if name is None or bool(model.get("ignore_merges")) != (name in _IGNORES_MERGES):
        raise ModelError("export.gguf_tokenizer", detail=" + ".join(s["type"] for s in steps))
    return name


def _name_of(steps: list[dict[str, Any]]) -> str | None:
    kinds = [s["type"] for s in steps]
    bytes_step = steps[-1]
    if kinds[-1] != "ByteLevel" or bytes_step.get("add_prefix_space"):
        return None
    by_words = bytes_step.get("use_regex", True)
    if kinds == ["ByteLevel"] and by_words:
        return GPT2
    if kinds == ["Digits", "ByteLevel"] and by_words and steps[0].get("individual_digits"):
        return SMOLLM
    if kinds == ["Split", "ByteLevel"] and not by_words and steps[0].get("behavior") == "Isolated":
        return SPLITTINGS.get(str(steps[0]["pattern"].get("Regex")))
    return None


def _steps(told: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not told:
        return []
    return list(told["pretokenizers"]) if told.get("type") == "Sequence" else [told]


def read_tokenizer(folder: Path) -> dict[str, Any]:
    """tokenizer.json of a model folder.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        found = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError("export.gguf_tokenizer", detail=f"tokenizer.json: {error}"[:200]) from error
    if not isinstance(found, dict):
        raise ModelError("export.gguf_tokenizer", detail="tokenizer.json")
    return found


def in_pairs(name: str, numbers: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Rows of queries and keys in llama.cpp's order: (first half, second half) of a head become neighbours.

    numbers [rows, ...]; other layers stay as they are.
    """
    heads = int(config["num_attention_heads"])
    if ".k_proj." in name:
        heads = int(config.get("num_key_value_heads") or heads)
    elif ".q_proj." not in name:
        return numbers
    rows = numbers.shape[0]
    halves = numbers.reshape(heads, 2, rows // heads // 2, *numbers.shape[1:])
    return halves.swapaxes(1, 2).reshape(numbers.shape)
