"""Evidence equals the slow definition: a row at a time, factors set to zero by hand, plain losses."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.adapters.allocation_metrics import cosine
from core.adapters.parts.untrained import SEED
from core.asking.measuring import measure_run
from core.asking.trained import load_trained
from core.base.files import read_json
from core.insight.advice import describe_advice
from core.insight.evidence import evidence_from_record, read_evidence, skill_effects
from core.insight.evidence_words import describe_evidence
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset
from core.training import evidence, pull
from core.training.answer_model import AnswerModel
from core.training.batches import EncodedSplit
from core.training.evidence import ROWS, change_of, measure_evidence, weigh_skills
from core.training.reporting import CANCEL, PAUSE, STOP, RunCancelled, RunPaused
from core.training.session import build_encoder
from tests.serving.conftest import make_trained_run, tiny_llama_dir  # noqa: F401  a fixture

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> Path:  # noqa: F811
    made = make_trained_run(tmp_path_factory.mktemp("workspace"), tiny_llama_dir)
    folder = RunFolder(made)
    folder.write_config(replace(folder.read_config(), precision="float32"))
    measure_run(made)
    return made


class Slow:
    """The definition, a row at a time, without packing, picked positions or shared passes."""

    def __init__(self, run_dir: Path) -> None:
        self.run = load_trained(RunFolder(run_dir))
        self.run.model.eval()
        dataset = load_saved_dataset(RunFolder(run_dir).data_dir)
        self.split = EncodedSplit(dataset, "validation", build_encoder(self.run.base, self.run.config))

    @torch.no_grad()
    def losses(self, task: int, row_of: int | None = None) -> np.ndarray:
        found = []
        for example in self.split.examples[task][:ROWS]:
            ids, labels = torch.tensor([example.input_ids]), torch.tensor([example.labels])
            logits = self.run.model(ids, task_ids=[task if row_of is None else row_of]).logits
            loss = functional.cross_entropy(logits[0, :-1].float(), labels[0, 1:], ignore_index=-100)
            found.append(float(loss))
        return np.array(found)

    def pull(self, task: int, group: int) -> torch.Tensor:
        """The gradient of the common skills, flat."""
        common, total, tokens = self.run.model.adapter.bank.common.requires_grad_(True), torch.zeros(()), 0
        for example in self.split.examples[task][:16][group::4]:
            ids, labels = torch.tensor([example.input_ids]), torch.tensor([example.labels])
            logits = self.run.model(ids, task_ids=[task]).logits
            total = total + functional.cross_entropy(logits[0, :-1].float(), labels[0, 1:], reduction="sum")
            tokens += int((labels[0, 1:] != -100).sum())
        return torch.autograd.grad(total / tokens, common)[0].flatten().double()

    def without(self, task: int, columns: list[int]) -> np.ndarray:
        bank, kept = self.run.model.adapter.bank, {}
        with torch.no_grad():
            for column in columns:
                factors = bank.common if column < 3 else bank.private[column - 3]
                place = column if column < 3 else 0
                kept[column] = (factors, place, factors[place].clone())
                factors[place] = 0.0
        losses = self.losses(task)
        with torch.no_grad():
            for factors, place, numbers in kept.values():
                factors[place] = numbers
        return losses


@pytest.fixture(scope="module")
def slow(run_dir: Path) -> Slow:
    return Slow(run_dir)


def test_every_cell_is_the_slow_definition(run_dir: Path, slow: Slow) -> None:
    record = read_json(RunFolder(run_dir).evidence_path)
    for task in range(3):
        own = slow.losses(task)
        assert record["own"][task] == pytest.approx(own.mean(), abs=TOLERANCE)
        for column, cell in enumerate(record["cells"][task]):
            if column >= 3 and column - 3 != task:
                assert cell is None  # another task's own skill
                continue
            wanted = change_of(own, slow.without(task, [column]))
            assert cell == pytest.approx(wanted, abs=TOLERANCE)
        assert record["without_common"][task] == pytest.approx(
            change_of(own, slow.without(task, [0, 1, 2])), abs=TOLERANCE
        )
        for other in range(3):
            cell = record["borrowed"][task][other]
            if other == task:
                assert cell is None
            else:
                assert cell == pytest.approx(change_of(own, slow.losses(task, other)), abs=TOLERANCE)


def test_the_pull_is_the_slow_definition(run_dir: Path, slow: Slow) -> None:
    """Fresh skills by hand, the mean over a group's answer tokens a row at a time, the cosine written out."""
    record, adapter = read_json(RunFolder(run_dir).evidence_path)["pull"], slow.run.model.adapter
    assert record["tasks"] == [0, 1, 2]
    trained = {name: numbers.clone() for name, numbers in adapter.state_dict().items()}
    try:
        with torch.no_grad():
            torch.manual_seed(SEED)
            fresh = adapter.bank.new_skills(3)
            for parameter in adapter.parameters():
                parameter.zero_()
            adapter.bank.common.copy_(fresh)
        for group in range(4):  # as many as a task has check rows
            pulls = [slow.pull(task, group) for task in range(3)]
            for one, row in zip(pulls, record["cosines"][group], strict=True):
                wanted = [float(one @ other / (one.norm() * other.norm())) for other in pulls]
                assert row == pytest.approx(wanted, abs=TOLERANCE)
                assert min(wanted) < 0.99
    finally:
        adapter.load_state_dict(trained)


