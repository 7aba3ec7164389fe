"""What is asked of a modular model apart from answers: stages, names, the allocation as a table."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from torch import nn

from core.adapters.base import Adapter
from core.adapters.call import current_call, enter_call
from core.adapters.own_columns import pack_weights


class ModelReports(nn.Module):
    """The half of a modular model that no forward pass runs through."""

    base: Any
    adapter: Adapter
    tasks: list[str]

    def set_stage(self, stage: int) -> None:
        self.adapter.set_stage(stage)

    def parameter_groups(self, stage: int) -> dict[str, list[nn.Parameter]]:
        """What a stage (1, 2) trains: "skills" and "allocation", each to be given its learning rate."""
        return self.adapter.parameter_groups(stage)

    def add_task(self, name: str, like: int | None = None, seed: int = 0) -> int:
        """A row for one more task (a copy of task `like`'s, or the mean of all); returns its task id."""
        task = self.adapter.add_task(like, seed)
        self.tasks.append(name)
        return task

    def layer_names(self) -> list[str]:
        return self.adapter.layer_names()

    def allocation(self) -> np.ndarray:
        """[L, T, S] mixing weights at evaluation: layers x tasks x skills."""
        return self.adapter.allocation()

    def allocation_logits(self) -> np.ndarray:
        return self.adapter.allocation_logits()

    def allocation_table(self) -> dict[str, Any]:
        """The allocation as JSON values: layers, skills with their kind and task, weights [L][T][S], or [L][T][A]
        where `own_private` stands for the rest (`core.adapters.own_columns`)."""
        num_common = sum(skill.task is None for skill in self.adapter.skills())
        weights, own = pack_weights(self.allocation().astype(float), num_common)
        return {
            "layers": self.layer_names(),
            "tasks": self.tasks,
            "skills": [{"name": s.name, "kind": s.kind, "task": s.task} for s in self.adapter.skills()],
            "weights": weights.round(6).tolist(),
            "own_private": own,
        }

    def activation_checkpointing_enable(
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **others: Any
    ) -> None:
        """Recomputes blocks in the backward pass; the recomputation re-enters the call of its forward."""
        chosen = dict(activation_checkpointing_kwargs or {})
        chosen["use_reentrant"] = False
        chosen["context_fn"] = _recomputation_contexts
        self.base.activation_checkpointing_enable(activation_checkpointing_kwargs=chosen, **others)


def _recomputation_contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """For torch.utils.checkpoint: the recomputation may run in a thread of autograd's, which has no current
    call.
    """
    return nullcontext(), enter_call(current_call())
