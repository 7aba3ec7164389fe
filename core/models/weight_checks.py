"""Whether the weight files of a folder hold the model that its config.json describes, from their headers alone.

What is not found here transformers would make up: it fills a missing weight with random numbers and goes on.
Shapes and weights of every block are known for plain families only; of others the blocks are counted. Torch-free.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from core.base.errors import ModelError, WorkspaceError
from core.base.files import read_json
from core.models.families import kind_of
from core.models.records import read_header, weight_files

Tensors = dict[str, Any]
INDEX, WHOLE = "model.safetensors.index.json", "model.safetensors"
ADAPTER = "adapter_model.safetensors"
_SHARD = re.compile(r"-\d+-of-\d+\.safetensors$")
_BLOCK = re.compile(r"^(.*?\b(?:layers|layer|blocks|block|h)\.)(\d+)\.(.+)$")
_NUMBERS = ("F64", "F32", "F16", "BF16")
_PACKED = (
    "qweight",
    "qzeros",
    "g_idx",
    "weight_packed",
    "weight_scale",
    "weight_scale_inv",
    "SCB",
    "absmax",
    "quant_map",
)
# All blocks alike, with one embedding and one norm at the end, under Llama's names.
_LLAMA_LIKE = frozenset(
    ("llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma", "gemma2", "gemma3_text", "granite", "olmo2")
)
_PLAIN = _LLAMA_LIKE | {
    "phi3",
    "phi",
    "gpt2",
    "gpt_neox",
    "gpt_bigcode",
    "bloom",
    "falcon",
    "t5",
    "mt5",
    "bart",
    "mbart",
}
_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight", "shared.weight")
_HEADS = ("lm_head.weight", "embed_out.weight")


def require_weights(folder: Path, config: dict[str, Any]) -> Tensors:
    """The tensors that transformers would load, {name: {"dtype", "shape", ..}}.

    Raises:
        ModelError: a file or a weight is missing, has another shape than config.json says, or is quantised.
    """
    tensors = _loaded(folder)
    if not tensors:
        raise ModelError("model.no_tensors", model=folder.name)
    _require_numbers(folder, tensors)
    _require_blocks(folder, config, tensors)
    if kind_of(config) in _PLAIN:
        _require_named(folder, config, tensors)
        _require_shapes(folder, config, tensors)
    return tensors


def _loaded(folder: Path) -> Tensors:
    index, whole = folder / INDEX, folder / WHOLE
    if whole.is_file():  # as transformers: an index beside it is not asked
        return read_header(whole)
    if not index.is_file():
        names = [path.name for path in weight_files(folder)]
        if names == [ADAPTER]:
            raise ModelError("model.is_adapter", model=folder.name)
        lost = INDEX if any(map(_SHARD.search, names)) else WHOLE
        raise ModelError("model.missing_shards", model=folder.name, files=lost, count=1)
    places = _weight_map(index)
    if not places:
        raise ModelError("model.bad_index", model=folder.name)
    files = sorted({Path(str(name)).name for name in places.values()})
    _refuse_missing(folder, "model.missing_shards", [n for n in files if not (folder / n).is_file()], "files")
    tensors: Tensors = {}
    for name in files:
        tensors |= read_header(folder / name)
    _refuse_missing(folder, "model.missing_tensors", sorted(set(places) - set(tensors)))
    return tensors


def _weight_map(index: Path) -> dict[str, Any]:
    try:
        found = read_json(index)["weight_map"]
    except (OSError, WorkspaceError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_missing(folder: Path, key: str, lost: list[str], what: str = "names") -> None:
    if lost:
        raise ModelError(key, model=folder.name, count=len(lost), **{what: ", ".join(lost[:3])})


def _require_numbers(folder: Path, tensors: Tensors) -> None:
    """Weights that are no plain numbers would be read as if they were."""
    for name, tensor in tensors.items():
        leaf, dtype = name.rsplit(".", 1)[-1], str(tensor.get("dtype"))
        if leaf in _PACKED or (leaf == "weight" and dtype not in _NUMBERS):
            raise ModelError("model.quantised", model=folder.name, method=leaf if leaf in _PACKED else dtype)


def _require_blocks(folder: Path, config: dict[str, Any], tensors: Tensors) -> None:
    """As many blocks as config.json says, without a gap; in a plain family each with what most of them have."""
    stacks: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name in tensors:
        found = _BLOCK.match(name)
        if found:
            stacks[found[1]][int(found[2])].add(found[3])
    if not stacks:
        return
    lost = []
    longest = max(stacks, key=lambda stack: len(stacks[stack]))
    for stack, blocks in stacks.items():
        count = max(blocks) + 1
        if stack == longest:
            count = max(count, _first(config, "num_hidden_layers", "n_layer", "num_layers", "n_layers"))
        lost += [f"{stack}{number}" for number in range(count) if number not in blocks]
        if kind_of(config) in _PLAIN:
            often = Counter(rest for rests in blocks.values() for rest in rests)
            usual = {rest for rest, times in often.items() if 2 * times > len(blocks)}
            lost += [f"{stack}{n}.{rest}" for n in sorted(blocks) for rest in sorted(usual - blocks[n])]
    _refuse_missing(folder, "model.missing_tensors", lost)


def _require_named(folder: Path, config: dict[str, Any], tensors: Tensors) -> None:
    """The embedding, the last norm, and the head where config.json does not tie it."""
    lost = []
    if not any(name.endswith(_EMBEDDINGS) for name in tensors):
        lost.append(_EMBEDDINGS[0])
    if kind_of(config) in _LLAMA_LIKE and not {"norm.weight", "model.norm.weight"} & set(tensors):
        lost.append("model.norm.weight")
    if config.get("tie_word_embeddings") is False and not any(name.endswith(_HEADS) for name in tensors):
        lost.append(_HEADS[0])
    _refuse_missing(folder, "model.missing_tensors", lost)


def _require_shapes(folder: Path, config: dict[str, Any], tensors: Tensors) -> None:
    for name, tensor in tensors.items():
        wanted = _wanted_shape(name, config)
        if wanted and list(tensor["shape"]) != wanted:
            found, told = (" x ".join(map(str, shape)) for shape in (tensor["shape"], wanted))
            raise ModelError("model.other_shape", model=folder.name, name=name, found=found, wanted=told)


def _wanted_shape(name: str, config: dict[str, Any]) -> list[int] | None:
    """The shape of a weight by config.json, for embeddings and the layers of Llama-like blocks; None: not known."""
    width, rows = _first(config, "hidden_size", "d_model", "n_embd"), _first(config, "vocab_size")
    if name.endswith(_EMBEDDINGS):
        return [rows, width] if rows and width else None
    heads, inner = _first(config, "num_attention_heads"), _first(config, "intermediate_size")
    if kind_of(config) not in _LLAMA_LIKE or not (width and heads and inner):
        return None
    size = _first(config, "head_dim")
    if not size and kind_of(config) in ("gemma", "gemma2", "gemma3_text", "qwen3"):
        return None  # the size of a head is a number of the family's own there
    size = size or width // heads
    keys = _first(config, "num_key_value_heads")
    shapes = {
        "q_proj": [heads * size, width],
        "o_proj": [width, heads * size],
        "gate_proj": [inner, width],
        "up_proj": [inner, width],
        "down_proj": [width, inner],
    } | ({"k_proj": [keys * size, width], "v_proj": [keys * size, width]} if keys else {})
    return next((shape for leaf, shape in shapes.items() if name.endswith(f"{leaf}.weight")), None)


def _first(config: dict[str, Any], *names: str) -> int:
    found = (config[name] for name in names if name in config)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), 0)
