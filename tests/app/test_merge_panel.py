"""What the merge panel says of the tasks that learned alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from app.texts.language import in_language
from app.try_it.merge_panel import MergePanel, can_train_groups, merge_view
from core.base.files import write_json_atomic
from core.merge.table import MergeTable
from core.runs.folder import RunFolder
from core.training.config import RunConfig, change_config

COSINES = [[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_tasks_that_learned_alike_stand_under_the_table() -> None:
    found = MergeTable("arrow", ["<mails>", "notes", "bills"], [1.0] * 3, [1.0] * 3, COSINES, 4, 1.0, top=2)
    shown = in_language("en", merge_view, found)
    assert "1. &lt;mails&gt;, notes" in shown
    assert "2. bills" in shown
    assert "2 groups stand apart" in shown
    assert "answered by the 2 of these LoRAs" in shown
    assert "<mails>" not in shown
    assert "分成 2 组" in in_language("zh", merge_view, found)
    pair = MergeTable("average", ["a", "b"], [1.0] * 2, [0.5] * 2, [[1.0, 0.1], [0.1, 1.0]], 4, 1.0)
    assert "alike" not in in_language("en", merge_view, pair)
    even = replace(found, cosines=np.eye(3).tolist())
    assert "There are no groups" in in_language("en", merge_view, even)
    assert [can_train_groups(one) for one in (found, pair, even)] == [True, False, False]


def test_its_button_brings_one_adapter_a_group_to_the_train_screen(tmp_path: Path) -> None:
    found = MergeTable("arrow", ["mails", "notes", "bills"], [1.0] * 3, [1.0] * 3, COSINES, 4, 1.0, top=2)
    write_json_atomic(RunFolder(tmp_path).merge_path, found.as_dict())
    context = SimpleNamespace(trained_run=lambda _: tmp_path, go_to=lambda _, screen, **preset: (screen, preset))
    screen, preset = MergePanel.train_groups(None, context, None)  # type: ignore[arg-type]
    assert screen == "train"
    assert preset["changes"]["bind_tasks"] == "mails | notes"
    assert preset["changes"]["keep_apart"] == "mails | bills"
    assert change_config(RunConfig(), preset["changes"]).adapter.num_common_skills == 2  # type: ignore[union-attr]
