"""How long asking again will take, from the notes that an exam left, and what a panel says of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.drawing.durations import asking_time
from app.texts.language import in_language
from core.base.files import write_json_atomic
from core.insight.expecting import Expected, answer_seconds, expect_exam, expect_probe
from core.insight.jobs import job_dir
from core.runs.creation import create_run
from core.runs.folder import RunFolder
from tests.toy_project import build_toy_project, quick_config

START_S = 4.0
SECONDS = {"base": 0.5, "tuned": 0.25}  # an answer
EXAM_ROWS, ROWS = 6, 4


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of two tasks with one common skill and a private one each."""
    from tests.tiny_models import build_tiny_llama

    project = build_toy_project(tmp_path)
    made = create_run(project, quick_config(build_tiny_llama(tmp_path / "model"), exam_rows=EXAM_ROWS))
    tasks = range(len(made.read_run()["tasks"]))
    skills = [{"name": "common 1", "kind": "common", "task": None}]
    skills += [{"name": f"private {task + 1}", "kind": "private", "task": task} for task in tasks]
    weights = [[[1.0] * len(skills) for _ in tasks]]
    write_json_atomic(made.allocation_path, {"layers": ["all"], "skills": skills, "weights": weights})
    return made


def note_events(folder: RunFolder, events: list[dict[str, Any]]) -> None:
    lines = [json.dumps({"id": number, **event}) + "\n" for number, event in enumerate(events, start=1)]
    folder.events_path.write_text("".join(lines), encoding="utf-8")


def exam_events(num_tasks: int, batch: int = 2) -> list[dict[str, Any]]:
    """A start, then every task's answers of the base and of the trained model, in batches."""
    now, done, total = 100.0, 0, 2 * num_tasks * EXAM_ROWS
    events: list[dict[str, Any]] = [
        {"time": now, "kind": "state", "state": "starting"},
        {"time": now + 1, "kind": "state", "state": "running"},
        {"time": now + START_S, "kind": "stage", "stage": 1},
        {"time": now + START_S + 30, "kind": "stage", "stage": 2},
        {"time": now + START_S + 60, "kind": "exam", "done": 0, "total": total},
    ]
    now += START_S + 60
    for _ in range(num_tasks):
        for who in ("base", "tuned"):
            for _ in range(EXAM_ROWS // batch):
                now, done = now + batch * SECONDS[who], done + batch
                events.append({"time": now, "kind": "exam", "done": done, "total": total})
    return events


def test_a_knock_out_takes_what_its_answers_took_in_the_exam(folder: RunFolder) -> None:
    tasks = len(folder.read_run()["tasks"])
    note_events(folder, exam_events(tasks))
    answers = tasks * 3 * ROWS  # as it is, without the common skill, without the task's own private one
    expected = Expected(answers, pytest.approx(START_S + answers * SECONDS["tuned"]))
    assert expect_probe(folder.path, "knockout", ROWS) == expected


def test_a_transfer_asks_every_task_with_every_row(folder: RunFolder) -> None:
    tasks = len(folder.read_run()["tasks"])
    note_events(folder, exam_events(tasks))
    answers = tasks * tasks * ROWS
    expected = Expected(answers, pytest.approx(START_S + answers * SECONDS["tuned"]))
    assert expect_probe(folder.path, "transfer", ROWS) == expected


def test_no_more_questions_than_the_exam_holds(folder: RunFolder) -> None:
    sizes = [task["num_test"] for task in folder.read_run()["tasks"]]
    assert expect_probe(folder.path, "transfer", 10_000).answers == len(sizes) * sum(sizes)


@pytest.mark.parametrize(("with_base", "each"), [(True, sum(SECONDS.values())), (False, SECONDS["tuned"])])
def test_another_exam_counts_the_base_model_by_itself(folder: RunFolder, with_base: bool, each: float) -> None:
    sizes = [task["num_test"] for task in folder.read_run()["tasks"]]
    note_events(folder, exam_events(len(sizes)))
    expected = expect_exam(folder.path, 0, with_base)
    assert expected.answers == sum(sizes) * (1 + with_base)
    assert expected.seconds == pytest.approx(START_S + sum(sizes) * each)


def test_a_pause_between_two_sittings_is_not_counted(folder: RunFolder) -> None:
    tasks = len(folder.read_run()["tasks"])
    events = exam_events(tasks)
    first_task = next(n for n, event in enumerate(events) if event.get("done") == 2 * EXAM_ROWS)
    cut = first_task + 1
    later = [{**event, "time": event["time"] + 7200} for event in events[cut:]]
    again = [{"time": 7000.0, "kind": "state", "state": "interrupted"}]
    there = {**events[cut - 1], "time": events[cut - 1]["time"] + 7200}  # counted again when the exam goes on,
    replayed = [{**there, "done": 2, "time": there["time"] - 0.001}, there]  # without being asked
    note_events(folder, [*events[:cut], *again, *replayed, *later])
    expected = START_S + tasks * tasks * ROWS * SECONDS["tuned"]
    assert expect_probe(folder.path, "transfer", ROWS).seconds == pytest.approx(expected)


def test_without_an_exam_an_earlier_probe_is_the_measure(folder: RunFolder) -> None:
    assert expect_probe(folder.path, "knockout", ROWS).seconds is None
    place = job_dir(folder.path, "knockout")
    place.mkdir(parents=True)
    write_json_atomic(place / "launch.json", {"command": ["core", "knockout", "--rows=10"]})
    progress = {"done": 6, "total": 6, "first_done": 1, "first_time": 50.0, "time": 70.0}
    write_json_atomic(place / "progress.json", progress)
    expected = expect_probe(folder.path, "knockout", ROWS)
    assert expected.seconds == pytest.approx(expected.answers * 20 / (5 * 10))


def test_seconds_an_answer_are_over_all_answers_not_over_tasks(folder: RunFolder) -> None:
    """A short exam of one slow task does not count as much as a long one of a quick task."""
    assert answer_seconds(folder.path) is None
    run = folder.read_run()
    for task, size in zip(run["tasks"], (1, 6, *[0] * len(run["tasks"])), strict=False):
        task["num_test"] = size
    write_json_atomic(folder.run_path, run)
    done = [(0, 0.0), (1, 1.0), (2, 11.0), (8, 14.0), (14, 17.0)]  # 1 base, 1 trained in 10 s; 6 and 6 in 3 s
    note_events(folder, [{"time": 100 + at, "kind": "exam", "done": n, "total": 14} for n, at in done])
    assert answer_seconds(folder.path) == pytest.approx((10 + 3) / 7)


def test_the_panel_says_a_time_or_how_many_answers() -> None:
    assert asking_time(Expected(950, 67.4)).startswith(" That is 950 answers, about 67 s (estimate")
    assert asking_time(Expected(950, None)) == " That is 950 answers."
    assert in_language("zh", asking_time, Expected(950, None)) == "共需 950 个回答。"
