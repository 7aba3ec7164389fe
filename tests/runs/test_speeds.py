"""What is learned of this machine's speed, and what is said of the time before and during a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.runs import prediction, speeds
from core.runs.prediction import estimate_run, find_prediction, learn_speed
from core.runs.speeds import FORMULA, SURE, UNSURE, find_correction, load_factor, remember_speed
from core.tasks.dataset import load_dataset_of
from core.training.pace import Expected, Pace, read_expected
from core.workspace import Project
from tests.toy_project import ListJournal, build_toy_project, quick_config, quick_run

KIND = {"base_model": "a", "method": "cpoly", "device": "cpu", "products": "float32", "threads": 2}


def test_nothing_is_known_of_a_new_machine(tmp_path: Path) -> None:
    found = find_correction(tmp_path, KIND)
    assert (found.factors, found.unsure) == ({}, UNSURE)


def test_runs_that_took_twice_as_long_double_what_is_expected(tmp_path: Path) -> None:
    for _ in range(8):
        remember_speed(tmp_path, KIND, {"training": (10.0, 20.0), "rest": (4.0, 2.0)})
    found = find_correction(tmp_path, KIND)
    assert found.factors["training"] == pytest.approx(2.0, rel=0.1)
    assert found.factors["rest"] == pytest.approx(0.5, rel=0.1)
    assert found.unsure == SURE


def test_another_model_teaches_only_how_long_the_start_takes(tmp_path: Path) -> None:
    remember_speed(tmp_path, {**KIND, "base_model": "b"}, {"training": (1.0, 9.0), "prepare": (4.0, 8.0)})
    found = find_correction(tmp_path, KIND)
    assert set(found.factors) == {"prepare"}
    assert found.unsure == UNSURE


def test_another_device_teaches_nothing_and_old_runs_are_forgotten(tmp_path: Path) -> None:
    remember_speed(tmp_path, {**KIND, "device": "cuda"}, {"training": (1.0, 9.0)})
    assert find_correction(tmp_path, KIND).factors == {}
    for _ in range(speeds.KEPT + 5):
        remember_speed(tmp_path, KIND, {"training": (1.0, 1.0)})
    assert len(json.loads((tmp_path / "speeds.json").read_text(encoding="utf-8"))) == speeds.KEPT


def test_a_damaged_file_or_an_earlier_formula_s_counts_as_none(tmp_path: Path) -> None:
    earlier = json.dumps([{"kind": KIND, "parts": {"training": [1.0, 9.0]}}])  # of another formula
    (tmp_path / "speeds.json").write_text(earlier, encoding="utf-8")
    assert find_correction(tmp_path, KIND).factors == {}
    (tmp_path / "speeds.json").write_text("[{", encoding="utf-8")
    assert find_correction(tmp_path, KIND).factors == {}
    remember_speed(tmp_path, KIND, {"training": (1.0, 2.0)})
    assert "training" in find_correction(tmp_path, KIND).factors


def test_a_loaded_machine_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds.psutil, "cpu_count", lambda: 2)
    factors = []
    for load in (0.0, 1.0, 4.0, 16.0):
        monkeypatch.setattr(speeds.psutil, "getloadavg", lambda load=load: (load, load, load))
        factors.append(load_factor(1))
    assert factors[:2] == [1.0, 1.0]
    assert 1.5 < factors[2] < factors[3] < 8.5


def test_the_prediction_covers_the_exam_and_grows_with_it(tmp_path: Path, tiny_llama: Path) -> None:
    project = build_toy_project(tmp_path)
    with_exam, without = (
        estimate_run(quick_config(tiny_llama, exam_rows=rows), load_dataset_of(project)) for rows in (100, 0)
    )
    assert with_exam is not None
    assert without is not None
    assert with_exam.parts["rest"] > without.parts["rest"]
    assert with_exam.parts["training"] == without.parts["training"]
    assert (
        estimate_run(quick_config(tiny_llama, exam_rows=0, exam_general=True), load_dataset_of(project)) == without
    )


def test_a_time_limit_cuts_training_and_the_exam_short(
    tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "load_factor", lambda threads: 1.0)
    rows = load_dataset_of(build_toy_project(tmp_path))
    config = quick_config(tiny_llama, max_steps=100_000, exam_rows=50)
    endless, limited, after_all = (
        estimate_run(replace(config, **more), rows)
        for more in ({}, {"max_hours": 0.01}, {"max_hours": 0.01, "exam_after_stop": True})
    )
    assert endless is not None
    assert limited is not None
    assert after_all is not None
    assert endless.as_prediction(tmp_path)["parts"]["training"] > 1000
    assert limited.as_prediction(tmp_path)["parts"]["training"] == pytest.approx(36)
    rest = [one.as_prediction(tmp_path)["parts"]["rest"] for one in (limited, after_all, endless)]
    assert rest[0] < rest[1] == pytest.approx(rest[2])


def test_what_a_run_took_is_learned_for_the_next_plan(
    tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction, "load_factor", lambda threads: 1.0)
    project: Project = build_toy_project(tmp_path)
    config = quick_config(tiny_llama)
    first = find_prediction(project.path, config, load_dataset_of(project))
    assert first is not None
    assert first["source"] == "formula"
    remember_speed(
        tmp_path, {**first["kind"], "base_model": "another"}, {"training": (1.0, 9.0), "prepare": (4.0, 8.0)}
    )
    other = find_prediction(project.path, config, load_dataset_of(project))
    assert other is not None
    assert other["parts"]["prepare"] > 1.2 * first["parts"]["prepare"]
    assert other["source"] == "formula"  # no run speaks of the steps
    folder = quick_run(project, tiny_llama)
    folder.prediction_path.write_text(json.dumps(first), encoding="utf-8")
    taken = {part: [3 * value, 3 * value] for part, value in first["formula"].items()}
    folder.record_path.write_text(json.dumps({"prediction": first, "actual": {"parts": taken}}), encoding="utf-8")
    record = json.loads(folder.record_path.read_text("utf-8"))
    older = {**first, "formula_number": FORMULA - 1}
    folder.record_path.write_text(json.dumps({**record, "prediction": older}), encoding="utf-8")
    learn_speed(folder)  # what another formula expected says nothing of this one
    assert find_prediction(project.path, config, load_dataset_of(project))["source"] == "formula"
    folder.record_path.write_text(json.dumps(record), encoding="utf-8")
    learn_speed(folder)
    second = find_prediction(project.path, config, load_dataset_of(project))
    assert second is not None
    assert second["source"] == "experience"
    assert second["seconds"][1] > 1.5 * first["seconds"][1]


def test_the_time_left_holds_the_exam_at_the_share_of_the_machine_that_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr("core.training.pace.time.monotonic", lambda: now[0])
    monkeypatch.setattr("core.training.pace.time.process_time", lambda: now[0] / 3)  # a third of a core
    pace = Pace(100, 0, True, Expected(rest_s=30.0, by_processor=True))
    alone = Pace(100, 0, True, Expected(rest_s=30.0))
    for _ in range(11):
        now[0] += 2.0
        pace.step()
        alone.step()
    found = pace.estimate(10)
    assert found["eta_s"] == pytest.approx(90 * 2 + 90, abs=1)
    assert alone.estimate(10)["eta_s"] == pytest.approx(90 * 2 + 30, abs=1)
    limited = Pace(100, 0, True, Expected(rest_s=30.0), limit_s=50.0)
    for _ in range(5):
        now[0] += 2.0
        limited.step()
    assert limited.estimate(5, trained_s=20.0)["eta_s"] == pytest.approx(30 + 30, abs=1)
    assert limited.estimate(5, trained_s=20.0)["progress"] > 0.3
    low, high = found["eta_range_s"]
    assert low < found["eta_s"] < high
    early = high / low
    for _ in range(40):
        now[0] += 2.0
        pace.step()
    low, high = pace.estimate(50)["eta_range_s"]
    assert high / low < early


def test_a_prediction_without_parts_leaves_the_time_of_training_alone(tmp_path: Path) -> None:
    path = tmp_path / "prediction.json"
    assert read_expected(path) is None
    path.write_text(json.dumps({"seconds": [1, 2, 3]}), encoding="utf-8")
    assert read_expected(path) is None
    path.write_text(json.dumps({"parts": {"training": 20.0, "rest": 5.0}}), encoding="utf-8")
    assert read_expected(path) == Expected(5.0)
    path.write_text(json.dumps({"parts": {"rest": 5.0}, "processor": {"rest": 2.0}}), encoding="utf-8")
    assert read_expected(path) == Expected(2.0, by_processor=True)


def test_a_finished_run_notes_its_parts(tmp_path: Path, tiny_llama: Path) -> None:
    from core.training.session import train_run

    folder = quick_run(build_toy_project(tmp_path), tiny_llama)
    train_run(folder, folder.read_config(), ListJournal())
    record = json.loads(folder.record_path.read_text(encoding="utf-8"))
    assert set(record["actual"]["parts"]) == {"prepare", "training", "rest"}
    assert record["actual"]["seconds"] == pytest.approx(
        sum(p[0] for p in record["actual"]["parts"].values()), abs=0.2
    )
    learn_speed(folder)
    assert find_correction(folder.workspace_dir, {"device": "cpu", "base_model": str(tiny_llama)}).factors
