"""Whether a model folder can be trained here, found from its files before anything is started. Torch-free.

Rules are a table of (finding, message): the first that holds is said. What only a forward pass can tell is not
asked here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ModelError, WorkspaceError
from core.base.files import read_json
from core.models.families import ENCODER_DECODERS, FAILING, is_known, kind_of
from core.models.records import weight_files
from core.models.setting_checks import require_computable
from core.models.tokenizer_checks import require_rows, require_tokenizer
from core.models.weight_checks import require_weights

MOST_PARAMETERS = 1_000_000_000
MOST_CONFIG_BYTES, MOST_CONFIG_DEPTH = 4 << 20, 20
# No model comes near; a number beyond would cost hours or all memory before anything else is looked at.
MOST_LAYERS, LARGEST_SIZE = 1_000, 10_000_000
DECODER, ENCODER_DECODER = "decoder", "encoder_decoder"
_GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForSeq2SeqLM")
# Kinds that read a text and write none, whatever their config files call themselves.
_ENCODERS = frozenset(
    ("bert", "roberta", "distilbert", "albert", "electra", "deberta", "deberta-v2", "xlm-roberta", "mpnet", "xlm")
    + ("camembert", "modernbert", "nomic_bert", "eurobert", "esm", "layoutlm", "longformer", "big_bird", "funnel")
    + ("mobilebert", "squeezebert", "xlm-roberta-xl", "roberta-prelayernorm", "data2vec-text", "ernie", "rembert")
    + ("roformer", "roc_bert", "megatron-bert", "flaubert", "ibert", "convbert", "canine", "luke", "nystromformer")
)
_SEES = re.compile(
    r"clip|siglip|^vit|llava|paligemma|idefics|whisper|speech|audio|vision|_vl(_|$)|vlm|omni|blip|pix2struct|"
    r"trocr|kosmos|fuyu|musicgen|moshi|seamless|voxtral|_ocr|^git$|mllama|chameleon|florence"
)
_QUANTISED = ("quantization_config", "compression_config")
_QUANTISED_FILES = ("quantize_config.json", "quant_config.json")


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
            or a weight is missing, cut off or does not fit another, it has no end token, its family is one that
            fails here, or it has more than a billion parameters (unless `allow_large`).
    """
    config = read_config(folder)
    for is_so, key, values in _REFUSALS:
        if is_so(folder, config):
            raise ModelError(key, model=folder.name, **values(folder, config))
    _require_sizes_given(folder, config)
    require_computable(folder, config)
    parameters = sum(math.prod(tensor["shape"]) for tensor in require_weights(folder, config).values())
    if parameters > MOST_PARAMETERS and not allow_large:
        raise ModelError("model.too_large", model=folder.name, millions=round(parameters / 1e6))
    require_tokenizer(folder)
    rows = int(config.get("vocab_size") or _text_config(config).get("vocab_size") or 0)
    tokens = require_rows(folder, rows)
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


def _require_sizes_given(folder: Path, config: dict[str, Any]) -> None:
    """The sizes that every family has are numbers where they are named at all: null would mean the family's own."""
    for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"):
        value = config.get(name, 1)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ModelError("model.no_size", model=folder.name, name=name, value=json.dumps(value)[:40])


def architecture_of(config: dict[str, Any]) -> str:
    told = config.get("is_encoder_decoder", kind_of(config) in ENCODER_DECODERS)
    return ENCODER_DECODER if told else DECODER


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else {}


def _names(config: dict[str, Any]) -> list[str]:
    found = config.get("architectures")
    return [str(name) for name in found] if isinstance(found, list) else []


def _reads_only(folder: Path, config: dict[str, Any]) -> bool:
    names = _names(config)
    # A BERT with a head for language is still asked for all tokens at once, unless it was made a decoder.
    if kind_of(config) in _ENCODERS and not config.get("is_decoder"):
        return True
    return bool(names) and not any(name.endswith(_GENERATES) for name in names)


def _sees(folder: Path, config: dict[str, Any]) -> bool:
    return "vision_config" in config or "audio_config" in config or bool(_SEES.search(kind_of(config)))


def _quantised(folder: Path, config: dict[str, Any]) -> bool:
    return _quantisation(config) is not None or any((folder / name).is_file() for name in _QUANTISED_FILES)


def _quantisation(config: dict[str, Any]) -> dict[str, Any] | None:
    """The settings of a quantised model, wherever in its config they stand."""
    inner = [value for value in config.values() if isinstance(value, dict)]
    own = next((config[name] for name in _QUANTISED if isinstance(config.get(name), dict)), None)
    return own or next((found for value in inner if (found := _quantisation(value)) is not None), None)


def _no_kind(folder: Path, config: dict[str, Any]) -> bool:
    return not kind_of(config)


def _unknown_kind(folder: Path, config: dict[str, Any]) -> bool:
    return not is_known(kind_of(config))


def _fails(folder: Path, config: dict[str, Any]) -> bool:
    return kind_of(config) in FAILING


def _has_code(folder: Path, config: dict[str, Any]) -> bool:
    return "auto_map" in config


def _no_weights(folder: Path, config: dict[str, Any]) -> bool:
    return not weight_files(folder)


def _no_end(folder: Path, config: dict[str, Any]) -> bool:
    places = (config, _text_config(config), _json(folder / "generation_config.json"))
    if any(place.get("eos_token_id") is not None for place in places):
        return False
    told = _json(folder / "tokenizer_config.json"), _json(folder / "special_tokens_map.json")
    return not any(place.get("eos_token") for place in told)


def _method_of(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    found = _quantisation(config) or {}
    told = found.get("quant_method") or next((n for n in found if n.startswith("load_in_")), None)
    return {"method": str(told or found.get("format") or "?")}


def _kind_of(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    return {"kind": ", ".join(_names(config)) or kind_of(config)}


def _nothing(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    return {}


_Facts = Callable[[Path, dict[str, Any]], Any]
_REFUSALS: tuple[tuple[_Facts, str, _Facts], ...] = (
    (_has_code, "model.remote_code", _nothing),
    (_no_weights, "model.no_safetensors", lambda folder, _: {"path": str(folder)}),
    (_quantised, "model.quantised", _method_of),
    (_sees, "model.sees", _kind_of),
    (_reads_only, "model.reads_only", _kind_of),
    (_no_kind, "model.no_kind", _nothing),
    (_unknown_kind, "model.unknown_kind", _kind_of),
    (_fails, "model.fails", lambda _, config: {"kind": kind_of(config)}),
    (_no_end, "model.no_end", _nothing),
)


def _json(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, WorkspaceError):
        return {}
    return found if isinstance(found, dict) else {}
