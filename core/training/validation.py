"""The check during training: mean loss of every task on rows of its check set, without noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from core.adapters.fast.packed import Packing
from core.adapters.parts.usage import noting_gates
from core.training.answer_model import AnswerModel, Batch
from core.training.batches import EncodedSplit

SHOWN_ROWS = 16  # of a task without check rows


@dataclass(frozen=True)
class CheckResult:
    """Nats per answer token by task index (None without check rows), and the mean over the tasks that have some."""

    by_task: dict[int, float]
    mean: float | None


class TaskLossMeter:
    """Sums of token losses by task, kept on the device: reading them is the only time the host waits."""

    def __init__(self, num_tasks: int, device: torch.device) -> None:
        self._sums = torch.zeros(2, num_tasks + 1, dtype=torch.float64, device=device)

    def add(self, losses: torch.Tensor, tasks_of_tokens: torch.Tensor) -> None:
        ones = torch.ones_like(losses, dtype=torch.float64)
        self._sums[0].index_add_(0, tasks_of_tokens, losses.detach().double())
        self._sums[1].index_add_(0, tasks_of_tokens, ones)

    def sums(self) -> torch.Tensor:
        """[2, T + 1] on the device: sums of losses and counts of tokens (last column unused)."""
        return self._sums

    def read(self) -> tuple[dict[int, float], float | None]:
        """Means by task and over all tokens since the last reading; starts again."""
        totals, counts = self._sums.cpu().tolist()
        self._sums.zero_()
        by_task = {task: totals[task] / counts[task] for task in range(len(counts)) if counts[task]}
        return by_task, sum(totals) / sum(counts) if sum(counts) else None


@torch.no_grad()
def check_losses(
    model: AnswerModel, split: EncodedSplit, batch_size: int, device: torch.device, rank: int = 0, world: int = 1
) -> CheckResult:
    """Mean loss by task over all rows of `split`, in evaluation mode; the training mode is restored. What gates do
    with these rows is noted, for the map. Several processes share the batches and all get the same numbers."""
    was_training = model.training
    model.eval()
    meter = TaskLossMeter(len(split.examples), device)
    with noting_gates(model.modular.adapter) as noted:
        for number, batch in enumerate(split.batches(batch_size)):
            if number % world == rank:
                moved = to_device(batch, device)
                meter.add(model(moved), moved["tasks_of_tokens"])
    model.train(was_training)
    if world > 1:
        for sums in (meter.sums(), *noted):
            torch.distributed.all_reduce(sums)
    by_task, _ = meter.read()
    return CheckResult(by_task, sum(by_task.values()) / len(by_task) if by_task else None)


def note_unchecked(model: AnswerModel, checked: EncodedSplit, practised: EncodedSplit) -> None:
    """For the map: what gates do with some practice rows of the tasks that have no check rows."""
    tasks = [task for task, rows in enumerate(checked.examples) if not rows]
    rows = {task: range(min(SHOWN_ROWS, len(practised.examples[task]))) for task in tasks}
    batches = (practised.collate([(task, row) for row in rows[task]]) for task in tasks if rows[task])
    note_gates(model, batches, tasks)


@torch.no_grad()
def note_gates(model: AnswerModel, batches: Iterable[Batch], tasks: Sequence[int]) -> None:
    """What gates do with batches of some tasks, in evaluation mode; the training mode is restored."""
    was_training = model.training
    model.eval()
    with noting_gates(model.modular.adapter, tasks) as noted:
        for batch in batches if noted else ():
            model(to_device(batch, model.modular.device))
    model.train(was_training)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The tensors of a batch on a device. A card takes them without the host waiting only from pinned memory."""
    pins = device.type == "cuda"

    def moved(value: torch.Tensor) -> torch.Tensor:
        return (value.pin_memory() if pins and value.device.type == "cpu" else value).to(device, non_blocking=True)

    def there(value: object) -> object:
        if isinstance(value, torch.Tensor):
            return moved(value)
        return value.moved(moved) if isinstance(value, Packing) and device.type != "cpu" else value

    return {name: there(value) for name, value in batch.items()}
