"""What methods have in common whose adapters all tasks share, mixed by gates that read what is asked: what is shown
of them is what the trained gates do with check questions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from core.adapters.base import LinearAdapter
from core.adapters.call import Call
from core.adapters.parts.bank import SkillBank
from core.adapters.parts.penalties import load_balance
from core.adapters.parts.switching import switched_off
from core.adapters.parts.usage import GateUsage
from core.adapters.targets import Site


class GatedAdapter(LinearAdapter):
    sites: list[Site]
    bank: SkillBank
    usage: GateUsage

    def keep_even(self, call: Call, gates: Sequence[Tensor], balance: float) -> None:
        """Adds the load-balance term of a group's layers, gates [..., M] each; the mean over all layers counts."""
        if call.penalties is not None and balance:
            even = torch.stack([load_balance(gate) for gate in gates])
            call.penalties.append(balance * even.sum() / len(self.sites))

    def layer_names(self) -> list[str]:
        return [site.name for site in self.sites]

    def allocation(self) -> np.ndarray:
        """[L, T, M]: the mean gate of the examples noted of each task (core/adapters/parts/usage.py)."""
        return self.usage.mean().cpu().numpy()

    def allocation_logits(self) -> np.ndarray:
        """[L, T, 0]: a gate has none that hold for a task."""
        return np.zeros((len(self.sites), self.num_tasks, 0), dtype=np.float32)

    @property
    def can_switch_off(self) -> bool:
        return True

    def switch_off(self, column: int) -> AbstractContextManager[None]:
        return switched_off(self.bank, column)
