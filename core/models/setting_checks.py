"""Settings of a config.json that transformers would fail on after the start, or compute nonsense with. Torch-free.

Only what every family means alike is asked here: kinds of values, names of activations, positions and number types.
`tests/models/test_inspection.py` holds the names equal to those of the installed transformers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.models.families import ENCODER_DECODERS, HELD, kind_of

ROTARY = frozenset(("default", "linear", "dynamic", "yarn", "longrope", "llama3", "proportional"))
OLD_ROTARY = {"phi3": ("su",)}  # by family: other names of the same
ACTIVATIONS = frozenset(
    ("gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_python_tanh", "hardswish")
    + (
        "gelu_pytorch_tanh",
        "laplace",
        "leaky_relu",
        "linear",
        "mish",
        "prelu",
        "quick_gelu",
        "relu",
        "relu2",
        "relu6",
    )
    + ("sigmoid", "silu", "sqrtsoftplus", "swish", "tanh", "xielu")
)
_NUMBER_TYPES = ("float16", "bfloat16", "float32", "float64", "half", "float", "double")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number_type(value: Any) -> bool:
    return isinstance(value, str) and value in _NUMBER_TYPES


def _is_activation(value: Any) -> bool:
    return isinstance(value, str) and value in ACTIVATIONS


# (names, what a value must be, whether null stands for the family's own)
_KINDS: tuple[tuple[tuple[str, ...], Callable[[Any], bool], bool], ...] = (
    (
        ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"),
        lambda value: _is_number(value) and 0 < value < 1,
        False,
    ),
    (("rope_theta",), lambda value: _is_number(value) and value > 0, True),
    (("attention_dropout", "initializer_range"), lambda value: _is_number(value) and 0 <= value <= 1, True),
    (("intermediate_size", "head_dim", "max_position_embeddings"), _is_size, True),
    (("sliding_window", "bos_token_id", "pad_token_id"), lambda value: value is False or _is_whole(value), True),
    (("tie_word_embeddings", "attention_bias", "mlp_bias"), lambda value: isinstance(value, bool), False),
    (("rope_parameters", "rope_scaling"), lambda value: isinstance(value, dict), True),
    (("layer_types",), lambda value: isinstance(value, list), True),
    (("hidden_act", "activation_function"), _is_activation, False),
    (("hidden_activation",), _is_activation, True),
    (("dtype", "torch_dtype"), _is_number_type, True),
)


def require_computable(folder: Path, config: dict[str, Any]) -> None:
    """Raises ModelError for the first setting on which transformers would fail after the start."""
    for name, value in (_wrong_kinds(config) | _wrong_together(config)).items():
        raise ModelError("model.bad_setting", model=folder.name, name=name, value=json.dumps(value)[:40])


def _wrong_kinds(config: dict[str, Any]) -> dict[str, Any]:
    asked = ((name, is_right, may_be_null) for names, is_right, may_be_null in _KINDS for name in names)
    found = ((name, config[name], is_right, may_be_null) for name, is_right, may_be_null in asked if name in config)
    return {
        name: value for name, value, is_right, null in found if not (is_right(value) or (null and value is None))
    }


def _wrong_together(config: dict[str, Any]) -> dict[str, Any]:
    """Settings that another one makes wrong."""
    number, wrong = config.get, {}
    known = {*ROTARY, *OLD_ROTARY.get(kind_of(config), ())}
    for kind in _rotary_kinds(config):
        if kind not in known:
            wrong["rope_type"] = kind
    heads, keys = number("num_attention_heads"), number("num_key_value_heads")
    if isinstance(keys, int) and isinstance(heads, int) and (keys < 1 or heads % keys):
        wrong["num_key_value_heads"] = keys
    window, pad, rows = number("sliding_window"), number("pad_token_id"), number("vocab_size")
    if number("use_sliding_window", True) and isinstance(window, int) and window is not False and window < 1:
        wrong["sliding_window"] = window
    if isinstance(pad, int) and isinstance(rows, int) and not -rows <= pad < rows:
        wrong["pad_token_id"] = pad
    layers = number("layer_types")
    if isinstance(layers, list) and len(layers) != number("num_hidden_layers", len(layers)):
        wrong["layer_types"] = layers
    if number("is_encoder_decoder") and kind_of(config) in HELD - ENCODER_DECODERS:
        wrong["is_encoder_decoder"] = True
    return wrong


def _rotary_kinds(config: dict[str, Any]) -> list[Any]:
    """Of all layers alike, or by kind of layer."""
    found = [config[name] for name in ("rope_parameters", "rope_scaling") if isinstance(config.get(name), dict)]
    found += [inner for one in found for inner in one.values() if isinstance(inner, dict)]
    return [kind for one in found if (kind := one.get("rope_type", one.get("type"))) is not None]
