"""Whole runs in this process on a tiny model: what they write, what they keep, and that they can be interrupted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from core.base.errors import TaskloomError
from core.runs.folder import RunFolder
from core.training import session
from core.training.check_scores import value_of
from core.training.checkpoints import load_checkpoint
from core.training.failures import TrainingFailure
from core.training.manifest import list_checkpoints
from core.training.reporting import CANCEL, PAUSE, STOP, RunCancelled, RunPaused
from core.training.session import train_run
from core.training.trainer import StageTrainer
from core.workspace import Project
from tests.toy_project import ListJournal, quick_run

STAGE_1_ONLY: dict[str, Any] = {"stage2_steps": 0, "exam_rows": 0, "warmup": 0.0}


def weights_of(folder: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(folder.adapter_dir / "adapter.safetensors")


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def finish(folder: RunFolder, journal: ListJournal | None = None, **changes: Any) -> ListJournal:
    journal = journal or ListJournal()
    train_run(folder, replace(folder.read_config(), **changes), journal)
    return journal


def curve(*journals: ListJournal) -> dict[int, Any]:
    """Loss points by step; later journals overwrite what they did again."""
    points = {}
    for journal in journals:
        for event in journal.of("loss"):
            points[event["step"]] = (event["loss"], event["by_task"], event["gradient_norm"])
    return points


def exam_of(folder: RunFolder) -> dict[str, list[int]]:
    """Numbers of the rows that a run's exam asked, by task."""
    return {
        path.name: [json.loads(line)["row"] for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted(folder.predictions_dir.glob("*.jsonl"))
    }


Whole = tuple[RunFolder, ListJournal]


@pytest.fixture(scope="module")
def whole(toy_project: Project, tiny_llama: Path) -> Whole:
    folder = quick_run(toy_project, tiny_llama)
    return folder, finish(folder)


def test_a_run_writes_everything_a_reader_expects(whole: Whole) -> None:
    folder, journal = whole
    assert [e["trains"] for e in journal.of("stage")] == ["skills and allocation", "allocation"]
    assert [e["step"] for e in journal.of("validation")] == [0, 4, 8, 12, 12, 16, 18]
    assert max(e["step"] for e in journal.of("loss")) == 18
    results = folder.read_results()
    assert results is not None
    assert [t["n"] for t in results["tasks"]] == [4, 4]
    assert all(t["base"]["n"] == 4 and t["difference"] is not None for t in results["tasks"])
    table = folder.read_allocation()
    assert table is not None
    assert len(table["skills"]) == 5  # three common, one private for each of two tasks
    assert len(folder.read_snapshot_lines()) == len(journal.of("validation")) + 1
    record = json.loads(folder.record_path.read_text(encoding="utf-8"))
    assert record["versions"]["torch"] == torch.__version__
    assert len(folder.read_predictions(0)) == 4


def test_what_is_measured_after_training_shows_as_moving(toy_project: Project, tiny_llama: Path) -> None:
    class Watched(ListJournal):
        def progress(self, **changes: Any) -> None:
            super().progress(**changes)
            if not changes:  # nobody tells a thing: a pass over the model was made
                moved.add(self.status.get("stage", ""))

    moved: set[str] = set()
    finish(quick_run(toy_project, tiny_llama, max_steps=2), Watched())
    assert moved >= {"stage1", "exam", "evidence"}


def test_no_certainty_is_measured_where_the_plan_wants_none(
    toy_project: Project, tiny_llama: Path, whole: Whole
) -> None:
    assert len(json.loads(whole[0].certainty_path.read_text(encoding="utf-8"))) >= 1
    folder = quick_run(toy_project, tiny_llama, max_steps=2)
    finish(folder, certainty_rows=0, weigh_skills=False, **STAGE_1_ONLY)
    assert json.loads(folder.certainty_path.read_text(encoding="utf-8")) == {}


def test_skills_are_weighed_unless_the_plan_says_no(toy_project: Project, tiny_llama: Path, whole: Whole) -> None:
    assert whole[0].evidence_path.exists()
    folder = quick_run(toy_project, tiny_llama, max_steps=2)
    finish(folder, weigh_skills=False, **STAGE_1_ONLY)
    assert not folder.evidence_path.exists()


def test_losses_by_task_add_up_to_the_loss(whole: Whole) -> None:
    for event in whole[1].of("loss"):
        assert min(event["by_task"].values()) <= event["loss"] <= max(event["by_task"].values())


def test_same_seed_same_result_and_another_seed_another(
    whole: Whole, toy_project: Project, tiny_llama: Path
) -> None:
    again = quick_run(toy_project, tiny_llama)
    journal = finish(again)
    assert_equal(weights_of(whole[0]), weights_of(again))
    assert curve(journal) == curve(whole[1])
    other = quick_run(toy_project, tiny_llama, seed=1)
    finish(other)
    assert not torch.equal(weights_of(other)["bank.common"], weights_of(again)["bank.common"])
    assert exam_of(other) == exam_of(again) != {}, "runs of any seed answer the same questions"


def test_computing_a_batch_in_parts_changes_nothing_but_rounding(
    toy_project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same batches, same count in the mean, accumulation included; only the order of the sums differs."""
    found = []
    choose = session.choose_packing
    for part_tokens in (0, 10**9, None):  # None: packed
        monkeypatch.setattr(session, "PART_TOKENS_CPU", part_tokens)
        monkeypatch.setattr(session, "choose_packing", choose if part_tokens is None else lambda *_: False)
        changes = {"precision": "float32", "accumulation": 2, "adapter.noise": False, **STAGE_1_ONLY}
        folder = quick_run(toy_project, tiny_llama, **changes)
        found.append((curve(finish(folder)), weights_of(folder)))
    whole_losses, whole_weights = found[1]
    for losses, weights in (found[0], found[2]):
        for step, (loss, _, norm) in losses.items():
            assert (loss, norm) == pytest.approx((whole_losses[step][0], whole_losses[step][2]), rel=1e-3), step
        for name, tensor in weights.items():
            torch.testing.assert_close(tensor, whole_weights[name], atol=2e-3, rtol=0.02, msg=name)


def test_stage_2_moves_only_the_allocation(whole: Whole, toy_project: Project, tiny_llama: Path) -> None:
    end, last_step = (load_checkpoint(p) for p in list_checkpoints(whole[0].checkpoints_dir))
    assert end.state.stage == last_step.state.stage == 2
    assert end.state.stage_done
    stage1 = quick_run(toy_project, tiny_llama, exam_rows=0)
    finish(stage1, stage2_steps=0)
    before = weights_of(stage1)
    moved = [name for name in before if not torch.equal(before[name], last_step.adapter[name])]
    assert moved == ["router.logits"]


@pytest.mark.parametrize("pause_at", [2, 7, 12, 15])
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(
    whole: Whole, toy_project: Project, tiny_llama: Path, pause_at: int
) -> None:
    """Steps 2 and 7 lie in stage 1, 12 is its end, 15 lies in stage 2; the wish is asked once a step."""
    folder = quick_run(toy_project, tiny_llama)
    first = ListJournal(wishes={pause_at: PAUSE})
    with pytest.raises(RunPaused):
        finish(folder, first)
    second = finish(folder)
    assert [e["step"] for e in second.of("resume")] == [pause_at]
    assert_equal(weights_of(whole[0]), weights_of(folder))
    assert folder.read_snapshot_lines() == whole[0].read_snapshot_lines()
    resumed, uninterrupted = curve(first, second), curve(whole[1])
    # Around an odd pause a point covers fewer steps than its twin; all others are equal to the last bit.
    same = [step for step in uninterrupted if step in resumed and step not in (pause_at, pause_at + 1)]
    assert len(same) >= 8
    assert {step: resumed[step] for step in same} == {step: uninterrupted[step] for step in same}


def test_stop_keeps_the_best_adapter_and_skips_the_exam(toy_project: Project, tiny_llama: Path) -> None:
    folder = quick_run(toy_project, tiny_llama)
    outcome = train_run(folder, folder.read_config(), ListJournal(wishes={5: STOP}))
    assert outcome.stopped_early
    assert folder.adapter_dir.is_dir()
    assert folder.read_predictions(0) == []


def test_cancel_keeps_nothing(toy_project: Project, tiny_llama: Path) -> None:
    folder = quick_run(toy_project, tiny_llama)
    with pytest.raises(RunCancelled):
        finish(folder, ListJournal(wishes={5: CANCEL}))
    assert not folder.adapter_dir.exists()


@pytest.fixture
def unlearning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step climbs the loss, so every check is worse than the one before the first step."""
    plain = StageTrainer.compute_loss
    monkeypatch.setattr(StageTrainer, "compute_loss", lambda *a, **k: -plain(*a, **k))


@pytest.mark.usefixtures("unlearning")
def test_the_best_adapter_by_check_loss_is_kept(toy_project: Project, tiny_llama: Path) -> None:
    folder = quick_run(toy_project, tiny_llama, **STAGE_1_ONLY)
    assert [c["best"] for c in finish(folder).of("validation")] == [True, False, False, False]
    untouched = quick_run(
        toy_project, tiny_llama, max_steps=1, learning_rate_skills=0.0, learning_rate_allocation=0.0, **STAGE_1_ONLY
    )
    finish(untouched)
    assert_equal(weights_of(folder), weights_of(untouched))


@pytest.mark.usefixtures("unlearning")
def test_the_best_adapter_by_score_is_kept_even_where_the_loss_says_otherwise(
    toy_project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.25, 0.5, 0.75, 0.5])
    monkeypatch.setattr("core.training.check_scores.CheckScores.measure", lambda self: next(scores))
    folder = quick_run(toy_project, tiny_llama, keep_best_by="score", **STAGE_1_ONLY)
    checks = finish(folder).of("validation")
    assert [(c["score"], c["best"]) for c in checks] == [(0.25, True), (0.5, True), (0.75, True), (0.5, False)]


def test_check_rows_are_scored_as_the_exam_scores(toy_project: Project, tiny_llama: Path) -> None:
    folder = quick_run(toy_project, tiny_llama, keep_best_by="score", exam_only_labels=False, **STAGE_1_ONLY)
    scores = [check["score"] for check in finish(folder).of("validation")]
    assert len(scores) > 1
    assert all(0.0 <= score <= 1.0 for score in scores)
    labels = quick_run(toy_project, tiny_llama, keep_best_by="score", **STAGE_1_ONLY)
    assert max(check["score"] for check in finish(labels).of("validation")) > 0  # one of two labels is right often


def test_of_equal_scores_the_lower_loss_is_better() -> None:
    assert value_of(0.4, 0.5) < value_of(0.6, 0.5) < value_of(0.1, 0.49)
    assert value_of(0.4, None) == 0.4


@pytest.mark.usefixtures("unlearning")
def test_patience_ends_a_stage_early(toy_project: Project, tiny_llama: Path) -> None:
    folder = quick_run(toy_project, tiny_llama, patience=2, **STAGE_1_ONLY)
    assert [c["step"] for c in finish(folder).of("validation")] == [0, 4, 8]


def test_a_loss_that_is_not_a_number_ends_the_run_in_words(
    toy_project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = quick_run(toy_project, tiny_llama)
    original = torch.nn.functional.cross_entropy
    monkeypatch.setattr(
        "core.training.answer_model.functional.cross_entropy", lambda *a, **k: original(*a, **k) * float("nan")
    )
    with pytest.raises(TrainingFailure) as caught:
        finish(folder)
    assert caught.value.failure == "nan_loss"
    assert list_checkpoints(folder.checkpoints_dir) == []


def test_a_checkpoint_of_other_settings_is_refused(toy_project: Project, tiny_llama: Path) -> None:
    folder = quick_run(toy_project, tiny_llama)
    with pytest.raises(RunPaused):
        finish(folder, ListJournal(wishes={4: PAUSE}))
    with pytest.raises(TaskloomError) as caught:
        finish(folder, learning_rate_skills=0.1)
    assert caught.value.key == "checkpoint.mismatch"


@pytest.mark.parametrize("method", ["lora", "cpoly"])
def test_both_kinds_of_model_learn(toy_project: Project, tiny_t5: Path, tiny_llama: Path, method: str) -> None:
    for model in (tiny_t5, tiny_llama):
        folder = quick_run(
            toy_project,
            model,
            method=method,
            max_steps=20,
            evaluate_every=20,
            stage2_steps=0,
            exam_rows=2,
            learning_rate_skills=0.02,
        )
        checks = finish(folder).of("validation")
        assert checks[-1]["mean"] < 0.9 * checks[0]["mean"]


def test_the_time_limit_stops_and_keeps(toy_project: Project, tiny_llama: Path) -> None:
    folder = quick_run(toy_project, tiny_llama, max_hours=0.001, max_steps=100_000)  # 3.6 seconds
    journal = finish(folder)
    assert [e["key"] for e in journal.of("notice")] == ["training.time_limit"]
    assert folder.adapter_dir.is_dir()


def test_a_filling_disk_is_said_before_it_is_full(
    toy_project: Project, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = quick_run(toy_project, tiny_llama, exam_rows=0)
    monkeypatch.setattr("core.training.checks.shutil.disk_usage", lambda _: SimpleNamespace(free=2**20))
    assert {e["key"] for e in finish(folder).of("notice")} == {"check.disk"}


def test_curves_reach_a_tracking_tool(toy_project: Project, tiny_llama: Path) -> None:
    """A real one: both stages on one axis of steps, losses by task, checks and learning rates."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = quick_run(toy_project, tiny_llama, exam_rows=0, report_to="tensorboard")
    finish(folder)
    points: dict[str, list[int]] = {}
    for path in sorted((folder.path / "tracking").rglob("events.out.tfevents.*")):
        reader = accumulator.EventAccumulator(str(path))
        reader.Reload()
        for tag in reader.Tags()["scalars"]:
            points.setdefault(tag.split("/", 1)[-1], []).extend(event.step for event in reader.Scalars(tag))
    assert {"loss", "lr_allocation", "loss/direct", "loss/reversed", "check_loss"} <= points.keys()
    assert points["loss"] == sorted(set(points["loss"]))  # stage 2 goes on where stage 1 ended
    assert points["loss"][-1] == 18
    assert max(points["check_loss"]) == 18


@pytest.mark.parametrize(
    ("chunks", "more"),
    [
        ("apart", {"mixture": "balanced", "adapter.granularity": "model"}),
        ("joined", {"loss_average": "examples", "accumulation": 2}),
        ("joined", {"method": "lora", "batch_size": 1}),
    ],
)
def test_instructions_together_train_and_resume(
    toy_project: Project, tiny_llama: Path, chunks: str, more: dict[str, Any]
) -> None:
    """Chunks of several tasks in one row, with other settings: the same result also after a pause in each stage."""
    sizes = {"max_steps": 3, "stage2_steps": 2, "batch_size": 5, "exam_rows": 0, "chunks": chunks}
    whole_run, paused = (quick_run(toy_project, tiny_llama, **{**sizes, **more}) for _ in range(2))
    journal = finish(whole_run)
    assert all(event["loss"] > 0 for event in journal.of("loss"))
    with pytest.raises(RunPaused):
        finish(paused, ListJournal(wishes={2: PAUSE}))
    finish(paused)
    assert_equal(weights_of(whole_run), weights_of(paused))
