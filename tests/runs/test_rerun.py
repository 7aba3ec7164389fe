"""New runs from ended ones, remedies, and long lists."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.base.errors import RunError
from core.base.files import new_id
from core.messages import english
from core.runs.creation import create_run, list_runs, update_run
from core.runs.folder import RunFolder
from core.runs.launching import cancel_run
from core.runs.rerun import config_difference, find_remedy, run_again
from core.runs.states import RunStatus
from core.runs.summaries import list_summaries, own_runs, summarise_run
from core.training.config import change_config, skill_rate
from core.training.failures import classify, remedy_changes
from core.training.manifest import find_checkpoint, read_state
from core.training.reporting import PAUSE, RunPaused
from core.training.session import train_run
from core.workspace import Project, Workspace
from tests.toy_project import ListJournal, build_toy_project, quick_config, quick_run
from tests.watching import reconcile_runs


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return build_toy_project(tmp_path)


def fail(folder: RunFolder, failure: str, key: str) -> None:
    status = RunStatus(state="failed", failure=failure, message_key=key)
    folder.write_done({"state": "failed", "failure": failure, "ended": time.time()})
    folder.write_status(status)


def test_out_of_memory_is_recognised_and_its_remedy_keeps_the_effective_batch(
    project: Project, tiny_llama: Path
) -> None:
    error = RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
    found = classify(error, {"stage": "stage1", "step": 3, "batch_size": 8})
    assert (found.failure, found.key) == ("out_of_memory", "training.out_of_memory")
    assert english(found.key, found.values)[0] == "Memory ran out during stage 1, at step 3 with batch size 8."
    assert classify(torch.OutOfMemoryError("CUDA out of memory."), {}).failure == "out_of_memory"
    assert classify(MemoryError(), {}).failure == "out_of_memory"
    folder = quick_run(project, tiny_llama)
    assert find_remedy(folder) is None
    fail(folder, "out_of_memory", found.key)
    remedy = find_remedy(folder)
    assert remedy is not None
    assert (remedy.failure, remedy.from_step) == ("out_of_memory", None)
    changes = remedy.changes
    assert (changes["batch_size"], changes["accumulation"]) == (4, 2)
    again = run_again(folder, changes)
    assert (again.read_config().batch_size, again.read_config().accumulation) == (4, 2)
    assert again.read_run()["made_from"] == folder.run_id
    assert again.run_id in [f.run_id for f in list_runs(project)]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (OSError(28, "No space left on device"), "disk_full"),
        (RuntimeError("CUDA error: unspecified"), "hardware"),
        (ValueError("something else"), "unknown"),
    ],
)
def test_failures_have_a_class(error: Exception, failure: str) -> None:
    assert classify(error, {}).failure == failure


def test_remedies_change_something_as_long_as_they_can(tiny_llama: Path) -> None:
    config = quick_config(tiny_llama)
    for _ in range(8):
        changes = remedy_changes("out_of_memory", config, 2)
        assert changes
        config = change_config(config, changes)
    assert config.batch_size == 1
    assert config.gradient_checkpointing
    assert config.max_tokens < 96
    halved = change_config(config, remedy_changes("nan_loss", config, 2))
    assert halved.learning_rate_skills == skill_rate(config) / 2


def test_a_failed_run_goes_on_from_its_checkpoint_with_smaller_batches(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    with pytest.raises(RunPaused):
        train_run(folder, folder.read_config(), ListJournal(wishes={6: PAUSE}))
    fail(folder, "out_of_memory", "training.out_of_memory")
    remedy = find_remedy(folder)
    assert remedy is not None
    assert remedy.from_step == 6
    again = run_again(folder, remedy.changes)
    checkpoint, _ = find_checkpoint(again.checkpoints_dir)
    assert checkpoint is not None
    assert read_state(checkpoint).micro == 12  # six micro batches of 8 are twelve of 4
    journal = ListJournal()
    train_run(again, again.read_config(), journal)
    assert [e["step"] for e in journal.of("resume")] == [6]
    assert load_file(again.adapter_dir / "adapter.safetensors")


def test_other_changes_begin_anew_and_live_runs_are_refused(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama)
    with pytest.raises(RunPaused):
        train_run(folder, folder.read_config(), ListJournal(wishes={6: PAUSE}))
    fail(folder, "nan_loss", "training.nan")
    again = run_again(folder, {"adapter.rank": 4})
    assert find_checkpoint(again.checkpoints_dir)[0] is None
    assert config_difference(folder.read_config(), again.read_config()) == {"adapter.rank": (2, 4)}
    with pytest.raises(RunError):
        run_again(folder, {"base_model": "/not/there"})


def test_runs_of_a_person_come_before_parts_of_something(project: Project, tiny_llama: Path) -> None:
    own = quick_run(project, tiny_llama)
    part = create_run(project, own.read_config(), name="Study: LoRA, seed 0", part_of="study:s1")
    assert [run.run_id for run in own_runs(list_summaries(project))] == [own.run_id]
    cancel_run(part)
    again = run_again(part)  # asked for by a person
    assert {run.run_id for run in own_runs(list_summaries(project))} == {again.run_id, own.run_id}
    assert len(list_summaries(project)) == 3
    assert own_runs([summarise_run(part)]) == [summarise_run(part)]  # better than none
    old = {name: value for name, value in own.read_run().items() if name != "part_of"}  # as older versions wrote it
    own.write_run(old)
    assert summarise_run(own).part_of is None


def test_a_thousand_runs_are_listed_in_half_a_second(project: Project, tiny_llama: Path) -> None:
    model = quick_run(project, tiny_llama)
    cancel_run(model)
    for _ in range(999):
        run_id = new_id("r")
        copy = project.runs_dir / run_id
        copy.mkdir()
        for name in ("config.yaml", "status.json", "DONE"):
            shutil.copy(model.path / name, copy / name)
        run = {**model.read_run(), "run_id": run_id}
        (copy / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert len(list_summaries(project)) == 1000  # the first time every run is read
    took = []
    for _ in range(3):
        began = time.process_time()
        summaries = list_summaries(project)
        took.append(time.process_time() - began)
    assert min(took) < 0.5
    assert [s.run_id for s in summaries] == [f.run_id for f in list_runs(project)]
    update_run(model, name="renamed", starred=True)
    changed = next(s for s in list_summaries(project) if s.run_id == model.run_id)
    assert (changed.name, changed.starred, changed.state) == ("renamed", True, "cancelled")
    assert summarise_run(model) == changed


def test_at_the_start_of_the_app_dead_runs_become_interrupted(project: Project, tiny_llama: Path) -> None:
    workspace = Workspace(project.path.parents[1])
    dead, wished, draft = (quick_run(project, tiny_llama) for _ in range(3))
    for folder in (dead, wished):
        folder.write_status(RunStatus(state="running", stage="stage1"))
    wished.cancel_path.touch()
    assert {f.run_id for f in reconcile_runs(workspace)} == {dead.run_id, wished.run_id}
    assert [f.read_status().state for f in (dead, wished, draft)] == ["interrupted", "cancelled", "draft"]
    assert reconcile_runs(workspace) == []
