"""The weight role: a column that says how much a practice row counts, from the file to the loss."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.base.errors import SettingError
from core.tasks.changing.add_task import add_task, update_task
from core.tasks.dataset import load_dataset_of, load_saved_dataset, save_dataset
from core.tasks.guessing.roles import guess_roles
from core.tasks.health.report import health_report
from core.tasks.reading.files import read_table
from core.training.batches import EncodedSplit, Encoder
from core.workspace import Project
from tests.tiny_models import build_tokenizer


@pytest.fixture
def weighted(project: Project, tmp_path: Path) -> Project:
    """50 rows whose weights are 3 (even lines), 1 (odd) and 0 (the last five)."""
    path = tmp_path / "w.csv"
    rows = [f"text number {i},{'ab'[i % 2]},{0 if i >= 45 else 3 if i % 2 else 1}" for i in range(50)]
    path.write_text("text,label,weight\n" + "\n".join(rows) + "\n", encoding="utf-8")
    add_task(project, path)
    return project


def test_a_weight_column_is_offered_and_never_read_as_input(weighted: Project, tmp_path: Path) -> None:
    guess = guess_roles(read_table(tmp_path / "w.csv"))
    assert (guess.inputs, guess.targets, guess.weight_column) == (("text",), ("label",), "weight")
    assert "guess.weight_column" in [key for key, _ in guess.reasons]
    assert {e.weight for e in load_dataset_of(weighted).split(0, "train")} == {1.0}  # not used unasked


def test_weights_have_a_mean_of_one_and_rows_of_weight_zero_go(weighted: Project, tmp_path: Path) -> None:
    plain = load_dataset_of(weighted)
    update_task(weighted, "w", {"weight": "weight"})
    dataset = load_dataset_of(weighted)
    rows = dataset.split(0, "train")
    assert len(rows) == sum(1 for e in plain.split(0, "train") if e.line <= 46)
    assert sum(e.weight for e in rows) == pytest.approx(len(rows))
    by_line = {e.line: e.weight for e in rows}
    heavy = [w for line, w in by_line.items() if line % 2]  # line 3 is row 1
    light = [w for line, w in by_line.items() if not line % 2]
    assert all(h == pytest.approx(3 * light[0]) for h in heavy)
    assert dataset.split(0, "test") == plain.split(0, "test")  # the exam knows no weights
    save_dataset(dataset, tmp_path / "frozen")
    assert load_saved_dataset(tmp_path / "frozen") == dataset


@pytest.mark.parametrize("equal", [False, True])
def test_weights_reach_the_loss(weighted: Project, equal: bool) -> None:
    update_task(weighted, "w", {"weight": "weight"})
    dataset = load_dataset_of(weighted)
    tokenizer = build_tokenizer(chat=True)
    split = EncodedSplit(dataset, "train", Encoder(tokenizer, "decoder", 64, 0, equal_examples=equal))
    batch = split.collate([(0, 0), (0, 1), (0, 2)])
    for row in range(3):
        example = dataset.split(0, "train")[row]
        answer = split.examples[0][row]
        count = sum(1 for t in answer.labels if t != -100)
        mine = batch["token_weights"][sum(_counts(split)[:row]) : sum(_counts(split)[: row + 1])]
        expected = example.weight / count if equal else example.weight
        assert torch.allclose(mine, torch.full((count,), expected))
    assert len(batch["token_weights"].unique()) > 1


def _counts(split: EncodedSplit) -> list[int]:
    return [sum(1 for t in e.labels if t != -100) for e in split.examples[0]]


def test_bad_weights_are_named(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    rows = [f"text number {i},{'ab'[i % 2]},{'much' if i == 7 else 2}" for i in range(50)]
    path.write_text("text,label,weight\n" + "\n".join(rows) + "\n", encoding="utf-8")
    add_task(project, path)
    update_task(project, "w", {"weight": "weight"})
    found = {f.key: f for f in health_report(project).tasks[0].findings}
    assert found["health.bad_weights"].places == (("train", 9),)
    with pytest.raises(SettingError, match="weight"):
        update_task(project, "w", {"weight": "label"})
    with pytest.raises(SettingError, match="nowhere"):
        update_task(project, "w", {"weight": "nowhere"})
