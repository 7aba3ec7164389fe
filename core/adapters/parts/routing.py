"""Task ids -> mixing weights. One router tensor for the whole model, read once a step.

Source: Polytropon (arXiv 2202.13914, section 3) for the Gumbel-sigmoid allocation; C-Poly (arXiv 2312.03248,
section 3) for the split into common and private skills. See assets/docs/methods.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALLEST = 1e-12


def gumbel_sigmoid(logits: Tensor, temperature: float) -> Tensor:
    """A sample of the relaxed Bernoulli: sigmoid((w + log u - log(1 - u)) / tau) with u ~ U(0, 1)."""
    u = torch.rand_like(logits).clamp_(1e-6, 1 - 1e-6)
    return torch.sigmoid((logits + torch.log(u) - torch.log1p(-u)) / temperature)


def normalise(weights: Tensor) -> Tensor:
    """Divides by the sum over the last axis, the common skills."""
    return weights / (weights.sum(-1, keepdim=True) + SMALLEST)


class TaskRouter(nn.Module):
    """The allocation of all layers: logits [L, T, A], and [L, T, T*B] for a learnable private block.

    L counts the layers times the routing heads (1 for one allocation of the whole model), T tasks, A common and B
    private skills. Logits start from U(-1e-3, 1e-3); the private block starts as the identity.
    """

    def __init__(self, num_layers: int, num_tasks: int, num_common: int, num_private: int, learnable: bool) -> None:
        super().__init__()
        self.num_private = num_private
        self.logits = nn.Parameter(torch.empty(num_layers, num_tasks, num_common).uniform_(-1e-3, 1e-3))
        self.private: nn.Parameter | None = None
        if learnable and num_private:
            eye = torch.eye(num_tasks).repeat_interleave(num_private, 1)
            self.private = nn.Parameter(eye.expand(num_layers, -1, -1).clone())

    @property
    def num_tasks(self) -> int:
        return self.logits.shape[1]

    def common_weights(self, task_ids: Tensor, temperature: float | None) -> Tensor:
        """[L, m, A] for tasks [m]: noisy with this temperature, or sigmoid(logits) when it is None."""
        rows = self.logits.index_select(1, task_ids)
        return normalise(torch.sigmoid(rows) if temperature is None else gumbel_sigmoid(rows, temperature))

    def private_weights(self, task_ids: Tensor, present: list[int]) -> Tensor:
        """[L, m, R*B]: weights of the private skills of the R tasks in `present` for tasks [m]."""
        if self.private is not None:
            return self.private.index_select(1, task_ids)
        columns = torch.tensor(present).repeat_interleave(self.num_private).to(task_ids.device, non_blocking=True)
        own = (task_ids[:, None] == columns[None]).to(self.logits.dtype)
        return own.expand(self.logits.shape[0], -1, -1)

    def gathered_tasks(self, present: list[int]) -> list[int]:
        """Tasks whose private skills a call needs: those present; all of them when the private block is
        learnable.
        """
        return present if self.private is None else list(range(self.num_tasks))

    @torch.no_grad()
    def weights_of(self, task: int, present: list[int]) -> Tensor:
        """[L, A + R*B]: a task's weights of the common skills and of the private ones of the R tasks in `present`,
        at evaluation."""
        one = torch.tensor([task], device=self.logits.device)
        common = self.common_weights(one, None)[:, 0]
        return torch.cat([common, self.private_weights(one, present)[:, 0]], -1) if self.num_private else common

    @torch.no_grad()
    def allocation(self) -> Tensor:
        """[L, T, A + T*B]: the mixing weights of evaluation over the whole inventory."""
        tasks = torch.arange(self.num_tasks, device=self.logits.device)
        common = self.common_weights(tasks, None)
        if not self.num_private:
            return common
        return torch.cat([common, self.private_weights(tasks, tasks.tolist())], -1)
