"""transformers' Trainer with our batches, our loss and our seeds. One StageTrainer runs one stage.

What is taken over from the Trainer: the loop, accumulation, clipping, devices and data parallelism (accelerate),
and trackers. What is ours: which micro batch comes when, the loss on answer tokens, losses by task without a host
wait, and a seed for every micro batch, so that nothing depends on where a run was interrupted.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from core.base.seeds import torch_seed
from core.training.answer_model import AnswerModel, Batch
from core.training.batches import MicroBatches
from core.training.config import RunConfig, num_ranks
from core.training.validation import TaskLossMeter, to_device


@dataclass(frozen=True)
class Shard:
    """This process among all of the run."""

    rank: int = 0
    world: int = 1


ALONE = Shard()


@dataclass
class StageParts:
    """What a StageTrainer needs besides the model. `first_micro` numbers micro batches over the whole run."""

    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    batches: MicroBatches
    meter: TaskLossMeter
    first_micro: int
    steps: int
    shard: Shard


class StageTrainer(Trainer):
    """Trains what is not frozen for `parts.steps` optimizer steps."""

    loss_is_scaled_for_ga = True  # `_get_num_items_in_batch` counts over all micro batches and processes of a step

    def __init__(
        self,
        model: AnswerModel,
        config: RunConfig,
        arguments: TrainingArguments,
        parts: StageParts,
        callbacks: list[TrainerCallback],
    ) -> None:
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=parts.batches,
            callbacks=callbacks,
            optimizers=(parts.optimizer, parts.schedule),
        )
        self.remove_callback(PrinterCallback)
        self._parts = parts
        self._run_seed = config.seed
        self._micro = parts.first_micro
        self.num_tokens = 0
        self.gradient_norm: torch.Tensor | float | None = None

    @property
    def next_micro(self) -> int:
        """Number of the first micro batch that no process has taken yet."""
        return self._micro

    def get_train_dataloader(self) -> DataLoader[list[Batch]]:
        return DataLoader(self._parts.batches, batch_size=None, shuffle=False)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """One micro batch, its parts one by one: gradients add up and processes exchange them after the last."""
        torch.manual_seed(torch_seed(self._run_seed, self._micro + self._parts.shard.rank))
        self._micro += self._parts.shard.world
        losses = []
        device = self.args.device
        for number, part in enumerate([to_device(part, device) for part in inputs], 1):  # one go, no wait between
            self.num_tokens += part["num_tokens"]
            waits = self.accelerator.no_sync(model) if number < len(inputs) else nullcontext()
            with waits:
                losses.append(super().training_step(model, part, num_items_in_batch))
        return torch.stack(losses).sum()

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        losses = model(inputs)
        self._parts.meter.add(losses, inputs["tasks_of_tokens"])
        weighted = (losses * inputs["token_weights"]).sum()
        # Data parallelism averages gradients over the processes; the count is that of all of them.
        return weighted * (self._parts.shard.world / num_items_in_batch)

    def _get_num_items_in_batch(self, batch_samples: list[list[Batch]], device: torch.device) -> Any:
        """Sum of the answer tokens' weights over the micro batches of a step, in all processes."""
        count = sum(float(part["token_weights"].sum()) for parts in batch_samples for part in parts)
        if self._parts.shard.world == 1:
            return count
        total = torch.tensor(count, dtype=torch.float64, device=device)
        torch.distributed.all_reduce(total)
        return total.float()

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        self.gradient_norm = super()._get_grad_norm(model, grad_norm)
        return self.gradient_norm

    def report(self, step: int, values: dict[str, float]) -> None:
        """Passes values to the tracking tool at this step of the whole run; each stage has a Trainer of its own,
        whose steps begin again at 0."""
        own = self.state.global_step
        self.state.global_step = step
        try:
            self.log(values)
        finally:
            self.state.global_step = own


def training_arguments(config: RunConfig, steps: int, device: torch.device, output_dir: Path) -> TrainingArguments:
    """The Trainer's arguments: no checkpoints, evaluation, logs or printing of its own."""
    arguments = TrainingArguments(
        output_dir=str(output_dir),
        use_cpu=device.type == "cpu",
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulation,
        max_steps=steps,
        max_grad_norm=config.max_gradient_norm,
        seed=config.seed,
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",  # `StageWatch` logs, by task as well
        logging_nan_inf_filter=False,
        report_to=config.report_to,
        run_name=output_dir.parent.name,
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=True,
        ddp_backend="gloo" if device.type == "cpu" and num_ranks(config) > 1 else None,
    )
    if arguments.n_gpu > 1:  # it would spread every batch over all cards it sees (DataParallel)
        arguments._n_gpu = 1
    return arguments
