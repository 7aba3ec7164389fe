"""Base model and adapter as one modular model: task ids for every call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from core.adapters.base import Adapter
from core.adapters.call import Call, TaskIds, build_call, current_call, enter_call, has_call
from core.adapters.fast.packed import JoinedRow, PackedRow, Packing
from core.adapters.fast.packed_attention import packed_attention
from core.adapters.fast.path import FastPath
from core.base.errors import ModelError
from core.models.loading import LoadedBase
from core.models.model_reports import ModelReports


class ModularModel(ModelReports):
    """A frozen base model that answers as the task it is told.

    Every forward and generation takes `task_ids` [b], the allocation rows of its examples, as a list, a CPU tensor
    or a tensor on the device (the first two cost no host synchronisation). Safe for several threads.

    Raises (forward, generate):
        ModelError: no task ids, a task the adapter does not know, or another number of ids than examples.
    """

    def __init__(self, base: LoadedBase, adapter: Adapter, tasks: Sequence[str] = ()) -> None:
        super().__init__()
        self.base = base.model
        self.adapter = adapter
        self.model_id = base.model_id
        self.architecture = base.architecture
        self.tasks = list(tasks) or [f"task {i + 1}" for i in range(adapter.num_tasks)]

    @property
    def config(self) -> Any:
        return self.base.config

    @property
    def generation_config(self) -> Any:
        return self.base.generation_config

    @property
    def device(self) -> torch.device:
        return next(self.base.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.base.parameters()).dtype

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        task_ids: TaskIds | None = None,
        prompt_mask: Tensor | None = None,
        penalties: list[Tensor] | None = None,
        **others: Any,
    ) -> Any:
        """The base model's own output object (loss, logits, ...) for input_ids [b, n].

        prompt_mask [b, n] marks the tokens of the question for methods that read it; without it those are the
        tokens that are attended to and have no label. penalties: filled with what the adapter adds to a loss.
        """
        if prompt_mask is None:
            prompt_mask = self._prompt_mask(attention_mask, labels)
        with self._call(task_ids, input_ids, prompt_mask, penalties):
            return self.base(input_ids=input_ids, attention_mask=attention_mask, labels=labels, **others)

    def forward_packed(
        self,
        input_ids: Tensor,
        packing: Packing,
        task_ids: TaskIds,
        wanted: Tensor | None = None,
        penalties: list[Tensor] | None = None,
        **others: Any,
    ) -> Any:
        """As `forward` for examples that stand behind each other: input_ids [1, N], one task id for each example.

        wanted [P]: the tokens whose outputs are read. Where the model's last block can be trimmed
        (core/adapters/fast/last_block.py) the head sees these alone, in this order; see `Packed.trims`.

        Raises:
            ModelError: the adapter or the base model cannot keep them apart.
        """
        no_mask = torch.zeros(1, 1, 1, 1, device=input_ids.device)  # four axes: transformers makes no mask itself
        packed = PackedRow(owners=packing.owners, wanted=wanted, packing=packing)
        with self._call(task_ids, input_ids, None, penalties, packed), packed_attention(self.base.config):
            return self.base(input_ids=input_ids, attention_mask=no_mask, position_ids=packing.positions, **others)

    @torch.no_grad()
    def generate(self, input_ids: Tensor, task_ids: TaskIds | None = None, **others: Any) -> Tensor:
        """As transformers' generate; beams and several return sequences included."""
        mask = others.get("attention_mask")
        with self._call(task_ids, input_ids, mask):
            return self.base.generate(input_ids=input_ids, **others)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Inside, this thread's calls go to the base model alone, bit for bit; task ids may be left out."""
        nothing = torch.zeros(0, dtype=torch.long)
        with enter_call(Call(nothing, [], nothing, disabled=True)):
            yield

    def prepare(self, call: Call) -> None:
        """Computes once for a call what all its layers need."""
        self.adapter.prepare(call)
        if self.adapter.takes_fast_path:
            call.fast = FastPath(call)

    def _prompt_mask(self, attention_mask: Tensor | None, labels: Tensor | None) -> Tensor | None:
        if labels is None or self.architecture == "encoder_decoder":
            return attention_mask
        unlabelled = labels == -100
        return unlabelled if attention_mask is None else unlabelled & attention_mask.bool()

    @contextmanager
    def _call(
        self,
        task_ids: TaskIds | None,
        input_ids: Tensor,
        prompt_mask: Tensor | None,
        penalties: list[Tensor] | None = None,
        packed: PackedRow | JoinedRow | None = None,
    ) -> Iterator[None]:
        call = current_call() if has_call() else None
        if call is None or not call.disabled:
            call = build_call(task_ids, self.adapter.num_tasks, self.device, self.training)
            examples = input_ids.shape[0] if packed is None else len(packed.packing.tokens)
            if len(call.task_ids) != examples:
                raise ModelError("adapter.task_count", ids=len(call.task_ids), examples=examples)
            call.prompt_mask, call.penalties, call.packed = prompt_mask, penalties, packed
            self.prepare(call)
        with enter_call(call):
            yield