def test_products_by_chunks_are_the_cosines() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 2 * pull.CHUNK + 3)).astype(np.float32)
    rows[1] = 0.0
    assert pull.cosines_of(rows) == pytest.approx(cosine(rows.astype(np.float64)), abs=1e-9)


def test_memory_that_runs_out_leaves_the_run_as_it_was(
    slow: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backward pass and then every pass fails: not measured, said, and no exception."""
    model, told = AnswerModel(slow.run.model), []
    before = {name: numbers.clone() for name, numbers in slow.run.model.adapter.state_dict().items()}
    monkeypatch.setattr(pull, "MOST_NUMBERS", 10)
    assert pull.measure_pull(model, slow.split) is None
    monkeypatch.undo()

    def fails(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.Tensor, "backward", fails)
    assert pull.measure_pull(model, slow.split) == {}
    assert "pull" not in measure_evidence(model, slow.split, ["a", "b", "c"])  # so it can be asked for again
    monkeypatch.setattr(AnswerModel, "forward", fails)
    journal = SimpleNamespace(
        progress=lambda **_: None, wish=lambda: None, event=lambda kind, **values: told.append(values)
    )
    paths = SimpleNamespace(evidence_path=tmp_path / "evidence.json")
    weigh_skills(SimpleNamespace(journal=journal, paths=paths, model=model, validation=slow.split), ["a", "b", "c"])
    assert told == [{"key": "training.not_weighed", "values": {"detail": "CUDA out of memory"}}]
    assert not paths.evidence_path.exists()
    after = slow.run.model.adapter.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_nothing_is_left_changed(run_dir: Path, slow: Slow) -> None:
    before = read_json(RunFolder(run_dir).evidence_path)
    measure_run(run_dir)
    assert read_json(RunFolder(run_dir).evidence_path) == before


def test_base_losses_are_those_of_the_untouched_model(run_dir: Path, slow: Slow) -> None:
    record = read_json(RunFolder(run_dir).evidence_path)
    with slow.run.model.disabled():
        assert record["base"][1] == pytest.approx(slow.losses(1).mean(), abs=TOLERANCE)


def test_intervals_shrink_with_rows_and_one_row_has_none() -> None:
    own = np.zeros(4)
    few, many = change_of(own[:2], np.array([1.0, 2.0])), change_of(np.zeros(16), np.tile([1.0, 2.0], 8))
    assert few["low"] < 0 < many["low"] < 1.5 < many["high"] < few["high"]
    assert change_of(own[:1], np.array([1.0])) == {"value": 1.0}
    assert change_of(own[:0], own[:0]) is None


def record_of(cells: dict, commons: list, privates: list, borrowed: list | None = None, rows: int = 16) -> dict:
    """Two tasks, two common skills and one private one each; every change is given as (value, half an interval)."""

    def cell(change):
        return None if change is None else dict(zip(("value", "low", "high"), _around(*change), strict=True))

    return {
        "tasks": ["mails", "bills"],
        "skills": ["common 1", "common 2", "private 1", "private 2"],
        "rows": [rows, rows],
        "own": [1.0, 1.0],
        "base": [3.0, 3.0],
        "cells": [[cell(c) for c in cells["mails"]], [cell(c) for c in cells["bills"]]],
        "without_common": [cell(c) for c in commons],
        "without_private": [cell(c) for c in privates],
        "borrowed": [[None, cell(borrowed[0])], [cell(borrowed[1]), None]] if borrowed else [[None] * 2] * 2,
    }


def _around(value: float, half: float) -> tuple[float, float, float]:
    return value, value - half, value + half


SURE, MAYBE, TINY = (0.5, 0.1), (0.5, 0.6), (0.004, 0.001)


def keys(record: dict) -> list[str]:
    return [sentence.key for sentence in describe_evidence(evidence_from_record(record))]


def test_a_task_with_too_few_check_rows_has_no_cell_in_the_picture() -> None:
    cells = {"mails": [SURE, SURE, SURE, None], "bills": [SURE, SURE, None, SURE]}
    record = record_of(cells, [SURE, SURE], [SURE, SURE])
    record["rows"] = [16, 1]
    shown = skill_effects(evidence_from_record(record))
    assert shown.loc["mails"].notna().all()
    assert shown.loc["bills"].isna().all()


def test_a_shared_skill_is_named_with_what_each_task_loses() -> None:
    cells = {"mails": [SURE, MAYBE, SURE, None], "bills": [(1.0, 0.1), MAYBE, None, MAYBE]}
    said = describe_evidence(evidence_from_record(record_of(cells, [SURE, SURE], [SURE, MAYBE])))
    assert [s.key for s in said] == ["says.shared_skill", "says.own_skill"]
    assert said[0].text.startswith("mails, bills share common 1")
    assert said[0].values["percents"] == "39, 63"  # 1 - e^-0.5, 1 - e^-1


@pytest.mark.parametrize("change", [MAYBE, TINY])
def test_what_may_be_chance_or_is_too_small_is_not_said(change) -> None:
    cells = {"mails": [change, change, change, None], "bills": [change, change, None, change]}
    assert keys(record_of(cells, [change] * 2, [change] * 2)) == ["says.shares_nothing"]


def test_a_task_stands_in_one_sentence_and_little_is_no_need() -> None:
    """A task that needs a single skill is not among those to which the common ones bring nothing; one per cent, or
    a hundredth of the gain, is measurable and no need; every task beyond chance is in a sentence."""
    little, clear = (0.015, 0.001), (0.11, 0.001)  # of a gain of 2.0
    cells = {"mails": [clear, TINY, clear, None], "bills": [little, TINY, None, little]}
    said = describe_evidence(evidence_from_record(record_of(cells, [TINY, little], [clear, little])))
    assert [(s.key, s.values.get("tasks")) for s in said] == [
        ("says.used_skill", "mails"),
        ("says.common_small", "bills"),
        ("says.own_skill", None),
    ]
    assert said[-1].values["count"] == 1
    apart = {"mails": [clear, TINY, clear, None], "bills": [TINY, TINY, None, TINY]}
    found = describe_evidence(evidence_from_record(record_of(apart, [clear, SURE], [TINY] * 2)))
    assert [(s.key, s.values["tasks"]) for s in found] == [
        ("says.used_skill", "mails"),
        ("says.needs_common", "bills"),
    ]
    better = evidence_from_record(record_of(apart, [clear, (-0.3, 0.1)], [TINY] * 2))
    assert [s.key for s in describe_evidence(better)] == ["says.used_skill", "says.common_harms"]
    # a small use of one skill does not hide that all of them harm, nor a need of one
    harmed = evidence_from_record(record_of(cells, [(-0.3, 0.1), (-0.3, 0.02)], [TINY] * 2))
    said = [(s.key, s.values["tasks"]) for s in describe_evidence(harmed)]
    assert said == [("says.used_skill", "mails"), ("says.common_harms", "mails, bills")]
    one = {"mails": [TINY, (-0.3, 0.02), TINY, None], "bills": [TINY, TINY, None, TINY]}
    found = describe_evidence(evidence_from_record(record_of(one, [TINY] * 2, [TINY] * 2)))
    assert [(s.key, s.values["tasks"], s.values.get("percents")) for s in found] == [
        ("says.shares_nothing_here", "bills", None),
        ("says.skill_harms", "mails", "35"),
    ]
    # that a method's only kind of skills is needed is no finding
    assert keys(record_of(cells, [None] * 2, [SURE] * 2)) == ["says.no_common"]
    lone = record_of(cells, [SURE] * 2, [None] * 2)
    lone |= {"skills": ["shared"], "cells": [row[:1] for row in lone["cells"]]}
    assert keys(lone) == ["says.one_skill"]
    assert describe_advice(evidence_from_record(lone)) == []


def test_skills_that_stand_in_for_each_other_are_needed_together() -> None:
    cells = {"mails": [TINY, TINY, SURE, None], "bills": [TINY, TINY, None, SURE]}
    assert keys(record_of(cells, [SURE, MAYBE], [SURE, SURE])) == [
        "says.needs_common",
        "says.shares_nothing_here",
        "says.own_skill",
    ]


def test_a_better_row_is_proposed_only_when_sure() -> None:
    cells = {"mails": [SURE, TINY, SURE, None], "bills": [SURE, TINY, None, SURE]}
    better, maybe = (-0.3, 0.1), (-0.3, 0.4)
    assert keys(record_of(cells, [SURE] * 2, [SURE] * 2, [better, SURE]))[-1] == "says.better_borrowed"
    assert "says.better_borrowed" not in keys(record_of(cells, [SURE] * 2, [SURE] * 2, [maybe, SURE]))


def test_few_rows_allow_no_sentence() -> None:
    cells = {"mails": [SURE, SURE, SURE, None], "bills": [SURE, SURE, None, SURE]}
    made = record_of(cells, [SURE] * 2, [SURE] * 2, rows=2)
    assert keys(made) == ["says.evidence_few"]
    said = describe_evidence(evidence_from_record({**made, "rows": [16, 1]}))  # one task has enough
    assert [(s.key, s.values.get("tasks")) for s in said][:3] == [
        ("says.used_skill", "mails"),
        ("says.used_skill", "mails"),
        ("says.common_few", "bills"),
    ]
    assert said[-1].values["count"] == 1


def test_share_of_the_gain_that_common_skills_carry() -> None:
    cells = {"mails": [SURE, TINY, SURE, None], "bills": [SURE, TINY, None, SURE]}
    found = evidence_from_record(record_of(cells, [(0.5, 0.1), (3.0, 0.1)], [SURE] * 2))
    assert found.common_share["mails"] == pytest.approx(0.25)
    assert found.common_share["bills"] == 1.0
    assert not math.isnan(found.own["mails"])


def test_runs_without_evidence_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert read_evidence(tmp_path / "run") is None


def test_it_tells_how_far_it_is_and_asks_fewer_rows_of_many_tasks(
    slow: Slow, run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, told = AnswerModel(slow.run.model), []
    monkeypatch.setattr(evidence, "ROWS_OF_ALL", 6)
    monkeypatch.setattr(evidence, "FEWEST_ROWS", 1)
    path, names = tmp_path / "evidence.json", ["a", "b", "c"]
    evidence.write_evidence(path, model, slow.split, names, lambda done, total: told.append((done, total)))
    assert told == [(done, len(told)) for done in range(len(told))]
    found, whole = read_json(path), read_json(RunFolder(run_dir).evidence_path)
    assert found["rows"] == [2, 2, 2]
    assert found["places"] == [rows[:2] for rows in whole["places"]]
    few = [[None if cell is None else cell[:2] for cell in row] for row in whole["row_changes"]["cells"]]
    for row, wanted in zip(found["row_changes"]["cells"], few, strict=True):
        for cell, one in zip(row, wanted, strict=True):
            assert (cell is None) == (one is None)
            assert cell is None or cell == pytest.approx(one, abs=2e-4)  # rounded to four places


@pytest.mark.parametrize(("wish", "error"), [(CANCEL, RunCancelled), (PAUSE, RunPaused), (STOP, None)])
def test_a_wish_ends_the_weighing(slow: Slow, tmp_path: Path, wish: str, error: type[Exception] | None) -> None:
    journal = SimpleNamespace(progress=lambda **_: None, wish=lambda: wish, event=lambda *_, **__: None)
    paths = SimpleNamespace(evidence_path=tmp_path / "evidence.json")
    work = SimpleNamespace(journal=journal, paths=paths, model=AnswerModel(slow.run.model), validation=slow.split)
    with pytest.raises(error) if error else nullcontext():
        weigh_skills(work, ["a", "b", "c"])
    assert not paths.evidence_path.exists()
