"""Whether a run's batches are packed: examples behind each other in one row of tokens, without padding.

Decided by method, hardware and one comparison of losses, never by a timing, so that the same seed gives the same
result. On graphics cards batches stay padded: small attention products would be launched one by one there.
"""

from __future__ import annotations

import torch

from core.base.errors import ModelError
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit, Place
from core.training.config import RunConfig

# Largest allowed difference of an answer token's loss, in nats. Attention that looks elsewhere differs by more.
TOLERANCE = 1e-3
TOLERANCE_HALF = 0.5  # bfloat16 products: of a single token; their mean stays below a tenth of it


def choose_packing(
    model: AnswerModel, splits: list[EncodedSplit], places: list[Place], config: RunConfig, device: torch.device
) -> bool:
    """Turns packing on in `splits` if the model computes the same losses on `places` of the first that way."""
    modular = model.modular
    possible = not getattr(modular.config, "attention_dropout", 0.0) and (
        device.type == "cpu"
        and modular.architecture == "decoder"
        and not config.gradient_checkpointing
        and model.picks
        and modular.adapter.packs(config.batch_size)
        and agrees_packed(model, splits[0], places)
    )
    for split in splits:
        split.packed = possible
    return possible


def agrees_packed(model: AnswerModel, split: EncodedSplit, places: list[Place]) -> bool:
    """Whether the examples' losses are the same behind each other as in padded rows; with a last block that is
    trimmed to the answers, or else with a whole one."""
    model.trims = True
    if _agrees(model, split, places):
        return True
    model.trims = False
    return _agrees(model, split, places)


@torch.no_grad()
def _agrees(model: AnswerModel, split: EncodedSplit, places: list[Place]) -> bool:
    was_training = model.training
    model.eval()
    ordered = sorted(places, key=split.length)
    try:
        packed, plain = model(split.pack(ordered)), model(split.collate(ordered))
    except (ModelError, RuntimeError, ValueError, TypeError):  # this model cannot be called so
        return False
    finally:
        model.train(was_training)
    half = any(p.dtype != torch.float32 for p in model.modular.base.parameters())
    gap = (packed - plain).abs()
    return bool(gap.max() < (TOLERANCE_HALF if half else TOLERANCE)) and bool(gap.mean() < TOLERANCE_HALF / 10)
