"""One call of the modular model, and the layers that read it. The task travels with the call: a ContextVar for one
forward or one generation. Two threads may use one model for two tasks; nothing is stored on shared modules.

Shapes: b examples, n tokens, G layers of a group, S skills; N tokens of examples behind each other in one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from core.base.errors import ModelError

TaskIds = Tensor | list[int] | tuple[int, ...]
Linears = list[nn.Module]


@dataclass(eq=False)
class Packed:
    """Examples behind each other in one row of tokens. owners [N]: the example of each token; wanted: the tokens
    whose outputs are read, to which the last block trims the row (`trims`, from its attention on)."""

    owners: Tensor
    wanted: Tensor | None = None
    trims: bool = False


class FastPath(Protocol):
    """A quicker way to what the definition says; put into a call from above, never imported by the definition."""

    def outputs(
        self, call: Call, group: int, x: Tensor, linears: Linears, gates: Tensor | None
    ) -> list[Tensor] | None:
        """As `LinearAdapter.run_group`, or None where the definition has to serve."""


@dataclass(eq=False)
class Call:
    """One forward or generation.

    task_ids [b] long, on the model's device; rows: the distinct tasks, ascending; slots [b]: position of each
    example's task in rows. blend [b, rows]: shares of the tasks in rows, where examples answer as mixtures of them;
    every example then has a row of weights of its own, which slots counts. `state`: what the adapter prepared once
    for the call, of the method's own type; `parts`, by group: the input of its layers, and the outputs not yet
    taken. prompt_mask [b, n]: the tokens of the question, for methods that read it; what they conclude from it
    stays in `memory`, by layer (first axis = examples), for decoding. penalties: what the adapter adds to the loss,
    where a list is.
    """

    task_ids: Tensor
    rows: list[int]
    slots: Tensor
    training: bool = False
    disabled: bool = False
    blend: Tensor | None = None
    state: object = None
    parts: dict[int, tuple[Tensor, dict[int, Tensor]]] = field(default_factory=dict)
    prompt_mask: Tensor | None = None
    memory: dict[int, Tensor] = field(default_factory=dict)
    penalties: list[Tensor] | None = None
    packed: Packed | None = None
    fast: FastPath | None = None

    def repeats(self, num_rows: int) -> int:
        """How many rows a layer sees for each example: 1, or the beams times return sequences of a generation."""
        if self.packed is not None:
            raise ModelError("adapter.not_packed")
        b = self.task_ids.shape[0]
        if num_rows % b:
            raise ModelError("adapter.rows", rows=num_rows, examples=b)
        return num_rows // b

    def mixed(self, rows: Tensor, axis: int = 0) -> Tensor:
        """Weights of the tasks in `rows` along an axis -> of a blended call those of its examples, sum_t q_t
        alpha_t, along the same axis; of any other call as they are."""
        if self.blend is None:
            return rows
        return torch.tensordot(self.blend.to(rows.dtype), rows.movedim(axis, 0), 1).movedim(0, axis)


def fast_outputs(
    call: Call, group: int, x: Tensor, linears: Linears, gates: Tensor | None = None
) -> list[Tensor] | None:
    """What the call's fast path makes of a group of layers; None: compute by the definition. gates [b, n, G, S]:
    weights that differ by token."""
    return None if call.fast is None else call.fast.outputs(call, group, x, linears, gates)


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


class Adapted(nn.Module):
    """In the place of a frozen module of the base model, `inner`: with an adapter on, `run` answers. Holds no
    numbers and no state; what it needs it finds in the current call, and the adapter behind `run` is no submodule.
    """

    def __init__(self, inner: nn.Module, run: Callable[[Call, Tensor], Tensor]) -> None:
        super().__init__()
        self.inner = inner
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        call = current_call()
        return self.inner(x) if call.disabled else self.run(call, x)


class AdaptedLinear(Adapted):
    """A frozen linear layer with an adapter's term added; models look at its weight."""

    @property
    def weight(self) -> Tensor:
        return self.inner.weight  # type: ignore[return-value]

    @property
    def bias(self) -> Tensor | None:
        return self.inner.bias  # type: ignore[return-value]


RunGroup = Callable[[Call, int, Tensor, Linears], list[Tensor]]


class LinearGroup:
    """Linear layers that read one input. The first one called computes all by `run_group` of the adapter; the
    others take their part. A member that is called with another input, or a second time with the same, starts a new
    round: the parts are an economy, never an assumption.
    """

    def __init__(self, index: int, linears: Linears, run: RunGroup) -> None:
        self.index = index
        self.linears = linears
        self.run = run

    def output(self, position: int, call: Call, x: Tensor) -> Tensor:
        kept = call.parts.get(self.index)
        if kept is None or kept[0] is not x or position not in kept[1]:
            outputs = self.run(call, self.index, x, self.linears)
            kept = call.parts[self.index] = (x, dict(enumerate(outputs)))
        output = kept[1].pop(position)
        if not kept[1]:
            del call.parts[self.index]
        return output
