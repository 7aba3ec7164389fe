"""Whether a run's batches are packed: examples behind each other in one row of tokens, without padding.

Decided by method, hardware, the kinds of the layers and comparisons of losses in float32, never by a timing, so
that the same seed gives the same result. Where memory is too short to compare, batches stay padded, and it is said:
the losses are the same up to rounding, the training is slower. On a graphics card, where a padded row costs little
and launches count, it is done where the settings ask for it (core/training/card_paths.py): in large chunks of
attention, and with as many tokens at once as the card has memory for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
from torch import nn

from core.adapters.fast.packed import LARGE_CHUNKS
from core.adapters.registry import METHODS
from core.base.errors import ModelError, RunError
from core.training.answer_loss import matmul_precision
from core.training.answer_model import AnswerModel, Batch
from core.training.batches import EncodedSplit, Place
from core.training.card_paths import PACKED, PLAIN, is_asked, part_tokens
from core.training.config import RunConfig
from core.training.plan import JOINED, OFF
from core.training.reporting import Journal
from core.training.validation import to_device

# Largest allowed difference of an answer token's loss, in nats, with all products in float32. Attention that looks
# elsewhere, or a neighbour's token that is seen, differs by more; rounding by less than a hundredth of it.
TOLERANCE = 1e-3
MOST_PROBED, LONGEST_PROBED = 4, 2
HALVES = (torch.bfloat16, torch.float16)
ROOM = 1.25  # free memory that is asked for, in units of what the weights grow by: the products need some too
_DROPOUTS = ("attention_dropout", "attn_pdrop", "attn_dropout")  # of attention, which is on in training alone
Layout = Callable[[list[Place]], Batch]
_ATTENTION = frozenset({"full_attention", "sliding_attention"})


def choose_packing(
    model: AnswerModel,
    splits: list[EncodedSplit],
    places: list[Place],
    config: RunConfig,
    device: torch.device,
    journal: Journal,
) -> bool:
    """Turns packing on in `splits` if layers see nothing but attention's tokens of the other ones, and if the model
    computes the same losses that way: on some of `places` of the first split and on the longest rows of each.

    Args:
        journal: told why a processor's batches stay padded, and on a card which way was taken.
    """
    modular, on_card = model.modular, device.type != "cpu"
    if on_card:
        _fit_to_card(modular.base, splits, device)
    wanted = not any(getattr(modular.config, name, 0.0) for name in _DROPOUTS) and (
        (not on_card or is_asked(config, PACKED))
        and modular.architecture == "decoder"
        and not config.gradient_checkpointing
        and model.picks
        and modular.adapter.packs(config.batch_size)
    )
    mixes = wanted and mixes_neighbours(modular.base)
    compared = wanted and not mixes and _has_room(modular.base, device, journal)
    possible = compared and _all_agree(model, splits, places)
    if not on_card and (mixes or (compared and not possible)):
        journal.event("notice", key="training.padded_layers" if mixes else "training.padded_losses", values={})
    for split in splits:
        split.packed = possible
    if on_card:
        asked = "card_padded" if config.card_paths != PLAIN else "card_plain"
        key = "card_packed" if possible else asked
        values = {"tokens": splits[0].packed_tokens} if possible else {}
        journal.event("notice", key=f"training.{key}", values=values)
    return possible


def _all_agree(model: AnswerModel, splits: list[EncodedSplit], places: list[Place]) -> bool:
    return agrees_packed(model, splits[0], [*places[:MOST_PROBED], *_longest(splits[0])]) and all(
        _agrees(model, split, _longest(split)) for split in splits[1:]
    )


def _fit_to_card(base: nn.Module, splits: list[EncodedSplit], device: torch.device) -> None:
    tokens = part_tokens(base, torch.cuda.get_device_properties(device).total_memory)
    for split in splits:
        split.packed_tokens, split.chunk_size = tokens, LARGE_CHUNKS


def choose_chunks(model: AnswerModel, split: EncodedSplit, config: RunConfig, context: int) -> None:
    """Puts the examples of a chunk into one row of at most `context` tokens, if the settings say so: on any device.

    Raises:
        RunError: the method or the model cannot tell the tokens of one row apart.
    """
    if config.chunks == OFF:
        return
    modular = model.modular
    split.chunks, split.room = config.chunks, context
    places = split.cut_chunks(_shortest(split))[0][:MOST_PROBED]
    possible = (
        modular.architecture == "decoder"
        and not config.gradient_checkpointing
        and modular.adapter.packs(config.batch_size)
        and not mixes_neighbours(modular.base)
        and (config.chunks == JOINED or _same(model, split.join, split.collate, places))
    )
    if not possible:
        raise RunError("training.no_chunks", method=METHODS.get(config.method).title, chunks=config.chunks)


def _shortest(split: EncodedSplit) -> list[Place]:
    """Of every task the shortest example, in the tasks' order."""
    found = [min(range(len(rows)), key=lambda row: rows[row].length) for rows in split.examples if rows]
    return list(zip((task for task, rows in enumerate(split.examples) if rows), found, strict=True))


