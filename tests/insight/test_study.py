"""Comparison studies: plans, fairness, tables that agree with scipy, one small study that is interrupted."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from core.base.errors import RunError, SettingError
from core.evaluation.intervals import mean_interval
from core.insight.study import (
    STANDARD_ARMS,
    Arm,
    Study,
    arm_config,
    cell_config,
    count_due_cells,
    create_study,
    find_study,
    parse_arm,
    read_study,
    run_study,
    run_study_on,
)
from core.insight.study_peft import peft_records, write_peft_records, zip_peft_records
from core.insight.study_rows import limit_rows
from core.insight.study_tables import (
    BASE,
    against_reference,
    study_frame,
    study_report,
    summarise_study,
    task_scores,
)
from core.runs import together, where
from core.runs.creation import create_run, list_runs
from core.runs.events import read_events
from core.runs.folder import RunFolder
from core.runs.launchers import LAUNCHERS
from core.runs.launching import cancel_run
from core.runs.states import RunStatus
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.training.config import RunConfig, change_config
from core.workspace import Project, Workspace
from tests.runs.fake_engine import FakeEngine
from tests.tiny_models import build_tiny_llama


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("study")
    build_tiny_llama(folder / "llama")
    made = Workspace(folder / "home").create_project("Desk")
    for index in range(2):
        rows = [{"text": f"message {i}", "label": ("yes", "no")[(i + index) % 2]} for i in range(60)]
        path = folder / f"task{index}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        add_task(made, path, TaskRequest(name=f"task {index}"))
    return made


def quick(project: Project) -> RunConfig:
    base = project.path.parents[2] / "llama"
    return RunConfig(
        base_model=str(base),
        max_steps=2,
        stage2_steps=1,
        exam_rows=3,
        max_new_tokens=2,
        validation_rows=2,
        batch_size=4,
        num_threads=1,
    )


def test_arms_are_written_as_text() -> None:
    assert parse_arm("cpoly") == Arm("cpoly", "cpoly")
    assert parse_arm("cpoly adapter.rank=4").assignments == ("adapter.rank=4",)
    assert parse_arm("Big one: lora adapter.rank=16") == Arm("Big one", "lora", ("adapter.rank=16",))
    with pytest.raises(SettingError, match="magic"):
        parse_arm("magic")
    with pytest.raises(SettingError, match="names no method"):
        parse_arm("label:")
    with pytest.raises(SettingError, match="same label"):
        Study("s", RunConfig(), (Arm("a", "lora"), Arm("a", "cpoly")))


def test_cells_cross_everything_and_the_base_model_is_examined_once() -> None:
    study = Study("s", RunConfig(), STANDARD_ARMS[:3], (0, 1), (0.5, 1.0))
    assert len(study.cells) == 12
    with_base = [c for c in study.cells if cell_config(study, c, 4).exam_base]
    assert [(c.arm, c.seed, c.share) for c in with_base] == [("C-Poly", 0, 0.5), ("C-Poly", 0, 1.0)]
    mixed = next(c for c in study.cells if c.arm == "C-Poly mix")
    assert cell_config(study, mixed, 4).adapter.combine == "mix"


def sizes(fairness: str, num_tasks: int = 5, **adapter: int) -> dict[str, dict[str, int]]:
    """rank and number of skills of every standard arm."""
    config = change_config(RunConfig(), {f"adapter.{name}": value for name, value in adapter.items()})
    study = Study("s", config, STANDARD_ARMS, fairness=fairness)
    kept = ("rank", "num_common_skills", "num_experts")
    return {
        arm.label: {k: v for k, v in asdict(arm_config(study, arm, num_tasks).adapter).items() if k in kept}
        for arm in STANDARD_ARMS
    }


def test_equal_parameters_gives_every_arm_the_reference_arms_numbers() -> None:
    """C-Poly with 3 common skills, 1 private skill a task and rank 2 holds 2 (3 + T) (i + o) numbers a layer."""
    found = sizes("parameters")
    assert found["shared LoRA"] == {"rank": 16}
    assert found["Poly"] == {"rank": 2, "num_common_skills": 8}
    assert found["MoE-LoRA"] == {"rank": 2, "num_experts": 8}
    assert found["private LoRA"] == {"rank": 3}
    assert found["C-Poly"] == found["C-Poly mix"] == {"rank": 2, "num_common_skills": 3}


def test_equal_rank_computes_an_example_with_the_reference_arms_active_rank() -> None:
    """(3 + 1) skills of rank 2 are rank 8; a mixture of factors needs rank 8 itself."""
    found = sizes("rank")
    assert found["shared LoRA"] == found["private LoRA"] == {"rank": 8}
    assert found["Poly"] == {"rank": 2, "num_common_skills": 4}
    assert found["MHR"] == {"rank": 8, "num_common_skills": 4}
    assert found["C-Poly mix"] == {"rank": 8, "num_common_skills": 3}
    assert found["MoE-LoRA"] == {"rank": 2, "num_experts": 4}
    assert found["MTA"] == {"rank": 8}
    assert sizes("rank", rank=4)["shared LoRA"] == {"rank": 16}


def test_a_size_that_an_arm_names_and_the_place_of_adapters_are_kept() -> None:
    config = change_config(RunConfig(), {"adapter.target_modules": "q_proj", "adapter.upper_share": 0.5})
    study = Study("s", config, (Arm("ours", "cpoly"), Arm("big", "lora", ("adapter.rank=32",))))
    adapter = arm_config(study, study.arm("big"), 5).adapter
    assert (adapter.rank, adapter.target_modules, adapter.upper_share) == (32, "q_proj", 0.5)


def test_smaller_shares_are_parts_of_larger_ones(project: Project) -> None:
    kept = []
    for share in (0.25, 0.5):
        folder = create_run(project, quick(project))
        before = folder.read_run()["tasks"][0]["num_train"]
        limit_rows(folder, share, seed=3)
        lines = (folder.data_dir / "0.train.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(lines) == folder.read_run()["tasks"][0]["num_train"] == round(share * before)
        kept.append(set(lines))
        shutil.rmtree(folder.path)
    assert kept[0] < kept[1]


def test_a_line_separator_inside_a_text_does_not_split_a_row(project: Project) -> None:
    folder = create_run(project, quick(project))
    path = folder.data_dir / "0.train.jsonl"
    rows = [{"prompt": f"one\u2028two\u0085{i}", "target": "yes"} for i in range(10)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    limit_rows(folder, 0.5, seed=0)
    kept = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    assert len(kept) == 5
    assert all(row in rows for row in kept)
    shutil.rmtree(folder.path)


def test_a_study_goes_on_where_it_was_interrupted(project: Project) -> None:
    arms = (Arm("C-Poly", "cpoly"), Arm("LoRA", "lora"))
    folder = create_study(project, Study("Two arms", quick(project), arms, seeds=(0,)))
    assert find_study(project, "Two arms") == folder
    assert find_study(project, "Another") is None
    seen: list[str] = []

    def cancel_the_second(cell: object, place: int, total: int, status: RunStatus) -> None:
        seen.append(f"{place}/{total}")
        if place == 2 and status.is_live:
            cancel_run(list_runs(project)[0])

    with pytest.raises(RunError, match="ended in the state cancelled"):
        run_study(project, folder, cancel_the_second)
    first, second = (cell.run_id for cell in read_study(folder).cells)
    seen.clear()
    with pytest.raises(RunError, match="ended in the state cancelled"):
        run_study(project, folder, cancel_the_second)
    study = read_study(folder)
    assert set(seen) == {"2/2"}  # what was done stays done
    later = replace(study, config=change_config(study.config, {"adapter.rank": 7, "epochs": 9.0}))
    for cell in study.cells:  # what defaults become while it is half done changes nothing
        assert cell_config(later, cell, 5) == cell_config(study, cell, 2)
    assert study.cells[0].run_id == first
    assert study.cells[1].run_id != second
    assert {made.read_run()["part_of"] for made in list_runs(project)} == {f"study:{folder.name}"}
    frame = study_frame(project, study)
    assert set(frame["arm"]) == {"C-Poly", BASE}
    assert set(frame["task"]) == {"task 0", "task 1"}
    assert (frame[frame["arm"] == "C-Poly"]["parameters"] > 0).all()
    assert (frame[frame["arm"] == "C-Poly"]["active_rank"] == 8).all()
    assert set(frame["domain"]) == {"Desk"}
    best = [e for e in read_events(RunFolder(project.runs_dir / first).events_path) if e.get("best")][-1]
    assert list(frame[frame["arm"] == "C-Poly"]["check_loss"]) == [best["by_task"]["0"], best["by_task"]["1"]]
    _check_peft_form(project, study)
    report = study_report(study, frame)
    assert "| C-Poly | 1 | 1 |" in report
    assert "task 0 (accuracy)" in report


def _check_peft_form(project: Project, study: Study) -> None:
    """What PEFT's method comparison reads of a run, in the types that it asks for."""
    written = write_peft_records(project, study, project.path / "peft")
    records = [json.loads(path.read_text(encoding="utf-8")) for path in written]
    with zipfile.ZipFile(io.BytesIO(zip_peft_records(project, study))) as packed:
        assert [json.loads(packed.read(path.name)) for path in written] == records
    assert [record["taskloom"]["run"] for record in records] == [study.cells[0].run_id]
    assert [path.name for path in written] == ["cpoly--Desk-llama-C-Poly-seed0.json"]
    assert str(project.path.parents[2]) not in written[0].read_text(encoding="utf-8")  # where the base model lies
    twice = replace(study, cells=(study.cells[0], replace(study.cells[0], arm="C_Poly"), study.cells[0]))
    assert len(peft_records(project, replace(study, cells=(*twice.cells, study.cells[1])))) == 3
    for record in records:
        run, trained, meta = record["run_info"], record["train_info"], record["meta_info"]
        last, scores = trained["metrics"][-1], trained["metrics"][-1]["test scores"].values()
        assert run["peft_config"]["peft_type"] == "CPOLY"
        assert run["train_config"]["model_id"] == "llama"
        assert pd.to_datetime(run["created_at"]).tzinfo is not None
        assert trained["status"] == "success"
        assert last["test accuracy"] == pytest.approx(np.mean([score["value"] for score in scores]))
        assert last["train samples"] == last["step"] * 4 == 12
        assert last["train total tokens"] > last["train samples"]
        assert all(isinstance(last[name], float) for name in ("test accuracy", "train loss"))
        whole = [trained[f"accelerator_memory_{kind}"] for kind in ("reserved_avg", "max", "reserved_99th")]
        assert whole == [0, 0, 0]
        assert trained["file_size"] > trained["num_trainable_params"] > 0
        versions = {meta["package_info"][f"{name}-version"] for name in ("peft", "transformers", "torch")}
        assert all(versions)
        assert {"datasets-version", "bitsandbytes-version"} < meta["package_info"].keys()
        assert isinstance(meta["system_info"], dict)


