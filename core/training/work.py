"""Everything the stages of a run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from core.training.answer_model import AnswerModel
from core.training.batches import BatchPlan, EncodedSplit
from core.training.check_scores import CheckScores
from core.training.config import RunConfig
from core.training.pace import Pace, time_limit
from core.training.plan import RunPlan
from core.training.reporting import CANCEL, PAUSE, STOP, Journal, RunPaths
from core.training.trainer import Shard


@dataclass
class RunWork:
    """What is trained, on what, where to, and how far it is."""

    config: RunConfig
    plan: RunPlan
    model: AnswerModel
    device: torch.device
    train: EncodedSplit
    validation: EncodedSplit
    batch_plan: BatchPlan
    journal: Journal
    paths: RunPaths
    pace: Pace
    shard: Shard = field(default_factory=Shard)
    settings_hash: str = ""
    scores: CheckScores | None = None  # where the best is kept by score

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.shard.rank == 0

    def wish(self, seconds: float) -> str | None:
        """What the user or the time limit wishes after so many seconds of training; all processes of a run agree on
        it, or one would wait for the others for ever."""
        wish = self.journal.wish()
        if wish is None and seconds >= time_limit(self.config):
            self.journal.event("notice", key="training.time_limit", values={"hours": self.config.max_hours})
            wish = STOP
        if self.shard.world == 1:
            return wish
        order = (None, STOP, PAUSE, CANCEL)
        number = torch.tensor(order.index(wish), device=self.device)
        torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.MAX)
        return order[int(number)]


def keep_moving(journal: Journal, model: Any) -> None:
    """Every pass over `model`, a transformers model, counts as progress, whoever asks it: what is measured after
    the training may take minutes without a step or a question, and a reader would take the run for stalled."""
    model.get_input_embeddings().register_forward_pre_hook(lambda *_: journal.progress())