def _has_room(base: nn.Module, device: torch.device, journal: Journal) -> bool:
    """Whether the weights fit into memory as float32, see `in_full_precision`: 16-bit ones double."""
    extra = sum(p.numel() * p.element_size() for p in base.parameters() if p.dtype in HALVES)
    on_card = device.type != "cpu"
    free = torch.cuda.mem_get_info(device)[0] if on_card else psutil.virtual_memory().available
    needed = extra * ROOM
    if needed <= free:
        return True
    # Packing stays off then: slower, but never a difference that nobody has looked for.
    values = {"needed": math.ceil(needed / 2**20), "free": int(free / 2**20)}
    journal.event("notice", key="training.not_compared", values=values)
    return False


def mixes_neighbours(base: nn.Module) -> bool:
    """Whether a layer besides attention reads the tokens before its own: a convolution or a state, for which the
    examples of one row would be one text."""
    config: Any = base.config
    kinds = set(getattr(config, "layer_types", None) or ()) - _ATTENTION
    return bool(kinds) or any(isinstance(m, nn.Conv1d) for m in base.modules())


def agrees_packed(model: AnswerModel, split: EncodedSplit, places: list[Place]) -> bool:
    """Whether the examples' losses are the same behind each other as in padded rows; with a last block that is
    trimmed to the answers, or else with a whole one."""
    model.trims = True
    if _agrees(model, split, places):
        return True
    model.trims = False
    return _agrees(model, split, places)


def _longest(split: EncodedSplit) -> list[Place]:
    return sorted(split.places(), key=split.length)[-LONGEST_PROBED:]


def _agrees(model: AnswerModel, split: EncodedSplit, places: list[Place]) -> bool:
    return _same(model, split.pack, split.collate, sorted(dict.fromkeys(places), key=split.length))


@torch.no_grad()
def _same(model: AnswerModel, one: Layout, other: Layout, places: list[Place]) -> bool:
    """Whether two layouts of the same examples give the same losses."""
    was_training, device = model.training, model.modular.device
    model.eval()
    try:
        # A card's own products of float32 numbers may have fewer bits.
        with matmul_precision("highest"), in_full_precision(model):
            packed, plain = (model(to_device(lay(places), device)) for lay in (one, other))
    except (ModelError, RuntimeError, ValueError, TypeError):  # this model cannot be called so
        return False
    finally:
        model.train(was_training)
    return packed.shape == plain.shape and bool((packed - plain).abs().max() < TOLERANCE)


@contextmanager
def in_full_precision(model: AnswerModel) -> Iterator[None]:
    """Inside, all products are float32, so that rounding neither hides a difference nor makes one. Every 16-bit
    number is one of float32 too: afterwards the weights are what they were, bit for bit."""
    base = model.modular.base
    adapter: Any = model.modular.adapter
    head, computes = model.head_precision, getattr(adapter, "compute_dtype", None)
    halves = [(p, p.dtype) for p in base.parameters() if p.dtype in HALVES]
    norms = [module for module in base.modules() if getattr(module, "half_output", False)]
    try:
        model.head_precision = "highest"
        if computes is not None:
            adapter.compute_dtype = torch.float32  # what the factors are turned into for a call
        for parameter, _ in halves:
            parameter.data = parameter.data.float()
        for norm in norms:
            norm.half_output = False
        yield
    finally:
        model.head_precision = head
        if computes is not None:
            adapter.compute_dtype = computes
        for parameter, dtype in halves:
            # Back to the same bits: nothing has changed the float32 numbers in between.
            parameter.data = parameter.data.to(dtype)
        for norm in norms:
            norm.half_output = True
