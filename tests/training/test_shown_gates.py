"""The map of methods with gates shows what the trained gates do with check questions, not what they did before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.evaluation.observing import observe
from core.models.building import build_modular
from core.models.loading import load_base
from core.models.modular import ModularModel
from core.tasks.dataset import load_dataset_of
from core.tasks.encoding import IGNORED, Encoded
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit
from core.training.config import RunConfig
from core.training.manifest import TrainingState
from core.training.session import build_encoder
from core.training.stage import StageWatch
from core.training.validation import SHOWN_ROWS, check_losses
from core.workspace import Project
from tests.serving.conftest import shake


def asked_one_by_one(model: ModularModel, rows: list[Encoded], task: int) -> np.ndarray:
    """The mean weights [L, S] of the questions, each read alone."""
    prompts = [[i for i, label in zip(r.input_ids, r.labels, strict=True) if label == IGNORED] for r in rows]
    return torch.stack([observe(model, ids, None, task).weights for ids in prompts]).mean(0).numpy()


def check_in_training(model: AnswerModel, checked: EncodedSplit, practised: EncodedSplit) -> None:
    pace, shard = SimpleNamespace(pause=lambda _: None), SimpleNamespace(rank=0, world=1)
    rest = {"device": model.modular.device, "scores": None, "writes": False, "pace": pace, "shard": shard}
    plan = SimpleNamespace(stages=[SimpleNamespace(steps=1)])
    work = SimpleNamespace(model=model, validation=checked, train=practised, config=RunConfig(), plan=plan, **rest)
    watch = StageWatch(work, 1, TrainingState(stage=1, step=0), None)
    watch.trainer = SimpleNamespace(num_tokens=0)
    assert not watch.check(0)


@pytest.mark.parametrize("method", ["mta", "moe_lora", "task_moe"])
def test_the_map_is_of_the_check_questions(method: str, toy_project: Project, tiny_llama: Path) -> None:
    base, dataset = load_base(str(tiny_llama)), load_dataset_of(toy_project)
    model = build_modular(base, method, None, len(dataset.tasks))
    shake(model)
    model.set_stage(model.adapter.num_stages)
    answers, encoder = AnswerModel(model), build_encoder(base, RunConfig())
    checked, practised = (EncodedSplit(dataset, split, encoder) for split in ("validation", "train"))

    check_losses(answers, checked, 3, model.device)
    answers.train()
    answers(practised.collate(practised.places()[:4]))  # training goes on, and is not shown
    for task, rows in enumerate(checked.examples):
        found = model.allocation()[:, task]
        np.testing.assert_allclose(found, asked_one_by_one(model, rows, task), atol=1e-5)
        assert np.ptp(found) > 1e-3

    first = model.allocation()[:, 0]
    few = replace(dataset, examples={**dataset.examples, (1, "validation"): []})
    unchecked = EncodedSplit(few, "validation", encoder)
    check_in_training(answers, unchecked, practised)  # so every snapshot shows it, and not only the last
    wanted = asked_one_by_one(model, practised.examples[1][:SHOWN_ROWS], 1)
    np.testing.assert_allclose(model.allocation()[:, 1], wanted, atol=1e-5)
    np.testing.assert_allclose(model.allocation()[:, 0], first, atol=1e-5)
