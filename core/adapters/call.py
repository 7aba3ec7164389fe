"""The task of a call travels with the call: a ContextVar scoped to one forward or one generation.

Two threads may use one model for two tasks, because nothing is stored on the shared modules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from core.adapters.fast.packed import Packing
from core.base.errors import ModelError

TaskIds = Tensor | list[int] | tuple[int, ...]


@dataclass(eq=False)
class Call:
    """One forward or generation of the modular model.

    task_ids [b] long, on the model's device; rows: the distinct tasks, ascending; slots [b]: position of each
    example's task in rows. blend [b, R]: shares of the tasks in rows, where examples answer as mixtures of them;
    every example then has a row of weights of its own, which slots counts. `state` is what the adapter prepared
    once for the call, `shared` what the layers of one input hand to each other. prompt_mask [b, n]: the tokens of
    the question, for methods that read it; what they conclude from it stays in `memory` (first axis = examples)
    for the decoding steps that follow. packing: the examples stand behind each other in one row of tokens; owners
    [N]: the example of each token of it; wanted [P]: the tokens whose outputs are read, to which the last block
    trims the row (`trims`, from its attention on).
    """

    task_ids: Tensor
    rows: list[int]
    slots: Tensor
    training: bool = False
    blend: Tensor | None = None
    disabled: bool = False
    state: Any = None
    shared: dict[Any, Any] = field(default_factory=dict)
    prompt_mask: Tensor | None = None
    memory: dict[Any, Tensor] = field(default_factory=dict)
    packing: Packing | None = None
    owners: Tensor | None = None
    wanted: Tensor | None = None
    trims: bool = False

    def trim(self, x: Tensor) -> Tensor:
        """x [1, N, d] -> [1, P, d] of the wanted tokens; layers that follow find their owners."""
        assert self.wanted is not None  # the last block has looked
        assert self.owners is not None
        self.owners = self.owners.index_select(0, self.wanted)
        return x.index_select(1, self.wanted)

    def repeats(self, num_rows: int) -> int:
        """How many rows a layer sees for each example: 1, or the beams times return sequences of a generation."""
        b = self.task_ids.shape[0]
        if num_rows % b:
            raise ModelError("adapter.rows", rows=num_rows, examples=b)
        return num_rows // b


_CALL: ContextVar[Call | None] = ContextVar("taskloom_call", default=None)


def current_call() -> Call:
    call = _CALL.get()
    if call is None:
        raise ModelError("adapter.no_call")
    return call


def has_call() -> bool:
    return _CALL.get() is not None


@contextmanager
def enter_call(call: Call) -> Iterator[Call]:
    """Makes `call` the current one; also re-enters it where gradient checkpointing recomputes a block."""
    token = _CALL.set(call)
    try:
        yield call
    finally:
        _CALL.reset(token)


def mix_rows(call: Call, rows: Tensor, axis: int = 0) -> Tensor:
    """Weights of the tasks in `call.rows` along an axis -> of a blended call those of its examples, sum_t q_t
    alpha_t, along the same axis; of any other call as they are."""
    if call.blend is None:
        return rows
    return torch.tensordot(call.blend.to(rows.dtype), rows.movedim(axis, 0), 1).movedim(0, axis)


def build_call(task_ids: TaskIds | None, num_tasks: int, device: torch.device, training: bool) -> Call:
    """Checks the task ids and sorts out the distinct tasks.

    Ids given as a list or as a CPU tensor cost no host synchronisation; a tensor on an accelerator costs one.

    Raises:
        ModelError: no ids, ids of a wrong shape or type, or a task the adapter has no row for.
    """
    if task_ids is None:
        raise ModelError("adapter.task_missing", count=num_tasks)
    ids = torch.as_tensor(task_ids)
    if ids.dim() != 1 or ids.numel() == 0 or ids.is_floating_point() or ids.dtype == torch.bool:
        raise ModelError("adapter.task_shape", shape=tuple(ids.shape), dtype=str(ids.dtype))
    listed = ids.tolist()
    unknown = sorted({i for i in listed if not 0 <= i < num_tasks})
    if unknown:
        raise ModelError("adapter.task_unknown", task=unknown[0], count=num_tasks, last=num_tasks - 1)
    rows = sorted(set(listed))
    place = {task: slot for slot, task in enumerate(rows)}
    slots = torch.tensor([place[i] for i in listed])
    moved = ids.to(device=device, dtype=torch.long, non_blocking=True)
    return Call(moved, rows, slots.to(device, non_blocking=True), training=training)


def build_blended_call(blends: Sequence[Mapping[int, float]], num_tasks: int, device: torch.device) -> Call:
    """A call whose examples answer as mixtures of tasks, as prompt-aware routing wants it (WavLLM, arXiv
    2404.00656): the mixing weights of an example are sum_t q_t alpha_t. One task with the share 1 is that task.
    For inference only.

    blends: for each example its tasks' rows with their shares, which are made to sum to one.

    Raises:
        ModelError: no examples, no tasks, or a task the adapter has no row for.
    """
    likeliest = [max(blend, key=lambda task: blend[task]) for blend in blends if blend]
    call = build_call(likeliest if len(likeliest) == len(blends) else None, num_tasks, device, training=False)
    rows = sorted({task for blend in blends for task in blend})
    build_call(rows, num_tasks, device, training=False)  # every one of them must be known
    shares = torch.tensor([[blend.get(task, 0.0) for task in rows] for blend in blends])
    call.rows, call.slots = rows, torch.arange(len(blends), device=device)
    call.blend = (shares / shares.sum(1, keepdim=True)).to(device)
    return call
