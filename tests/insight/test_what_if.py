"""What-if on a run on the disk: measured on check rows, kept as a run of its own, the old one untouched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from core.asking.what_if import Asked, WhatIf
from core.base.errors import RunError, SettingError
from core.insight.change_table import describe_change_of_task
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from tests.serving.conftest import make_trained_run, tiny_llama_dir  # noqa: F401  a fixture

WEIGHTS = "adapter.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> RunFolder:  # noqa: F811
    made = RunFolder(make_trained_run(tmp_path_factory.mktemp("workspace"), tiny_llama_dir))
    made.write_config(replace(made.read_config(), precision="float32", max_new_tokens=4, exam_only_labels=False))
    return made


def test_a_change_is_measured_on_check_rows_and_kept_as_a_run(folder: RunFolder) -> None:
    before = load_file(folder.adapter_dir / WEIGHTS)
    for path in (folder.forgetting_path, folder.record_path, folder.prediction_path):
        path.write_text("{}", encoding="utf-8")
    whole = WhatIf(folder)
    asked = Asked("task 0", row_of="pairs", scale={"common 1": 0.0}, prompt="message 3 of task 0", rows=3)
    found = whole.ask(asked)
    assert found["rows"] == 3 == found["difference"]["n"]
    assert found["before"]["value"] + found["difference"]["value"] == pytest.approx(found["after"]["value"])
    assert all(row["before"] != row["after"] for row in found["changed"])
    assert describe_change_of_task(found)[0].key == "says.what_if_unsure"  # three rows cannot be sure
    kept = RunFolder(folder.path.with_name(whole.keep("Variant", asked)))
    assert kept.read_run()["varied_from"] == folder.run_id
    assert kept.read_run()["name"] == "Variant"
    assert kept.read_run()["change"] == {"task": "task 0", "row_of": "pairs", "scale": {"common 1": 0.0}}
    assert run_state(kept).state == "succeeded"
    assert kept.read_results() is None  # its exam is still to be sat
    assert not kept.evidence_path.exists()
    assert not any(path.exists() for path in (kept.forgetting_path, kept.record_path, kept.prediction_path))
    again = WhatIf(kept).ask(Asked("task 0", prompt="message 3 of task 0", rows=3))
    assert again["question"]["before"] == found["question"]["after"]
    after = load_file(folder.adapter_dir / WEIGHTS)
    assert all(bool((after[name] == tensor).all()) for name, tensor in before.items())


def test_the_tasks_own_skill_is_called_private(folder: RunFolder) -> None:
    found = WhatIf(folder).ask(Asked("task 1", scale={"private": 0.5}, rows=0))
    assert (found["rows"], found["changed"], found["question"]) == (0, [], None)
    assert describe_change_of_task(found) == []


def test_unknown_names_and_wild_factors_are_worded(folder: RunFolder) -> None:
    whole = WhatIf(folder)
    with pytest.raises(RunError, match="task 0"):
        whole.ask(Asked("nobody"))
    with pytest.raises(RunError, match=r"common 1.*private"):
        whole.ask(Asked("task 0", scale={"private 2": 1.0}))  # another task's
    with pytest.raises(SettingError):
        whole.ask(Asked("task 0", scale={"common 1": 99.0}))
    with pytest.raises(SettingError):
        Asked("task 0", rows=100_000)
