"""A call over examples of several tasks in one row of tokens, by the model's own attention: on every device.

Unlike packed rows (core/adapters/fast/packed.py), whose attention is computed in chunks on a processor, the row is
an ordinary one for the base model, with positions and a mask that say what an example sees; only the adapter is
told which example, and so which task, a token belongs to.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from core.adapters.call import TaskIds
from core.adapters.fast.packed import Joined, JoinedRow
from core.models.modular import ModularModel


def forward_joined(
    model: ModularModel,
    input_ids: Tensor,
    owners: Tensor,
    task_ids: TaskIds,
    penalties: list[Tensor] | None = None,
    **others: Any,
) -> Any:
    """As `ModularModel.forward` for input_ids [1, N]; owners [N]: the example of each token, one task id for each.

    Raises:
        ModelError: the adapter cannot tell tokens of one row apart.
    """
    tokens = [owners[:0]] * len(task_ids)  # how many there are; where they stand only a packed attention asks
    row = JoinedRow(owners=owners, packing=Joined(tokens))
    with model._call(task_ids, input_ids, None, penalties, row):
        return model.base(input_ids=input_ids, **others)
