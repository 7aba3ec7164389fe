"""How a worker calls a modular model: weights shared between runs, mixing weights computed once a batch.

An adapter wraps layers of its base model in place. So that several runs can stand on one base model, each gets a
copy of the module tree whose parameters are the very same tensors: it costs kilobytes, not the model again.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.blending import build_blended_call
from core.adapters.call import Call, build_call, enter_call
from core.models.loading import LoadedBase
from core.models.modular import ModularModel

Blend = dict[int, float]  # rows of the allocation with their shares; one task has the share 1


def share_weights(model: nn.Module) -> Any:
    """A copy of the module tree with the same parameter and buffer tensors."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(t): t for t in tensors})


@dataclass
class Opened:
    """Questions that are being answered together: their tasks, and the adapter's call that stays open for them."""

    tasks: list[Blend]
    call: Call


class TaskForward:
    """Calls of a modular model that span a whole answer.

    Mixing weights are computed once for a batch, not once a token, and what a method concludes from the prompts
    (`Call.memory`) stays with its question when others leave or join the batch.
    """

    def __init__(self, model: ModularModel, tuned: bool) -> None:
        self._model, self._tuned = model, tuned

    @property
    def device(self) -> torch.device:
        """Where the model computes; what every step reads is best kept there."""
        return self._model.device

    def accepted_names(self) -> set[str]:
        """Names of the arguments that the base model's forward takes."""
        return set(inspect.signature(self._model.base.forward).parameters)

    def open(self, tasks: list[Blend], prompt_mask: Tensor) -> Opened:
        """For questions whose prompts [b, n] are about to be read."""
        if not self._tuned:
            nothing = torch.zeros(0, dtype=torch.long)
            return Opened(tasks, Call(nothing, [], nothing, disabled=True))
        known, device = self._model.adapter.num_tasks, self._model.device
        if all(len(blend) == 1 for blend in tasks):
            call = build_call([next(iter(blend)) for blend in tasks], known, device, training=False)
        else:
            call = build_blended_call(tasks, known, device)
        call.prompt_mask = prompt_mask.to(self._model.device)
        self._model.prepare(call)
        return Opened(tasks, call)

    def __call__(self, opened: Opened, **inputs: Any) -> Any:
        device = self._model.device
        moved = {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in inputs.items()}
        with enter_call(opened.call):
            return self._model.base(**moved)

    def join(self, first: Opened, second: Opened) -> Opened:
        """Both batches as one, first before second. Each prompt has been read already."""
        memory = {k: torch.cat([kept, second.call.memory[k]]) for k, kept in first.call.memory.items()}
        return self._again(first.tasks + second.tasks, memory)

    def select(self, opened: Opened, rows: list[int]) -> Opened:
        """Only these questions of a batch."""
        places = torch.tensor(rows, device=self._model.device)
        memory = {k: kept.index_select(0, places) for k, kept in opened.call.memory.items()}
        return self._again([opened.tasks[row] for row in rows], memory)

    def _again(self, tasks: list[Blend], memory: dict[int, Tensor]) -> Opened:
        opened = self.open(tasks, torch.ones(len(tasks), 0, dtype=torch.long))
        opened.call.memory = memory
        return opened


def end_tokens(base: LoadedBase) -> frozenset[int]:
    """Tokens that end an answer: what the model's generation settings and its tokenizer name."""
    named = getattr(base.model.generation_config, "eos_token_id", None)
    ends = set(named if isinstance(named, list) else [named]) | {base.tokenizer.eos_token_id}
    return frozenset(int(token) for token in ends if token is not None)
