"""The loss on answer tokens, with the language-model head computed for these tokens only.

A frozen base model of half a billion parameters spends most of a short step in its head (d x vocabulary). Answers
are a quarter of the tokens or less, so the hidden states of the answer positions are picked out right before the
head, by a pre-hook on the head that acts only inside `AnswerModel.forward`. A plain frozen head is then computed
together with the loss (core/training/answer_loss.py), and the model's own forward ends with one token's logits. A
model that does something to its logits afterwards (scaling, soft caps) computes those of the picked positions
itself. `agrees` finds out by comparing with the plain way on a real batch; a model that needs the full logits is
trained the plain way.

Shapes: b examples, n tokens, N answer tokens of the batch, V vocabulary.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.adapters.fast.packed import packed_row
from core.models.joined import forward_joined
from core.models.modular import ModularModel
from core.training.answer_loss import answer_losses

Batch = dict[str, Any]
_JOINED = ("owners", "position_ids")  # of examples in one row that the model's own attention reads
_INPUTS = ("input_ids", "attention_mask", "decoder_input_ids", "prompt_mask", "packing", "wanted", *_JOINED)
TOLERANCE = 1e-3  # nats; bfloat16 heads round differently when the matrix has another shape
TOLERANCE_HALF = 0.1  # a float32 head multiplied in bfloat16


class AnswerModel(nn.Module):
    """`forward(batch)` -> losses [N] in nats, float32, one per answer token; their mean is the plain loss. What the
    adapter's settings add to the loss in training comes as its gradient alone, the same with every token: reports
    show nats of answers, and the weighted mean over a step's tokens counts it once.
    """

    def __init__(self, model: ModularModel) -> None:
        super().__init__()
        self.modular = model
        self.picks = self.trims = True
        self.own_loss = type(self._head()) is nn.Linear and not self._head().weight.requires_grad
        self.head_precision = "highest"
        self._positions: Tensor | None = None
        self._picked: Tensor | None = None
        self._hook = self._head().register_forward_pre_hook(self._pick)

    def close(self) -> None:
        """Takes the hook off the base model's head."""
        self._hook.remove()

    def forward(self, batch: Batch) -> Tensor:
        inputs = {name: batch[name] for name in _INPUTS if name in batch and (name != "wanted" or self.trims)}
        positions, targets = batch["positions"], batch["targets"]
        run: Any = self.modular.forward_packed if "packing" in batch else self.modular
        run = partial(forward_joined, self.modular) if "owners" in batch else run
        penalties: list[Tensor] | None = [] if self.training else None
        self._positions = positions if self.picks else None
        try:
            logits = run(**inputs, task_ids=batch["task_ids"], penalties=penalties, use_cache=False).logits
        finally:
            self._positions, picked, self._picked = None, self._picked, None
        if picked is not None:
            head: Any = self._head()
            losses = answer_losses(picked, head.weight, head.bias, targets, self.head_precision)
        else:
            if not self.picks:
                logits = logits.flatten(0, -2).index_select(0, positions)
            losses = functional.cross_entropy(logits.float(), targets, reduction="none")
        if not penalties:
            return losses
        total = torch.stack(penalties).sum().to(losses)
        return losses + (total - total.detach())

    @torch.no_grad()
    def agrees(self, batch: Batch) -> bool:
        """Whether picking gives the plain losses on this batch; leaves the model in the way that is right."""
        was_training = self.training
        self.eval()
        frozen, self.own_loss, self.picks = self.own_loss, False, False
        plain = self(batch)
        self.picks = True
        if frozen:
            self.own_loss = True
            self.own_loss = self._gives(plain, batch)
        self.picks = self.own_loss or self._gives(plain, batch)
        self.train(was_training)
        return self.picks

    def _gives(self, plain: Tensor, batch: Batch) -> bool:
        try:
            found = self(batch)
        except (RuntimeError, ValueError, IndexError):  # the model's forward needs logits of the full shape
            return False
        tolerance = TOLERANCE if self.head_precision == "highest" else TOLERANCE_HALF
        return found.shape == plain.shape and bool((found - plain).abs().max() < tolerance)

    def _head(self) -> nn.Module:
        head: nn.Module = self.modular.base.get_output_embeddings()
        return head

    def _pick(self, _: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self._positions is None:
            return None
        rows = arguments[0].flatten(0, -2)
        packed = packed_row()
        trimmed = packed is not None and packed.trims  # then these are the rows wanted already
        picked = rows[: len(self._positions)] if trimmed else rows.index_select(0, self._positions)
        if not self.own_loss:
            return (picked, *arguments[1:])
        self._picked = picked
        return (picked[:1], *arguments[1:])


def answer_positions(labels: Tensor, shifted: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Where the answers are in a batch: (positions [N] in the flattened b x n logits, targets [N], owners [N]).

    labels [b, n] hold -100 where nothing is learned. `shifted`: the logits at token j predict token j + 1
    (decoder-only models); else they predict label j (encoder-decoder). Runs on the CPU, so that no step waits for
    the accelerator.
    """
    rows, columns = (labels[:, 1:] if shifted else labels).ne(-100).nonzero(as_tuple=True)
    targets = labels[rows, columns + 1] if shifted else labels[rows, columns]
    return rows * labels.shape[1] + columns, targets, rows
