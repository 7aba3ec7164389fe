"""The Ready card and the rehearsal: what they promise is compared with what happens."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core.runs import kept_rows, prediction, ready
from core.runs.creation import list_runs
from core.runs.device_lease import DeviceLease
from core.runs.folder import RunFolder
from core.runs.prediction import estimate_run
from core.runs.ready import end_rehearsal, read_rehearsal, ready_report, start_rehearsal
from core.tasks.dataset import TaskDataset, load_dataset_of
from core.training import device
from core.training.rehearsal import rehearse
from core.training.session import train_run
from core.workspace import Project
from tests.toy_project import ListJournal, build_toy_project, quick_config, quick_run
from tests.watching import ended, wait_for


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return build_toy_project(tmp_path)


def test_the_card_says_what_will_happen(project: Project, tiny_llama: Path) -> None:
    with DeviceLease(project.path.parents[1], "cpu", "chat", "Ann"):
        report = ready_report(project, quick_config(tiny_llama))
    assert report.ready
    assert report.steps == {"stage1": 12, "stage2": 6}
    assert sum(report.shares.values()) == pytest.approx(1.0)
    assert report.seconds is not None
    assert report.memory_mb is not None
    assert 0 < report.seconds[0] < report.seconds[1]
    assert 500 < report.memory_mb[0] < 2000
    assert report.device_holder is not None
    assert report.device_holder["name"] == "Ann"
    json.dumps(report.as_dict())


def test_what_rows_alone_tell_is_looked_at_once_for_all_settings(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And read once; of all that was looked at only so many rows are kept."""
    looked: list[str] = []
    kept = kept_rows.KeptRows()
    monkeypatch.setattr(ready, "_ROWS", kept)
    monkeypatch.setattr(ready, "_rows_at_stake", lambda dataset: looked.append("") or [])
    for steps in (3, 4):
        ready_report(project, quick_config(tiny_llama, max_steps=steps))
    assert (len(looked), len(kept._kept)) == (1, 1)
    ready_report(project, quick_config(tiny_llama, max_steps=4, few_shot=2))  # other rows
    assert (len(looked), len(kept._kept)) == (2, 2)
    monkeypatch.setattr(kept_rows, "MOST_ROWS", 1)
    plan = quick_config(tiny_llama, max_steps=4, few_shot=3)
    assert ready_report(project, plan).ready
    assert len(kept._kept) == 1  # the last one, however large
    asked = (project, None, ready._stamp(project), plan)
    assert not [o for o in gc.get_referents(ready._measure(*asked, False)) if isinstance(o, TaskDataset)]


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
def test_the_estimate_counts_with_the_products_that_training_chooses(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch, precision: str, half: bool
) -> None:
    """`precision: auto` was estimated as float32 where the processor multiplies in bfloat16."""
    monkeypatch.setattr(prediction, "multiplies_bfloat16", lambda: half)
    monkeypatch.setattr(device, "cpu_has_bfloat16", lambda: half)
    config = quick_config(tiny_llama, precision=precision, device="cpu")
    chosen = device.choose_device(config)
    found = estimate_run(config, load_dataset_of(project))
    plain = estimate_run(replace(config, precision="float32"), load_dataset_of(project))
    assert found is not None
    assert plain is not None
    fast = half and precision != "float32"
    assert fast == ("bfloat16" in (chosen.products, chosen.dtype) and half)
    assert (found.parts["training"] < 0.999 * plain.parts["training"]) == fast


def test_the_card_is_red_with_every_reason(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ready_report(project, quick_config(tiny_llama, base_model="/not/there", device="cuda"))
    assert not report.ready
    assert [p.field for p in report.problems if p.severity == "error"] == ["base_model", "device"]
    tight = type("Memory", (), {"available": 10 * 2**20, "total": 2**34})
    monkeypatch.setattr(psutil, "virtual_memory", lambda: tight)
    problems = ready_report(project, quick_config(tiny_llama)).problems
    assert [p.key for p in problems] == ["check.few_exam", "check.few_exam", "check.memory"]


def test_a_rehearsal_runs_in_a_worker_and_leaves_nothing(project: Project, tiny_llama: Path) -> None:
    folder = start_rehearsal(project, quick_config(tiny_llama))
    assert wait_for(folder, ended).state == "succeeded", folder.read_log()
    found = read_rehearsal(folder)
    assert found is not None
    assert list_runs(project) == []
    end_rehearsal(folder)
    assert not folder.path.exists()
    run, other = quick_run(project, tiny_llama), quick_run(project, tiny_llama, batch_size=4)
    kept = json.loads(run.prediction_path.read_text(encoding="utf-8"))
    assert kept == {**found, "source": "rehearsal", "covers": "all"}
    assert json.loads(other.prediction_path.read_text(encoding="utf-8"))["source"] == "formula"  # another plan
    report = ready_report(project, quick_config(tiny_llama))
    assert (report.rehearsed, report.seconds) == (True, (found["seconds"][0], found["seconds"][2]))
    assert not ready_report(project, quick_config(tiny_llama, batch_size=4)).rehearsed


def test_the_prediction_is_compared_with_what_happened(project: Project, tiny_llama: Path, tmp_path: Path) -> None:
    config = quick_config(tiny_llama, max_steps=60, evaluate_every=20)
    stage = quick_run(project, tiny_llama)
    stage.write_config(config)
    prediction = rehearse(stage, config, ListJournal())
    assert prediction.steps == 66
    assert prediction.questions == 16
    run = RunFolder(quick_run(project, tiny_llama, max_steps=60, evaluate_every=20).path)
    run.prediction_path.write_text(json.dumps(prediction.as_dict()), encoding="utf-8")
    train_run(run, config, ListJournal())
    record = json.loads(run.record_path.read_text(encoding="utf-8"))
    assert record["actual"]["seconds"] > 0
    # A tiny model on a shared machine: the order of magnitude must be right, and the memory nearly exact.
    assert -0.8 < record["prediction_error"]["seconds"] < 4.0
    assert abs(record["prediction_error"]["memory_mb"]) < 0.25
