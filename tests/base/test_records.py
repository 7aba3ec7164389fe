"""Records of JSON become dataclasses again; files of older versions load as they did, damage is named."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from core.base.errors import Problem, SettingError, WorkspaceError
from core.base.records import from_record, read_record
from core.chat.protocol import ChatEvent, SkillWeight
from core.insight.study import read_study
from core.merge.table import MergeTable
from core.runs.folder import RunFolder
from core.runs.states import RunStatus
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.isolation import request_to_dict
from core.tasks.changing.versions import Version
from core.tasks.spec import SplitSettings, TaskSpec, read_spec, write_spec
from core.tasks.store import stored_problems
from core.training.manifest import TrainingState, read_state

# As version 0.3 wrote them: fields that came later are missing, one that went is still there.
OLD_TASK = """{
 "task_id": "t-20250101-000000-0a1b2c3d", "name": "绀 intents", "inputs": ["text"], "targets": ["label", "more"],
 "instruction": "Say what is wanted.", "template": "{instruction}\\n{text}", "metric": "accuracy",
 "kind": "classification", "target_separator": " | ", "split": {"validation": 0.1, "test": 0.2, "seed": 7},
 "source": {"file": "a.csv", "format": "csv", "rows": 12}, "columns": ["text", "label", "more"],
 "num_train": 10, "num_validation": 1, "num_test": 1, "labels": ["yes", "no"], "created": 1735689600,
 "retired_field": {"a": [1]}
}"""
OLD_STATUS = """{"state": "running", "stage": "stage1", "step": 12, "total_steps": 60, "progress": 0.2,
 "eta_s": 30, "eta_range_s": [20.5, 44], "message_key": "run.training", "message_values": {"n": [1, {"a": null}]},
 "loss_of_the_time": 1.5}"""
OLD_STATE = '{"stage": 1, "step": 40, "best_value": 1.25, "best_step": 30, "micro": 160, "seconds": 12}'
OLD_STUDY = """{"name": "methods", "config": {"method": "lora", "max_steps": 20, "adapter": {"rank": 4}},
 "arms": [{"label": "LoRA", "method": "lora", "assignments": ["adapter.rank=4"]}], "seeds": [0, 1],
 "shares": [0.5, 1.0], "fairness": "rank", "tasks": null,
 "cells": [{"arm": "LoRA", "seed": 0, "share": 0.5, "run_id": "r1"}, {"arm": "LoRA", "seed": 1, "share": 1}]}"""
OLD_MERGE = """{"way": "ties", "tasks": ["a", "b"], "norms": [1, 2.5], "factors": [1.0, 1.0],
 "cosines": [[1, 0.1], [0.1, 1]], "rank": 8, "kept": 0.93}"""


def test_a_task_of_an_older_version_loads(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(OLD_TASK, encoding="utf-8")
    spec = read_spec(tmp_path)
    assert (spec.inputs, spec.targets, spec.labels) == (("text",), ("label", "more"), ("yes", "no"))
    assert spec.split == SplitSettings(0.1, 0.2, 7)
    assert (spec.source.file, spec.source.sha256, spec.templates, spec.version) == ("a.csv", "", (), 1)
    assert (spec.created, type(spec.created)) == (1735689600.0, float)
    write_spec(spec, tmp_path)
    assert read_spec(tmp_path) == spec


def test_files_are_written_as_ever(tmp_path: Path) -> None:
    """`asdict` in the order of the fields: an older version reads them too."""
    (tmp_path / "task.json").write_text(OLD_TASK, encoding="utf-8")
    spec = read_spec(tmp_path)
    write_spec(spec, tmp_path)
    written = json.loads((tmp_path / "task.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(asdict(spec)))
    known = {k: v for k, v in json.loads(OLD_TASK).items() if k not in ("retired_field", "split", "source")}
    assert {name: written[name] for name in known} == known


def test_files_of_an_older_run_load(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.status_path.write_text(OLD_STATUS, encoding="utf-8")
    status = folder.read_status()
    assert (status.step, status.eta_range_s, status.failure) == (12, (20.5, 44.0), None)
    assert status.message_values == {"n": [1, {"a": None}]}
    (tmp_path / "state.json").write_text(OLD_STATE, encoding="utf-8")
    assert read_state(tmp_path) == TrainingState(1, 40, 1.25, 30, micro=160, seconds=12.0)
    (tmp_path / "merge.json").write_text(OLD_MERGE, encoding="utf-8")
    assert read_record(MergeTable, folder.merge_path).scale is None
    problem = '{"field": "line 3", "key": "file.x", "values": {"raw": "a"}, "severity": "note", "message": "m"}'
    (tmp_path / "problems.json").write_text(f"[{problem}]")
    assert stored_problems(tmp_path) == [Problem("line 3", "file.x", {"raw": "a"}, "note")]
    (tmp_path / "study.json").write_text(OLD_STUDY, encoding="utf-8")
    study = read_study(tmp_path)
    assert (study.config.method, study.config.adapter.rank) == ("lora", 4)  # type: ignore[union-attr, attr-defined]
    assert study.arms[0].assignments == ("adapter.rank=4",)
    assert [cell.run_id for cell in study.cells] == ["r1", ""]


def test_values_come_back_as_they_went() -> None:
    event = ChatEvent("done", "text", weights=(SkillWeight("s", "common", 0.5),), values={"shown": [[1, "é"]]})
    assert from_record(ChatEvent, json.loads(json.dumps(event.as_dict())), "worker") == event
    request = TaskRequest(name="n", more_paths=(Path("/a/b.csv"),), split=SplitSettings(seed=3), inputs=("a",))
    assert from_record(TaskRequest, json.loads(json.dumps(request_to_dict(request))), "test") == request


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": "text"}, "inputs"),
        ({"split": {"seed": "many"}}, "split.seed"),
        ({"labels": [1]}, "labels.0"),
        ({"name": None}, "name"),
        ({"num_train": 1.5}, "num_train"),
    ],
)
def test_damage_is_named(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "task.json"
    path.write_text(json.dumps({**json.loads(OLD_TASK), **change}), encoding="utf-8")
    with pytest.raises(WorkspaceError, match=f"{path.name}.*{said}: ") as caught:
        read_spec(tmp_path)
    assert caught.value.key == "workspace.damaged"


@pytest.mark.parametrize("text", ["[]", "null", "3", '"task"', "{}"])
def test_what_is_no_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "task.json").write_text(text)
    with pytest.raises(WorkspaceError, match=r"task\.json"):
        read_spec(tmp_path)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(WorkspaceError, match="number: Field required"):
        from_record(Version, {"change": "x", "count": 1, "time": 0}, "change.json")
    assert from_record(RunStatus, {}, "status.json") == RunStatus()


def test_a_value_out_of_bounds_keeps_its_own_words() -> None:
    record = {**json.loads(OLD_TASK), "split": {"validation": 2.0}}
    with pytest.raises(SettingError):
        from_record(TaskSpec, record, "task.json")


def test_pydantic_is_loaded_by_the_first_record_only() -> None:
    loaded = "core.__main__, core.tasks.changing.child, core.runs.launching"
    code = f"import {loaded}, sys; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