def test_a_study_on_another_engine_has_all_its_runs_there_at_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = FakeEngine()
    monkeypatch.setattr(where, "ASK_EVERY_S", 0.0)
    monkeypatch.setattr(together, "POLL_S", 0.0)
    LAUNCHERS.register("fake", far)
    try:
        arms = (Arm("C-Poly", "cpoly"), Arm("LoRA", "lora"))
        folder = create_study(project, Study("There", quick(project), arms, seeds=(0, 1)))
        seen: list[list[str]] = []

        def work(statuses: list[RunStatus]) -> None:
            seen.append([status.state for status in statuses])
            for cell in read_study(folder).cells:
                run = RunFolder(project.runs_dir / cell.run_id)
                if not run.done_path.exists():
                    far.end(
                        run,
                        "failed" if cell.seed == 1 and cell.arm == "LoRA" and len(far.signs) == 4 else "succeeded",
                    )

        engine = where.Engine("far", "fake")
        (project.path.parents[1] / where.FILE).write_text("far: {launcher: fake}", encoding="utf-8")
        assert count_due_cells(project, folder) == 4
        with pytest.raises(RunError, match="ended in the state failed"):
            run_study_on(project, folder, engine, work)
        assert count_due_cells(project, folder) == 1
        assert seen[0] == ["pending"] * 4
        assert seen[-1] == ["succeeded"] * 3 + ["failed"]
        before = [cell.run_id for cell in read_study(folder).cells]
        run_study_on(project, folder, engine, work)
        after = [cell.run_id for cell in read_study(folder).cells]
        assert after[:3] == before[:3]  # what was done stays done
        assert after[3] != before[3]
        assert len(far.signs) == 5
    finally:
        LAUNCHERS.remove("fake")
        (project.path.parents[1] / where.FILE).unlink(missing_ok=True)


