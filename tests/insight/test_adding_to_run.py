"""A run learns one more task: the new one gets better, the old ones answer bit for bit as before."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.asking.new_task import PATIENCE, AddSettings, Learner, add_task_to_run
from core.base.errors import ModelError, RunError, SettingError
from core.base.lines import read_records
from core.chat.detecting import question_text
from core.chat.loading import RunShelf
from core.chat.protocol import ask
from core.insight.allocation import read_allocation
from core.insight.results import read_scores
from core.models.building import build_modular, load_adapter, save_adapter
from core.models.loading import load_base
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.dataset import TaskDataset, load_dataset_of, load_saved_dataset
from core.workspace import Workspace
from tests.serving.conftest import make_trained_run, tiny_llama_dir  # noqa: F401  a fixture

QUICK = AddSettings(counts=(4, 8), seeds=2, steps=3, exam_rows=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> RunFolder:  # noqa: F811
    return RunFolder(make_trained_run(tmp_path_factory.mktemp("workspace"), tiny_llama_dir))


@pytest.fixture(scope="module")
def new(folder: RunFolder) -> TaskDataset:
    project = Workspace(folder.workspace_dir).project_of_run(folder.path)
    rows = [{"text": f"letter {i}", "kind": ("bill", "offer")[i % 2]} for i in range(40)]
    path = folder.workspace_dir / "letters.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    add_task(project, path, TaskRequest(name="letters"))
    return load_dataset_of(project, ["letters"])


def test_a_grown_run_is_a_whole_run_and_old_tasks_are_bit_equal(folder: RunFolder, new: TaskDataset) -> None:
    seen: list[tuple[int, int]] = []
    before = {p.name for p in folder.path.parent.iterdir()}
    outcome = add_task_to_run(folder, new, QUICK, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[0] == (0, 4 * QUICK.steps)
    assert seen[-1] == (4 * QUICK.steps, 4 * QUICK.steps)
    assert {count: len(values) for count, values in outcome.curve.items()} == {4: 2, 8: 2}
    assert [name for name, _ in outcome.nearest] != []
    grown = RunFolder(outcome.run_dir)
    assert {p.name for p in folder.path.parent.iterdir()} == before | {grown.run_id}
    assert run_state(grown).state == "succeeded"
    names = ["task 0", "task 1", "pairs", "letters"]
    assert [task["name"] for task in grown.read_run()["tasks"]] == names
    dataset = load_saved_dataset(grown.data_dir)
    assert dataset.names() == names
    assert len(dataset.split(3, "train")) == 8
    allocation = read_allocation(grown.path)
    assert allocation.tasks == tuple(names)
    assert allocation.skills[-1].name == "private 4"
    assert [s.task for s in read_scores(grown.path)] == ["letters"]
    base = load_base(folder.read_config().base_model)
    ids = torch.tensor([[5, 6, 7, 8]])
    old = load_adapter(base, folder.adapter_dir)
    with torch.no_grad():
        expected = [old(ids, task_ids=[task]).logits for task in range(3)]
        after = load_adapter(load_base(folder.read_config().base_model), grown.adapter_dir)
        for task, logits in enumerate(expected):
            assert torch.equal(after(ids, task_ids=[task]).logits, logits)


def test_the_exam_of_a_new_task_answers_as_the_chat_does(
    folder: RunFolder, new: TaskDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.chat.loading.FEW", 0)  # the chat says how sure it is of these few check rows
    grown = RunFolder(add_task_to_run(folder, new, QUICK, lambda *_: None).run_dir)
    run, records = RunShelf().get(str(grown.path)), list(read_records(grown.answers_path(3)))
    assert {record["tuned"] for record in records} <= {"bill", "offer"}
    for record in records:
        asked = ask(grown.path, "letters", question_text(new.tasks[0], record["prompt"]))
        answer, _ = run.build_answer(0, asked)
        labels = run.labels_for(asked, answer)
        assert labels is not None
        (given,) = run.choose([(asked, answer, labels)], True)
        assert given.text == record["tuned"]
        assert given.certainty == pytest.approx(record["tuned_sure"], abs=0.02)  # an exam may compute in 16 bits


def test_training_the_row_lowers_the_loss_of_the_new_task(folder: RunFolder, new: TaskDataset) -> None:
    learner = Learner(folder, load_saved_dataset(folder.data_dir), new, AddSettings((8,), 1, 25))
    nearest = learner.rank_known_tasks()
    assert [loss for _, loss in nearest] == sorted(loss for _, loss in nearest)
    task = learner.model.adapter.add_task(like=nearest[0][0])
    rows = learner.draw(8, 0)
    batch = learner.batches(rows)[0]
    with torch.no_grad():
        start = float(learner.loss(task, batch))
    assert start <= nearest[0][1] + 1.0
    learner.train(task, rows)
    with torch.no_grad():
        assert float(learner.loss(task, batch)) < start - 0.01
    assert set(map(id, learner.draw(4, 0))) < set(map(id, rows))


def test_the_state_with_the_best_check_loss_is_kept(folder: RunFolder, new: TaskDataset) -> None:
    learner = Learner(folder, load_saved_dataset(folder.data_dir), new, AddSettings((4,), 1, 60))
    learner.rank_known_tasks()
    task, states = learner.model.adapter.add_task(like=0), list[dict[str, torch.Tensor]]()
    losses = iter(
        [3.0, 2.0, 2.5, 2.25, 2.75, 2.0, 1.0]
    )  # at a loss of 2.0 the check set is at its best, then it is over

    def check_loss(*_: object) -> float:
        states.append({k: v.clone() for k, v in learner.model.adapter.state_dict().items()})
        return next(losses)

    learner.check_loss = check_loss  # type: ignore[method-assign]
    learner.train(task, learner.draw(4, 0))
    after = learner.model.adapter.state_dict()
    assert len(states) == 2 + PATIENCE
    assert all(torch.equal(after[name], value) for name, value in states[1].items())
    assert not all(torch.equal(after[name], value) for name, value in states[-1].items())
    learner.new = replace(new, examples={(0, "train"): new.split(0, "train")})
    learner.train(task, learner.draw(4, 0))  # without check rows nothing is chosen by: none is asked for
    assert len(states) == 2 + PATIENCE


def test_what_cannot_be_learned_is_worded(folder: RunFolder, new: TaskDataset) -> None:
    known = TaskDataset(load_saved_dataset(folder.data_dir).tasks[:1], {})
    with pytest.raises(RunError, match="knows the task task 0 already"):
        add_task_to_run(folder, known, QUICK, lambda *_: None)
    with pytest.raises(RunError, match="no rows to learn from"):
        add_task_to_run(folder, TaskDataset(new.tasks, {}), QUICK, lambda *_: None)
    with pytest.raises(SettingError, match="steps is 0"):
        AddSettings(steps=0)
    kept = folder.adapter_dir.rename(folder.path / "kept")
    base = load_base(folder.read_config().base_model)
    save_adapter(build_modular(base, "lora", None, ["task 0", "task 1", "pairs"]), folder.adapter_dir)
    try:
        with pytest.raises(ModelError):
            add_task_to_run(folder, new, QUICK, lambda *_: None)
    finally:
        import shutil

        shutil.rmtree(folder.adapter_dir)
        kept.rename(folder.adapter_dir)
