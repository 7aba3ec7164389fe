"""Leaving tasks out, fewer rows, and the curve of a new task, with hand-made answers in place of trainings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.asking import child_runs, probe_model
from core.asking.learning_curve import fewer_rows, run_curve
from core.asking.leaving_out import count_leave_out, run_leave_out, shorten, without_task
from core.base.errors import RunError
from core.base.records import from_record
from core.insight import learning_curve
from core.insight.growth import Growth, describe_growth, growth_frame
from core.insight.learning_curve import read_curve, require_curve
from core.insight.probe_table import CHANCE, read_probe
from core.runs import together
from core.runs.creation import create_run
from core.runs.folder import RunFolder
from core.runs.states import FAILED, SUCCEEDED, RunStatus
from core.runs.summaries import list_summaries, own_runs
from core.runs.where import Engine
from core.tasks.dataset import load_dataset_of, load_saved_dataset
from core.workspace import Project
from tests.toy_project import build_toy_project, quick_config


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return build_toy_project(tmp_path, rows=240)  # an exam large enough to be sure of something


def answer(folder: RunFolder, right: set[str]) -> None:
    """An exam in which these tasks are answered right and the others wrong."""
    dataset = load_saved_dataset(folder.data_dir)
    folder.predictions_dir.mkdir(exist_ok=True)
    for task, name in enumerate(dataset.names()):
        records = [
            {
                "row": row,
                "line": e.line,
                "prompt": e.prompt,
                "target": e.target,
                "tuned": e.target if name in right else "wrong",
            }
            for row, e in enumerate(dataset.split(task, "test")[:20])
        ]
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder.predictions_dir / f"{task}.jsonl").write_text(text, encoding="utf-8")
    folder.results_path.write_text('{"tasks": []}', encoding="utf-8")


@pytest.fixture
def folder(project: Project, tmp_path: Path) -> RunFolder:
    from tests.tiny_models import build_tiny_llama

    made = create_run(project, quick_config(build_tiny_llama(tmp_path / "model")))
    made.adapter_dir.mkdir()
    answer(made, {"direct", "reversed"})
    return made


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    """Runs end at once: without "reversed", "direct" is answered wrong; an unseen task is answered wrong too."""
    made: list[RunFolder] = []

    def start(folder: RunFolder) -> None:
        made.append(folder)
        names = [task["name"] for task in folder.read_run()["tasks"]]
        answer(folder, {"direct", "reversed"} if "reversed" in names else set())
        folder.write_done({"state": SUCCEEDED})
        folder.write_status(RunStatus(state=SUCCEEDED))

    def rows(folder: RunFolder, dataset: Any, wanted: dict[int, list[int]], unseen: bool = False) -> Any:
        def told(task: int, row: int) -> str:
            return "wrong" if unseen else dataset.split(task, "test")[row].target

        return {
            task: {(row, dataset.split(task, "test")[row].target): told(task, row) for row in listed}
            for task, listed in wanted.items()
        }

    monkeypatch.setattr(together, "start_run", start)
    monkeypatch.setattr(probe_model, "answer_rows", rows)
    return made


def test_who_teaches_whom_is_read_off_the_exams(
    project: Project, folder: RunFolder, trained: list[RunFolder]
) -> None:
    seen: list[tuple[int, int]] = []
    run_leave_out(folder.path, lambda done, total: seen.append((done, total)))
    probe = read_probe(folder.path, "leaveout")
    assert list(probe.change.columns) == [CHANCE, "direct", "reversed"]
    np.testing.assert_allclose(probe.change.loc["direct"], [0.0, -1.0, -1.0])
    np.testing.assert_allclose(probe.change.loc["reversed"], [0.0, 0.0, -1.0])
    assert bool(probe.is_sure.loc["direct", "reversed"])
    assert seen[-1] == (3000, 3000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert [[t["name"] for t in f.read_run()["tasks"]] for f in trained] == [
        ["direct", "reversed"],
        ["reversed"],
        ["direct"],
    ]
    assert trained[0].read_config().seed != folder.read_config().seed
    assert trained[1].read_config().max_steps == 6  # half of the rows, half of the steps
    assert all(f.read_run()["made_from"] == folder.run_id for f in trained)
    assert all(f.read_run()["part_of"] == f"leaveout:{folder.run_id}" for f in trained)
    assert [run.run_id for run in own_runs(list_summaries(project))] == [folder.run_id]


def test_on_another_engine_all_runs_are_handed_over_at_once(
    project: Project, folder: RunFolder, trained: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    handed: list[list[RunFolder]] = []

    def end(folders: list[RunFolder], engine: Engine, tell: Any) -> None:
        handed.append(folders)
        for made in folders:
            together.start_run(made)
        tell([RunStatus(state=SUCCEEDED, progress=0.5) for _ in folders])

    monkeypatch.setattr(child_runs, "run_together", end)
    watched: list[list[RunStatus]] = []
    assert count_leave_out(folder.path) == 3
    tell: Any = lambda done, total: seen.append((done, total))  # noqa: E731
    run_leave_out(folder.path, tell, Engine("far", "fake"), watched.append)
    assert [len(statuses) for statuses in watched] == [3]
    assert [len(folders) for folders in handed] == [3]
    assert seen == [(1500, 3000)]
    np.testing.assert_allclose(read_probe(folder.path, "leaveout").change.loc["direct"], [0.0, -1.0, -1.0])


def test_runs_that_are_there_are_not_made_again(folder: RunFolder, trained: list[RunFolder]) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_leave_out(folder.path, stop)
    assert len(trained) == 2
    run_leave_out(folder.path, lambda done, total: None)
    assert len(trained) == 3
    assert not (folder.path / "probes" / "leaveout_runs.json").exists()


def test_a_failed_run_is_said_and_made_anew_the_next_time(
    folder: RunFolder, trained: list[RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = together.start_run

    def fail(made: RunFolder) -> None:
        made.write_done({"state": FAILED, "failure": "unknown"})
        made.write_status(RunStatus(state=FAILED))

    monkeypatch.setattr(together, "start_run", fail)
    with pytest.raises(RunError, match="ended in the state failed"):
        run_leave_out(folder.path, lambda done, total: None)
    monkeypatch.setattr(together, "start_run", good)
    run_leave_out(folder.path, lambda done, total: None)
    assert len(trained) == 3


def test_what_cannot_be_left_out_is_worded(
    folder: RunFolder, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = create_run(project, folder.read_config(), ["direct"])
    single.adapter_dir.mkdir()
    answer(single, {"direct"})
    with pytest.raises(RunError, match="single task"):
        run_leave_out(single.path, lambda done, total: None)
    require_curve(folder, ["direct", "reversed"])
    monkeypatch.setattr(learning_curve, "LEAST_EXAM", 1000)
    with pytest.raises(RunError, match="below 1000 chance decides"):
        require_curve(folder, ["direct", "reversed"])
    monkeypatch.undo()
    monkeypatch.setattr(learning_curve, "LEAST_ROWS", 1000)
    with pytest.raises(RunError, match="too few to take some away"):
        require_curve(folder, ["direct", "reversed"])
    run = folder.read_run()
    folder.write_run({**run, "merged_from": ["r1", "r2"]})
    for ask in (run_leave_out, run_curve):
        with pytest.raises(RunError, match="made of r1, r2"):
            ask(folder.path, lambda done, total: None)
    folder.write_run(run)
    folder.results_path.unlink()
    with pytest.raises(RunError, match="no exam results"):
        run_leave_out(folder.path, lambda done, total: None)


def test_a_task_leaves_with_all_its_rows(project: Project) -> None:
    dataset = load_dataset_of(project)
    left = without_task(dataset, 0)
    assert left.names() == ["reversed"]
    assert left.split(0, "train") == dataset.split(1, "train")
    assert left.sizes("test") == dataset.sizes("test")[1:]


def test_steps_given_as_a_number_shrink_with_the_rows(tmp_path: Path) -> None:
    config = quick_config(tmp_path)
    assert (shorten(config, 0.5).max_steps, shorten(config, 0.5).stage2_steps) == (6, 3)


def test_a_new_task_is_told_with_its_band() -> None:
    record = {
        "run_id": "r",
        "task": "fees",
        "metric": "accuracy",
        "nearest": [["mails", 1.0], ["calls", 2.0]],
        "untrained": 0.2,
        "curve": {"5": [0.4, 0.5, 0.6], "10": [0.79, 0.8, 0.81], "20": [0.8, 0.81, 0.82]},
        "questions": 100,
    }
    found = from_record(Growth, json.loads(json.dumps(record)), "test")
    frame = growth_frame(found)
    assert list(frame["rows"]) == [0, 5, 10, 20]
    assert frame["mean"][1] == pytest.approx(0.5)
    assert frame["low"][1] == pytest.approx(0.5 - 4.303 * 0.1 / np.sqrt(3), abs=1e-3)
    texts = [s.text for s in describe_growth(found)]
    begin = "fees scores 20.0 when it mixes the shared skills as mails does, and 81.0 after practising 20 rows"
    assert texts[0].startswith(begin)
    assert texts[2] == "More rows than 10 brought less than 2 points."
    few = from_record(Growth, json.loads(json.dumps({**record, "questions": 10})), "test")
    assert growth_frame(few)["low"][2] < growth_frame(found)["low"][2] - 0.2
    assert len(describe_growth(few)) == 2  # ten questions cannot say that more rows bring nothing


def test_smaller_sets_lie_in_larger_ones_and_their_exams_make_the_curve(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[RunFolder] = []

    def start(run: RunFolder) -> None:
        made.append(run)
        answer(run, {"direct"} if len(made) == 2 else set())
        run.write_done({"state": SUCCEEDED})
        run.write_status(RunStatus(state=SUCCEEDED))

    monkeypatch.setattr(together, "start_run", start)
    run_curve(folder.path, lambda done, total: None)
    whole = load_saved_dataset(folder.data_dir)
    quarter, half = (load_saved_dataset(run.data_dir) for run in made)
    assert quarter == fewer_rows(whole, 0.25, folder.read_config().seed)
    for task, size in enumerate(whole.sizes("train")):
        kept = [[row.prompt for row in part.split(task, "train")] for part in (quarter, half, whole)]
        assert [len(rows) for rows in kept] == [max(1, round(size / 4)), max(1, round(size / 2)), size]
        assert set(kept[0]) <= set(kept[1]) <= set(kept[2])
    curve = read_curve(folder.path, "direct")
    assert curve is not None
    assert curve.scores == (0.0, 1.0, 1.0)
    assert len(curve.drawn) == 200
    assert [run.read_run()["part_of"] for run in made] == [f"curve:{folder.run_id}"] * 2
    assert made[0].read_config().max_steps < made[1].read_config().max_steps
    assert not folder.probe_path("curve_runs").exists()