def frame_of(scores: dict[str, list[list[float]]]) -> pd.DataFrame:
    """scores[arm][seed][task]"""
    return pd.DataFrame(
        [
            {
                "domain": "d",
                "arm": arm,
                "seed": seed,
                "share": 1.0,
                "task": f"t{task}",
                "metric": "accuracy",
                "rows": 100,
                "score": score,
                "check_loss": 1.0,
                "active_rank": 8,
                "parameters": 10,
                "seconds": 1.0,
                "processor_s": 0.5,
            }
            for arm, runs in scores.items()
            for seed, values in enumerate(runs)
            for task, score in enumerate(values)
        ]
    )


def test_tables_agree_with_scipy() -> None:
    frame = frame_of(
        {
            "ours": [[0.9, 0.5], [0.8, 0.6], [0.85, 0.7]],
            "other": [[0.7, 0.5], [0.75, 0.5], [0.7, 0.45]],
            BASE: [[0.1, 0.1]],
        }
    )
    summary = summarise_study(frame)
    assert list(summary["arm"]) == ["ours", "other", BASE]
    means = np.array([0.7, 0.7, 0.775])
    assert summary["mean"][0] == pytest.approx(means.mean())
    expected = ttest_1samp(means, 0).confidence_interval(0.95)
    assert (summary["low"][0], summary["high"][0]) == pytest.approx((expected.low, expected.high))
    assert summary["rank"][0] == pytest.approx((1 + 1.5 + 1 * 4) / 6)
    assert np.isnan(summary["rank"][2])
    gaps = against_reference(frame, "ours")
    assert list(gaps["arm"]) == ["other"]
    differences = means - np.array([0.6, 0.625, 0.575])
    expected = ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (gaps["low"][0], gaps["high"][0]) == pytest.approx((expected.low, expected.high))
    assert task_scores(frame).loc[("ours", 1.0), "t0"] == pytest.approx(0.85)
    losses = {"ours": [0.5, 0.7, 0.6], "other": [0.6, 0.9, 0.9]}
    marked = frame[frame["arm"] != BASE].copy()
    marked["check_loss"] = [losses[arm][seed] for arm, seed in zip(marked["arm"], marked["seed"], strict=True)]
    row = against_reference(marked, "ours").iloc[0]
    expected = ttest_1samp([-0.1, -0.2, -0.3], 0).confidence_interval(0.95)
    assert (row["loss"], row["loss_low"], row["loss_high"]) == pytest.approx((-0.2, expected.low, expected.high))


def test_every_domain_counts_the_same_whatever_its_number_of_tasks() -> None:
    small, large = frame_of({"ours": [[1.0], [0.8]]}), frame_of({"ours": [[0.0, 0.0, 0.0], [0.2, 0.2, 0.2]]})
    summary = summarise_study(pd.concat([small, large.assign(domain="e")]))
    assert summary["mean"][0] == pytest.approx(0.5)
    assert summary["seeds"][0] == 2
    gaps = against_reference(pd.concat([small, small.assign(arm="other", score=0.5)]), "ours")
    assert (gaps["pairs"][0], gaps["difference"][0]) == (2, pytest.approx(0.4))


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    assert all(np.isnan(v) for v in mean_interval(np.array([0.5]), 100))
    assert "[nan" not in study_report(Study("s", RunConfig(), (Arm("ours", "cpoly"),)), frame_of({"ours": [[0.5]]}))
