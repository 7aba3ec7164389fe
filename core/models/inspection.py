"""Whether a model folder can be trained here, found from its files before anything is started. Torch-free.

Rules are a table of (finding, message): the first that holds is said. What only a forward pass can tell is not
asked here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ModelError, WorkspaceError
from core.base.files import read_json
from core.models.records import count_parameters, read_headers, weight_files

MOST_PARAMETERS = 1_000_000_000
MOST_CONFIG_BYTES, MOST_CONFIG_DEPTH = 4 << 20, 20
# No model comes near; a number beyond would cost hours or all memory before anything else is looked at.
MOST_LAYERS, LARGEST_SIZE = 1_000, 10_000_000
DECODER, ENCODER_DECODER = "decoder", "encoder_decoder"
_GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForSeq2SeqLM")
# Kinds that read a text and write none; their config files often name no architecture.
_ENCODERS = frozenset(
    ("bert", "roberta", "distilbert", "albert", "electra", "deberta", "deberta-v2", "xlm-roberta", "mpnet")
    + ("camembert", "modernbert", "nomic_bert", "eurobert", "esm", "layoutlm", "longformer", "big_bird", "funnel")
    + ("mobilebert", "squeezebert")
)
_SEES = frozenset(("clip", "siglip", "vit", "llava", "paligemma", "idefics", "idefics2", "idefics3"))
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class FolderFacts:
    """What the files of a model folder say. parameters = numbers in its weight files, tokens = entries of its
    tokenizer (0: not known without loading it)."""

    folder: Path
    config: dict[str, Any]
    architecture: str
    parameters: int
    tokens: int


def inspect_folder(folder: Path, allow_large: bool = False) -> FolderFacts:
    """Facts about a model folder.

    Raises:
        ModelError: what makes it impossible to train: no text is written by it, its weights are quantised, a file
            is missing, cut off or does not fit another, it has no end token, or more than a billion parameters
            (unless `allow_large`).
    """
    config = read_config(folder)
    for is_so, key, values in _REFUSALS:
        if is_so(folder, config):
            raise ModelError(key, model=folder.name, **values(folder, config))
    _require_shards(folder)
    parameters, tokens = count_parameters(folder), _count_tokens(folder)
    if parameters > MOST_PARAMETERS and not allow_large:
        raise ModelError("model.too_large", model=folder.name, millions=round(parameters / 1e6))
    rows = int(config.get("vocab_size") or _text_config(config).get("vocab_size") or 0)
    if tokens > rows > 0:
        raise ModelError("model.more_tokens", model=folder.name, tokens=tokens, rows=rows)
    return FolderFacts(folder, config, architecture_of(config), parameters, tokens)


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model folder.

    Raises:
        ModelError: it is missing or is no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError("model.no_config", path=str(folder))
    try:
        if path.stat().st_size > MOST_CONFIG_BYTES:
            raise ValueError(f"more than {MOST_CONFIG_BYTES} bytes")
        found = json.loads(path.read_text(encoding="utf-8"))
        _require_flat(found)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("model.bad_config", path=str(folder), detail=str(error)) from error
    if not isinstance(found, dict):
        raise ModelError("model.bad_config", path=str(folder), detail="no JSON object")
    _require_sizes(folder, found)
    return found


def _require_flat(value: Any, depth: int = 0) -> None:
    if depth > MOST_CONFIG_DEPTH:
        raise ValueError("nested too deeply")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _require_flat(inner, depth + 1)


def _require_sizes(folder: Path, config: dict[str, Any]) -> None:
    """Numbers of layers and widths that a model can have, in all parts of the config."""
    for name, value in config.items():
        if isinstance(value, dict):
            _require_sizes(folder, value)
        is_layers = "layers" in name or name in ("n_layer", "num_blocks")
        is_size = is_layers or name.endswith(("_size", "_dim", "_heads", "_experts", "d_model", "d_ff", "n_embd"))
        bound = MOST_LAYERS if is_layers else LARGEST_SIZE
        if is_size and isinstance(value, int | float) and not -bound <= value <= bound:
            raise ModelError("model.bad_size", model=folder.name, name=name, value=value, bound=bound)


def architecture_of(config: dict[str, Any]) -> str:
    return ENCODER_DECODER if config.get("is_encoder_decoder") else DECODER


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else {}


def _kind(config: dict[str, Any]) -> str:
    return str(config.get("model_type", ""))


def _names(config: dict[str, Any]) -> list[str]:
    found = config.get("architectures")
    return [str(name) for name in found] if isinstance(found, list) else []


def _reads_only(folder: Path, config: dict[str, Any]) -> bool:
    names = _names(config)
    if names:
        return not any(name.endswith(_GENERATES) for name in names)
    return _kind(config) in _ENCODERS


def _sees(folder: Path, config: dict[str, Any]) -> bool:
    return "vision_config" in config or "audio_config" in config or _kind(config) in _SEES


def _quantised(folder: Path, config: dict[str, Any]) -> bool:
    return isinstance(config.get("quantization_config"), dict)


def _has_code(folder: Path, config: dict[str, Any]) -> bool:
    return "auto_map" in config


def _no_weights(folder: Path, config: dict[str, Any]) -> bool:
    return not weight_files(folder)


def _no_tokenizer(folder: Path, config: dict[str, Any]) -> bool:
    return not any((folder / name).is_file() for name in _TOKENIZER_FILES)


def _no_end(folder: Path, config: dict[str, Any]) -> bool:
    places = (config, _text_config(config), _json(folder / "generation_config.json"))
    if any(place.get("eos_token_id") is not None for place in places):
        return False
    told = _json(folder / "tokenizer_config.json"), _json(folder / "special_tokens_map.json")
    return not any(place.get("eos_token") for place in told)


def _method_of(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    return {"method": str(config["quantization_config"].get("quant_method") or "?")}


def _kind_of(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    return {"kind": ", ".join(_names(config)) or _kind(config)}


def _nothing(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    return {}


_Facts = Callable[[Path, dict[str, Any]], Any]
_REFUSALS: tuple[tuple[_Facts, str, _Facts], ...] = (
    (_has_code, "model.remote_code", _nothing),
    (_no_weights, "model.no_safetensors", lambda folder, _: {"path": str(folder)}),
    (_quantised, "model.quantised", _method_of),
    (_sees, "model.sees", _kind_of),
    (_reads_only, "model.reads_only", _kind_of),
    (_no_tokenizer, "model.no_tokenizer", _nothing),
    (_no_end, "model.no_end", _nothing),
)


def _require_shards(folder: Path) -> None:
    """Every file that the index names is there, and holds the tensors that it should."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        if not read_headers(folder):
            raise ModelError("model.no_tensors", model=folder.name)
        return
    places = _json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ModelError("model.bad_index", model=folder.name)
    missing = sorted({str(name) for name in places.values() if not (folder / Path(str(name)).name).is_file()})
    if missing:
        raise ModelError(
            "model.missing_shards", model=folder.name, files=", ".join(missing[:3]), count=len(missing)
        )
    lost = sorted(set(places) - set(read_headers(folder)))
    if lost:
        raise ModelError("model.missing_tensors", model=folder.name, names=", ".join(lost[:3]), count=len(lost))


def _count_tokens(folder: Path) -> int:
    """One more than the highest token id that tokenizer.json names; 0 without that file."""
    found = _json(folder / "tokenizer.json")
    model = found.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        ids = [i for i in vocabulary.values() if isinstance(i, int)]
    else:
        ids = [len(vocabulary) - 1] if isinstance(vocabulary, list) and vocabulary else []
    return 1 + max(ids, default=-1)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, WorkspaceError):
        return {}
    return found if isinstance(found, dict) else {}
