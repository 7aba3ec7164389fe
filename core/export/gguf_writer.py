"""Writes a model folder, or a LoRA for one, as a GGUF file with the `gguf` package, in a process of its own.

    python -m core.export.gguf_writer REQUEST.json

REQUEST.json holds {"folder": settings and tokenizer, "weights": a folder of safetensors, "out", "numbers": one of
NUMBERS, "alpha": null or a LoRA's, "told": {name of general.*: text}}. One tensor is in memory at a time.
Torch-free.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from core.base.errors import ModelError
from core.export.gguf_layout import in_pairs, read_tokenizer, require_layout
from core.models.inspection import read_config
from core.models.records import read_header, read_headers, weight_files
from core.tasks.token_file import TokenFile

Kind = gguf.GGMLQuantizationType
# What a matrix is stored in; vectors (norms, biases) stay in 32 bits, as llama.cpp wants them.
NUMBERS = {"f32": Kind.F32, "f16": Kind.F16, "bf16": Kind.BF16, "q8_0": Kind.Q8_0}
_FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
_TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
_BLOCK = 32  # numbers that share a scale in q8_0


def write_model(request: dict[str, Any]) -> None:
    """The whole model with its tokenizer and chat template."""
    folder = Path(request["folder"])
    family, splitting = require_layout(folder)
    config = read_config(folder)
    writer = gguf.GGUFWriter(request["out"], family.arch)
    writer.add_type("model")
    _add_told(writer, request["told"])
    _add_settings(writer, config)
    _add_tokenizer(writer, folder, splitting, rows=int(config["vocab_size"]))
    writer.add_file_type(_FILE_TYPES[request["numbers"]])
    _write(writer, request, _named_tensors(request, config))


def write_lora(request: dict[str, Any]) -> None:
    """A LoRA as llama.cpp loads it beside a base model: pairs of `lora_a` [rank, in] and `lora_b` [out, rank]."""
    folder = Path(request["folder"])
    family, _ = require_layout(folder)
    writer = gguf.GGUFWriter(request["out"], family.arch)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(request["alpha"]))
    _add_told(writer, request["told"])
    _write(writer, request, _named_tensors(request, read_config(folder)))


def _add_told(writer: gguf.GGUFWriter, told: dict[str, str]) -> None:
    for name, text in told.items():
        if text:
            writer.add_string(f"general.{name}", text)


def _add_settings(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
    size = int(config.get("head_dim") or width // heads)
    rope = config.get("rope_parameters") or {}
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(width)
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))


def _add_tokenizer(writer: gguf.GGUFWriter, folder: Path, splitting: str, rows: int) -> None:
    told, tokenizer = read_tokenizer(folder), TokenFile(folder)
    words: list[str] = [f"[PAD{i}]" for i in range(rows)]
    kinds = [gguf.TokenType.UNUSED] * rows
    for word, token in told["model"]["vocab"].items():
        words[token], kinds[token] = word, gguf.TokenType.NORMAL
    for token in told.get("added_tokens") or []:
        kind = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
        words[token["id"]], kinds[token["id"]] = token["content"], kind
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting)
    writer.add_token_list(words)
    writer.add_token_types(kinds)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in told["model"]["merges"]])
    named = ("bos", writer.add_bos_token_id), ("eos", writer.add_eos_token_id), ("pad", writer.add_pad_token_id)
    for name, add in named:
        token = tokenizer.token_id(f"{name}_token")
        if token is not None:
            add(token)
    begins = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    writer.add_add_bos_token(begins)
    writer.add_add_eos_token(False)  # an answer follows the prompt
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _named_tensors(request: dict[str, Any], config: dict[str, Any]) -> dict[str, str]:
    """{name in the safetensors: name in the file}.

    Raises:
        ModelError: a tensor that the family does not know.
    """
    family, _ = require_layout(Path(request["folder"]))
    arch = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == family.arch)
    known = gguf.get_tensor_name_map(arch, int(config["num_hidden_layers"]))
    names = {}
    for name in read_headers(Path(request["weights"])):
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue  # the embedding serves as head, also where it was saved twice
        plain, ending = _split(name)
        found = known.get_name(plain)
        if found is None:
            raise ModelError("export.gguf_setting", setting="tensor", value=name)
        names[name] = found + ending
    return names


def _split(name: str) -> tuple[str, str]:
    """(layer, ending as llama.cpp writes it) of a tensor's name; PEFT's names lose their front."""
    for ending, ours in ((".lora_A.weight", ".weight.lora_a"), (".lora_B.weight", ".weight.lora_b")):
        if name.endswith(ending):
            return name.removesuffix(ending).removeprefix("base_model.model."), ours
    plain, _, ending = name.rpartition(".")
    return plain, f".{ending}"


def _write(writer: gguf.GGUFWriter, request: dict[str, Any], names: dict[str, str]) -> None:
    config, wanted = read_config(Path(request["folder"])), NUMBERS[request["numbers"]]
    family, _ = require_layout(Path(request["folder"]))
    for name, shape, _ in _tensors(Path(request["weights"]), names):
        kind = _kind_for(shape, wanted)
        size, block = gguf.GGML_QUANT_SIZES[kind][1], gguf.GGML_QUANT_SIZES[kind][0]
        count = int(np.prod(shape)) // block * size
        writer.add_tensor_info(names[name], shape, np.dtype(np.float32), count, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, shape, read in _tensors(Path(request["weights"]), names):
        numbers = read()
        if family.turns_pairs and ".lora_A." not in name:
            numbers = in_pairs(name, numbers, config)
        writer.write_tensor_data(_stored(np.ascontiguousarray(numbers), _kind_for(shape, wanted)))
    writer.close()


def _kind_for(shape: list[int], wanted: Kind) -> Kind:
    if len(shape) < 2:
        return Kind.F32
    return Kind.F16 if wanted == Kind.Q8_0 and shape[-1] % _BLOCK else wanted


def _stored(numbers: np.ndarray, kind: Kind) -> np.ndarray:
    if kind == Kind.F32:
        return numbers
    if kind == Kind.F16:
        return numbers.astype(np.float16)
    return gguf.quants.quantize(numbers, kind)


def _tensors(folder: Path, names: dict[str, str]) -> Iterator[tuple[str, list[int], Any]]:
    """(name, shape, function that reads it as float32) of every wanted tensor, in the order of the files."""
    for path in weight_files(folder):
        with open(path, "rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
        for name, told in read_header(path).items():
            if name in names:
                place = start + told["data_offsets"][0]
                yield name, told["shape"], lambda p=path, t=told, at=place: _read(p, t, at)


def _read(path: Path, told: dict[str, Any], place: int) -> np.ndarray:
    kind = _TYPES[told["dtype"]]
    raw = np.fromfile(path, dtype=kind, count=int(np.prod(told["shape"])), offset=place).reshape(told["shape"])
    if told["dtype"] == "BF16":  # the upper half of a 32-bit float
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32)


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    (write_lora if asked["alpha"] is not None else write_model)(asked)
