"""The quicker ways that a graphics card can be asked for: packed rows, and compiled chains of small operations.

No card has been seen that shows which is quicker where (`tests/benchmarks/card.py` times them side by side), so
they are taken where `card_paths` asks for them, and only once the card at hand has given the same numbers as the
plain way. The run says what it took and why. A processor's ways are its own and know nothing of this.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.fast.chains import CHAINS, compile_chains, plain_chains
from core.adapters.fast.packed_attention import KEPT_LENGTH
from core.base.errors import ModelError, short_detail
from core.models.estimate import ACTIVATIONS_PER_WIDTH, model_size
from core.training.batches import PACKED_TOKENS
from core.training.config import RunConfig
from core.training.reporting import Journal

# The choices of the setting `card_paths`.
PLAIN, PACKED, COMPILED, BOTH = "plain", "packed", "compiled", "both"
BACKEND = "inductor"
# Of a card's whole memory, what a part of a batch may keep for its backward pass: weights, optimizer, a chat and
# the products themselves need room too. Of the whole and not of what is free: the same card gives the same result.
SHARE = 0.25
MOST_TOKENS = 2**16
OLDEST = (7, 0)  # compute capability from which Triton makes kernels
# Largest allowed difference from the chain as it is written, of its largest value: bfloat16 keeps 8 bits, and a
# kernel that rounds once in place of three times differs by one of them.
BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 2e-2}


def is_asked(config: RunConfig, way: str) -> bool:
    """Whether a run's settings ask for PACKED or COMPILED on a card."""
    return config.card_paths in (way, BOTH)


def part_tokens(base: nn.Module, card_bytes: int) -> int:
    """Tokens of packed rows that are computed at once on a card with so much memory: a power of two."""
    config: Any = base.config
    try:
        size = model_size(config.to_dict(), "")
    except ModelError:  # of a family whose sizes are not known by name
        return PACKED_TOKENS
    heads = getattr(config, "num_attention_heads", None) or size.width // 64
    each = (ACTIVATIONS_PER_WIDTH * size.width + KEPT_LENGTH * heads) * size.blocks
    room = SHARE * card_bytes / (each * next(base.parameters()).element_size())
    tokens = PACKED_TOKENS
    while 2 * tokens <= min(room, MOST_TOKENS):
        tokens *= 2
    return tokens


def choose_compiled(config: RunConfig, base: nn.Module, journal: Journal, backend: str = BACKEND) -> bool:
    """Has the chains compiled in this process, if the settings ask for it and the card gives the same numbers."""
    weight = next(base.parameters())
    if not is_asked(config, COMPILED) or weight.device.type == "cpu":
        return False
    why = no_kernels(weight.device) or try_compiled(weight.device, weight.dtype, backend)
    if why is not None:
        journal.event("notice", key="training.card_not_compiled", values={"detail": why})
        return False
    journal.event("notice", key="training.card_compiled", values={"count": len(CHAINS)})
    return True


def no_kernels(device: torch.device) -> str | None:
    """Why no kernels can be compiled for a card; None where they can be."""
    if find_spec("triton") is None:
        return "no package triton"
    found = torch.cuda.get_device_capability(device)
    if torch.version.hip is None and found < OLDEST:
        return "compute capability {}.{} < {}.{}".format(*found, *OLDEST)
    return None


def try_compiled(device: torch.device, dtype: torch.dtype, backend: str) -> str | None:
    """Compiles the chains and compares each with itself as it is written -> None, or what is wrong: then all are as
    they were. A shape that comes later and cannot be compiled is computed as it is written."""
    from torch import _dynamo

    compile_chains(backend)
    try:
        with _dynamo.config.patch(suppress_errors=False):
            for number_type in {torch.float32, dtype}:
                _require_same(number_type, device)
    except (RuntimeError, OSError, ImportError, ArithmeticError) as error:
        plain_chains()
        return short_detail(getattr(error, "inner_exception", error))  # torch's own words only wrap it
    _dynamo.config.suppress_errors = True
    return None


def _require_same(number_type: torch.dtype, device: torch.device) -> None:
    """
    Raises:
        ArithmeticError: a chain gives other numbers than as it is written.
    """
    for one in CHAINS:
        given = one.example(number_type, device)
        apart = _apart(one.run(*given), one.plain(*given))
        if not apart <= BOUNDS.get(number_type, BOUNDS[torch.bfloat16]):
            raise ArithmeticError(f"{one.plain.__name__}: {apart:.1e} apart in {number_type}")


def _apart(found: Tensor | tuple[Tensor, ...], wanted: Tensor | tuple[Tensor, ...]) -> float:
    """The largest difference, of the largest value."""
    pairs = zip(*((t,) if isinstance(t, Tensor) else t for t in (found, wanted)), strict=True)
    return max(float((a.double() - b.double()).abs().max() / b.double().abs().max()) for a, b in pairs)
