"""Measuring again, in a finished run, what its skills add and what each does (runs of older versions lack it).
Needs torch."""

from __future__ import annotations

from pathlib import Path

from core.asking.trained import load_trained
from core.evaluation.contributions import write_contributions
from core.insight.skill_drafts import write_drafts
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit
from core.training.evidence import write_evidence
from core.training.session import build_encoder


def measure_run(run_dir: Path) -> None:
    """Writes <run>/contributions.json, evidence.json and skill_drafts.json.

    Raises:
        RunError: the run has no trained adapter. ModelError: it cannot be loaded.
    """
    folder = RunFolder(run_dir)
    trained = load_trained(folder)
    dataset = load_saved_dataset(folder.data_dir)
    write_contributions(folder.contributions_path, trained.base, trained.model, dataset)
    encoder = build_encoder(trained.base, trained.config)
    split = EncodedSplit(dataset, "validation", encoder, trained.config.validation_rows)
    write_evidence(folder.evidence_path, AnswerModel(trained.model), split, dataset.names())
    write_drafts(run_dir)
