"""Plain names of layers: which block of the model, and what they do in it. Technical names are for details."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.adapters.skill import COMMON
from core.insight.allocation import Allocation
from core.messages import Sentence

_NAME = re.compile(r"^(?P<stack>.*?\.)(?P<block>\d+)(?:\.(?P<rest>\S+))?(?: head (?P<head>\d+))?$")
_ATTENTION = re.compile(r"att", re.IGNORECASE)  # self_attn, SelfAttention, attention
_CROSS = re.compile(r"encdec|encoder_attn|cross", re.IGNORECASE)
_PARTS = {
    "layer.attention_query": {"q_proj", "q", "query"},
    "layer.attention_key": {"k_proj", "k", "key"},
    "layer.attention_value": {"v_proj", "v", "value"},
    "layer.attention_all": {"c_attn", "qkv_proj", "query_key_value"},
    "layer.feed_gate": {"gate_proj", "wi_0", "w1", "gate"},
    "layer.feed_in": {"up_proj", "fc1", "fc_in", "wi", "wi_1", "c_fc", "w3", "up", "dense_h_to_4h", "gate_up_proj"},
}
_OUTPUTS = {"o_proj", "o", "out_proj", "dense", "c_proj", "wo"}  # of an attention where they stand in one
_FEED_OUTPUTS = {"down_proj", "fc2", "w2", "fc_out", "down", "dense_4h_to_h", "c_proj", "wo"}


def name_layer(name: str, names: Sequence[str]) -> Sentence:
    """'model.layers.5.self_attn.o_proj' -> 'block 6 of 30, attention output', counted from 1 among the blocks of
    `names`; a layer in no block is told by its place."""
    found = _NAME.match(name)
    if found is None:
        return Sentence("layer.place", {"n": list(names).index(name) + 1, "total": len(names)})
    same = [other for other in map(_NAME.match, names) if other and other["stack"] == found["stack"]]
    total = max(int(other["block"]) for other in same) + 1
    told = Sentence(_block_key(found["stack"]), {"n": int(found["block"]) + 1, "total": total})
    head = Sentence("layer.head", {"n": found["head"]}) if found["head"] else None
    for more in (_name_part(found["rest"] or ""), head):
        told = Sentence("layer.with", {"layer": told, "part": more}) if more else told
    return told


def tell_layer(allocation: Allocation, place: int) -> Sentence:
    """Which layer's weights are shown, and that it is one of several; or that tasks weigh alike in all of them."""
    common = allocation.weights[:, :, allocation.columns(COMMON)]
    is_alike = common.shape[2] > 0 and bool((common == common[:, :1]).all())
    key = "says.shown_layer_alike" if is_alike else "says.shown_layer"
    return Sentence(key, {"layer": name_layer(allocation.layers[place], allocation.layers)})


def _block_key(stack: str) -> str:
    if stack.startswith(("encoder.", "model.encoder.")):
        return "layer.block_encoder"
    return "layer.block_decoder" if stack.startswith(("decoder.", "model.decoder.")) else "layer.block"


def _name_part(path: str) -> Sentence | None:
    """What a linear layer does in its block; nothing for one of an unknown name."""
    parent, _, leaf = path.rpartition(".")
    key = next((key for key, leaves in _PARTS.items() if leaf in leaves), None)
    if key is None and leaf in _OUTPUTS and _ATTENTION.search(parent):
        key = "layer.attention_out"
    elif key is None and leaf in _FEED_OUTPUTS:
        key = "layer.feed_out"
    if key is None:
        return None
    return Sentence("layer.cross", {"part": Sentence(key)}) if _CROSS.search(parent) else Sentence(key)
