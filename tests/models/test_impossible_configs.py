"""A config.json that no model has is refused before anything is made of it: depth, size, layers by the billion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import ModelError
from core.models.inspection import read_config


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"text_config": value}
    return value


BAD = {
    "layers": '{"num_hidden_layers": 1000000000}',
    "layers as a float": '{"n_layer": 1e9}',
    "inside": '{"text_config": {"num_hidden_layers": 5000}}',
    "width": '{"hidden_size": 1e300}',
    "infinite": '{"vocab_size": Infinity}',
    "not a number": '{"intermediate_size": NaN}',
    "deep": json.dumps(deep(40)),
    "very deep": "[" * 200_000,
    "long": '{"a": "' + "x" * (5 << 20) + '"}',
    "a list": "[]",
}


@pytest.mark.parametrize("kind", BAD)
def test_it_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config.json").write_text(BAD[kind], encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        read_config(tmp_path)
    assert caught.value.key in ("model.bad_size", "model.bad_config")


def test_a_real_one_passes(tmp_path: Path) -> None:
    real = {"num_hidden_layers": 30, "hidden_size": 576, "vocab_size": 49152, "layer_types": ["full"] * 30}
    real |= {"max_position_embeddings": 10**30, "layer_norm_eps": 1e-5, "tie_word_embeddings": True}
    (tmp_path / "config.json").write_text(json.dumps(real), encoding="utf-8")
    assert read_config(tmp_path) == real
