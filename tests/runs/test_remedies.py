"""What follows a failure: the remedy from the command line, and the record's command that repeats a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core import worker
from core.__main__ import main as command_line
from core.runs.creation import list_runs
from core.runs.liveness import run_state
from core.runs.rerun import find_remedy, run_again
from core.training.config import skill_rate
from core.training.stage import StageWatch
from core.training.trainer import StageTrainer
from core.workspace import Project
from tests.toy_project import build_toy_project, quick_run
from tests.watching import ended, wait_for


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return build_toy_project(tmp_path)


def test_memory_that_runs_out_is_cured_from_the_command_line(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The allocator really fails, for batches above four examples."""
    plain = StageTrainer.compute_loss

    def compute_loss(self: Any, model: Any, inputs: Any, *more: Any, **named: Any) -> Any:
        if len(inputs["task_ids"]) > 4 and self.next_micro > 5:
            torch.empty(1 << 50)
        return plain(self, model, inputs, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(StageTrainer, "compute_loss", compute_loss)
        folder = quick_run(project, tiny_llama, exam_rows=0)
        assert worker.main([str(folder.path)]) == 1
    status = run_state(folder)
    assert (status.state, status.failure) == ("failed", "out_of_memory"), status
    workspace = ["--workspace", str(project.path.parents[1])]
    assert command_line(["mend", folder.run_id, "--background", *workspace]) == 0
    (mended,) = (f for f in list_runs(project) if f.run_id != folder.run_id)
    assert wait_for(mended, ended).state == "succeeded", mended.read_log()
    assert (mended.read_config().batch_size, mended.read_config().accumulation) == (4, 2)
    assert [e["step"] for e in mended.read_events() if e["kind"] == "resume"] == [4]
    assert command_line(["mend", mended.run_id, *workspace]) == 2  # nothing to cure


def test_a_run_without_numbers_goes_back_to_a_checkpoint_with_some(
    project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that are not finite are never saved, so the remedy does not go back to them."""
    original = StageWatch.on_step_end

    def step_end(self: Any, args: Any, state: Any, control: Any, **more: Any) -> Any:
        if state.global_step == 8:  # the step's loss was finite, its update is not
            next(iter(self.work.model.modular.adapter.parameters())).data.fill_(float("nan"))
        return original(self, args, state, control, **more)

    folder = quick_run(project, tiny_llama, exam_rows=0, evaluate_every=4, stage2_steps=0)
    with monkeypatch.context() as patch:
        patch.setattr(StageWatch, "on_step_end", step_end)
        assert worker.main([str(folder.path)]) == 1
    assert run_state(folder).failure == "nan_loss"
    remedy = find_remedy(folder)
    assert remedy is not None
    assert remedy.from_step == 4
    assert remedy.changes["learning_rate_skills"] == skill_rate(folder.read_config()) / 2
    again = run_again(folder, remedy.changes)
    assert worker.main([str(again.path)]) == 0


def test_the_command_in_the_record_repeats_the_run_bit_for_bit(project: Project, tiny_llama: Path) -> None:
    folder = quick_run(project, tiny_llama, exam_rows=2, num_threads=1)
    assert worker.main([str(folder.path)]) == 0
    record = json.loads(folder.record_path.read_text(encoding="utf-8"))
    assert {"seconds", "memory_mb"} <= record["prediction_error"].keys()  # compared with the formula
    words = record["command"].split()
    assert words[:3] == ["python", "-m", "core"]
    assert command_line([*words[3:], "--json", "--workspace", str(project.path.parents[1])]) == 0
    (again,) = (f for f in list_runs(project) if f.run_id != folder.run_id)
    first, second = (load_file(f.adapter_dir / "adapter.safetensors") for f in (folder, again))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    assert again.read_results() == folder.read_results()
