"""Memory and time of a run before it starts, from the numbers in config.json. Torch-free.

The counts are formulas; the two speeds (multiply-adds a second and bytes a number) are stated in the result, so
that a reader can judge them. Expect a factor of two either way for time, 30 % for memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.models.catalogue import require_model_folder

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Multiply-adds a second that training reaches: measured on one core of a 2-core x86 machine of 2025; a typical
# share of a data-centre GPU's peak for models of this size.
CPU_FLOPS_PER_CORE = 50e9
GPU_FLOPS = 40e12
# Products of the blocks' layers in bfloat16 against float32 on a CPU that has them without matrix units: 2.1 to 2.3
# on one machine, about 5 on the one all these numbers are from (assets/docs/decisions.md).
HALF_GAIN = 5.0
# Norms, attention, gates and the mixing of skills, for each number of a hidden state in each block, forward and
# back, in multiply-adds: half the time of the starter, a quarter of SmolLM2's.
AROUND = 2000
ADAM_BYTES = 16  # float32 number, gradient and two moments
# Numbers kept for the backward pass for each token and block, in units of the model width (attention and
# feed-forward).
ACTIVATIONS_PER_WIDTH = 18


@dataclass(frozen=True)
class ModelSize:
    """Sizes of a base model. width = size of a hidden state; linears = (inputs, outputs) of the linear layers of
    all blocks.
    """

    width: int
    blocks: int
    vocabulary: int
    linears: tuple[tuple[int, int], ...]
    tied: bool

    @property
    def block_parameters(self) -> int:
        return sum(i * o for i, o in self.linears)

    @property
    def parameters(self) -> int:
        return self.block_parameters + self.vocabulary * self.width * (1 if self.tied else 2)

    def low_rank_parameters(self, rank: int) -> int:
        """Numbers of one low-rank skill over all linear layers."""
        return rank * sum(i + o for i, o in self.linears)


@dataclass(frozen=True)
class Plan:
    """What decides the cost of a run. `skills` counts low-rank skills kept; `active_rank` the columns used per
    example. `dtype` is the model's number type, `products` that of the products in its blocks. `answers`: how many
    of the tokens of an example are its answer, which alone the head reads (None: all).
    """

    batch_size: int
    tokens: int
    steps: int
    rank: int
    skills: int
    active_rank: int
    dtype: str = "float32"
    device: str = "cpu"
    cores: int = 2
    products: str = "float32"
    answers: int | None = None


@dataclass(frozen=True)
class Estimate:
    """Bytes and seconds. memory = model + adapter with its optimizer state + activations, or what loading the model
    takes where that is more. `token_seconds` and `head_seconds`: one token forward and back through the blocks, and
    through the head.
    """

    model_bytes: int
    adapter_bytes: int
    activation_bytes: int
    seconds: float
    flops_per_second: float
    load_bytes: int
    token_seconds: float
    head_seconds: float

    @property
    def memory_bytes(self) -> int:
        return max(self.load_bytes, self.model_bytes + self.adapter_bytes + self.activation_bytes)


def read_model_size(folder: Path) -> ModelSize:
    """Sizes from a model folder's config.json.

    Raises:
        ModelError: no config.json, or one without the needed numbers.
    """
    return model_size(require_model_folder(folder), str(folder))


def model_size(config: Mapping[str, Any], name: str) -> ModelSize:
    """Sizes from the values of a config.json, for the Llama, Qwen, GPT-NeoX, GPT-2 and T5 families."""
    width = _first(config, "hidden_size", "d_model", "n_embd")
    blocks = _first(config, "num_hidden_layers", "num_layers", "n_layer")
    vocabulary = _first(config, "vocab_size")
    if not (width and blocks and vocabulary):
        raise ModelError("model.no_numbers", model=name)
    if config.get("is_encoder_decoder") or config.get("model_type") in ("t5", "mt5"):
        linears = _t5_linears(config, width, blocks)
    else:
        linears = _decoder_linears(config, width) * blocks
    return ModelSize(width, blocks, vocabulary, tuple(linears), bool(config.get("tie_word_embeddings", True)))


def estimate(size: ModelSize, plan: Plan) -> Estimate:
    """Cost of a training run: three passes of the frozen base less the weight gradients, plus the adapter's
    products.
    """
    tokens = plan.batch_size * plan.tokens
    adapter = size.low_rank_parameters(plan.rank) * plan.skills
    wide = ACTIVATIONS_PER_WIDTH * size.width * size.blocks + 2 * size.vocabulary
    on_card, half = plan.device.startswith("cuda"), plan.products == "bfloat16"
    gain = HALF_GAIN if half and not on_card else 1.0
    others = size.parameters - size.block_parameters
    speed = GPU_FLOPS if on_card else CPU_FLOPS_PER_CORE * plan.cores
    around = 0 if on_card else AROUND * size.width * size.blocks
    products = 4 * size.block_parameters / gain + 6 * size.low_rank_parameters(plan.active_rank)
    token_s = (products + around) / speed
    head_s = 4 * size.vocabulary * size.width / speed
    answers = plan.tokens if plan.answers is None else plan.answers
    block_bytes = min(BYTES[plan.dtype], BYTES[plan.products])
    return Estimate(
        model_bytes=size.block_parameters * block_bytes + others * BYTES[plan.dtype],
        adapter_bytes=adapter * ADAM_BYTES,
        activation_bytes=tokens * wide * BYTES[plan.dtype],
        seconds=plan.steps * plan.batch_size * (plan.tokens * token_s + answers * head_s),
        flops_per_second=speed,
        load_bytes=size.parameters * BYTES[plan.dtype],
        token_seconds=token_s,
        head_seconds=head_s,
    )


def _decoder_linears(config: Mapping[str, Any], width: int) -> list[tuple[int, int]]:
    inner = _first(config, "intermediate_size", "n_inner") or 4 * width
    heads = _first(config, "num_attention_heads", "n_head") or 1
    head = config.get("head_dim") or width // heads
    keys = (config.get("num_key_value_heads") or heads) * head
    attention = [(width, heads * head), (width, keys), (width, keys), (heads * head, width)]
    if config.get("model_type") in ("gpt2", "gpt_neox", "bloom"):
        attention = [(width, 3 * width), (width, width)]
    gated = config.get("model_type") not in ("gpt2", "gpt_neox", "opt", "bloom")
    return attention + [(width, inner)] * (2 if gated else 1) + [(inner, width)]


def _t5_linears(config: Mapping[str, Any], width: int, blocks: int) -> list[tuple[int, int]]:
    inner = _first(config, "d_ff") or 4 * width
    heads = (_first(config, "num_heads") or 1) * (config.get("d_kv") or 64)
    attention = [(width, heads)] * 3 + [(heads, width)]
    gated = "gated" in str(config.get("feed_forward_proj", ""))
    feed_forward = [(width, inner)] * (2 if gated else 1) + [(inner, width)]
    decoder_blocks = _first(config, "num_decoder_layers") or blocks
    return (attention + feed_forward) * blocks + (attention * 2 + feed_forward) * decoder_blocks


def _first(config: Mapping[str, Any], *names: str) -> int:
    return next((config[n] for n in names if isinstance(config.get(n), int)), 0)
