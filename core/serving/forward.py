"""How a worker calls a modular model: weights shared between runs, mixing weights computed once a batch.

An adapter wraps layers of its base model in place. So that several runs can stand on one base model, each gets a
copy of the module tree whose parameters are the very same tensors: it costs kilobytes, not the model again.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from core.adapters.context import Call, build_call, enter_call
from core.models.loading import LoadedBase
from core.models.modular import ModularModel


def share_weights(model: nn.Module) -> Any:
    """A copy of the module tree with the same parameter and buffer tensors."""
    tensors = [*model.parameters(), *model.buffers()]
    return copy.deepcopy(model, {id(t): t for t in tensors})


class TaskForward:
    """Calls of the modular model with mixing weights that are computed once for a batch, not once a token."""

    def __init__(self, model: ModularModel, tuned: bool) -> None:
        self._model, self._tuned = model, tuned
        self._tasks: tuple[int, ...] = ()
        self._call: Call | None = None

    def __call__(self, task_ids: list[int], **inputs: Any) -> Any:
        device = self._model.device
        moved = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}
        if not self._tuned:
            with self._model.disabled():
                return self._model.base(**moved)
        with enter_call(self._prepared(task_ids)):
            return self._model.base(**moved)

    def _prepared(self, task_ids: list[int]) -> Call:
        if self._call is None or self._tasks != tuple(task_ids):
            self._call = build_call(task_ids, self._model.adapter.num_tasks, self._model.device, training=False)
            self._model.adapter.prepare(self._call)
            self._tasks = tuple(task_ids)
        return self._call


def end_tokens(base: LoadedBase) -> frozenset[int]:
    """Tokens that end an answer: what the model's generation settings and its tokenizer name."""
    named = getattr(base.model.generation_config, "eos_token_id", None)
    ends = set(named if isinstance(named, list) else [named]) | {base.tokenizer.eos_token_id}
    return frozenset(int(token) for token in ends if token is not None)
