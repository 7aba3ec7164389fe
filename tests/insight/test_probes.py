"""Knock-out and transfer on a tiny model whose skills are made so that the outcome is known."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.asking.probe_model import Prober, run_probe
from core.base.errors import RunError, SettingError
from core.insight.probe_table import ProbeSettings, describe_probe, probe_from_dict, read_probe
from core.models.building import build_modular, save_adapter
from core.models.loading import load_base
from core.runs.folder import RunFolder
from tests.serving.conftest import make_trained_run, tiny_llama_dir  # noqa: F401  a fixture

ROWS = ProbeSettings(rows=3)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory, tiny_llama_dir: Path) -> Path:  # noqa: F811
    return make_trained_run(tmp_path_factory.mktemp("workspace"), tiny_llama_dir)


def ignore(done: int, total: int) -> None:
    assert 0 < done <= total


def test_a_switched_off_skill_contributes_nothing_and_comes_back(run_dir: Path) -> None:
    prober = Prober(RunFolder(run_dir), ROWS)
    adapter, model = prober.model.adapter, prober.model
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad():
        before = model(ids, task_ids=[1]).logits
        for column, skill in enumerate(adapter.skills()):
            with adapter.switch_off(column):
                changed = not torch.equal(model(ids, task_ids=[1]).logits, before)
            assert changed == (skill.task in (None, 1)), skill
            assert torch.equal(model(ids, task_ids=[1]).logits, before)
        # All of a task's skills off: the base model answers.
        columns = [i for i, s in enumerate(adapter.skills()) if s.task in (None, 1)]
        with contextlib.ExitStack() as stack:
            for column in columns:
                stack.enter_context(adapter.switch_off(column))
            with model.disabled():
                base = model(ids).logits
            torch.testing.assert_close(model(ids, task_ids=[1]).logits, base)


def test_knock_out_compares_with_the_untouched_answers(run_dir: Path) -> None:
    seen: list[tuple[int, int]] = []
    outcome = run_probe(run_dir, "knockout", ROWS, lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == 3 + 3 * 4
    probe = read_probe(run_dir, "knockout")
    assert list(probe.change.columns) == ["common 1", "common 2", "common 3", "private 1", "private 2", "private 3"]
    assert np.isnan(probe.change.loc["task 0", "private 2"])
    assert probe.change.loc["task 0", "private 1"] == outcome["cells"][0][3]["value"]
    assert probe.change.notna().sum().sum() == 12


def test_an_interrupted_probe_goes_on_and_asks_nothing_twice(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_probe(run_dir, "knockout", ROWS, ignore)

    def stop(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_probe(run_dir, "knockout", ROWS, stop)
    asked = []
    answers = Prober.answers
    monkeypatch.setattr(Prober, "answers", lambda *a, **k: asked.append(a) or answers(*a, **k))
    assert run_probe(run_dir, "knockout", ROWS, ignore) == whole
    assert len(asked) == 15 - 6
    asked.clear()
    with pytest.raises(KeyboardInterrupt):
        run_probe(run_dir, "knockout", ROWS, stop)
    run_probe(run_dir, "knockout", ProbeSettings(rows=2), ignore)  # other questions: nothing is taken over
    assert len(asked) == 6 + 15
    assert not (run_dir / "probes" / "knockout.part").exists()


def test_transfer_has_zeros_on_its_diagonal(run_dir: Path) -> None:
    run_probe(run_dir, "transfer", ROWS, ignore)
    probe = read_probe(run_dir, "transfer")
    assert list(probe.change.columns) == list(probe.change.index) == ["task 0", "task 1", "pairs"]
    assert (np.diag(probe.change) == 0).all()
    assert not probe.is_sure.to_numpy()[np.diag_indices(3)].any()


def test_the_answers_with_another_row_are_those_of_that_task(run_dir: Path) -> None:
    prober = Prober(RunFolder(run_dir), ROWS)
    # Of two labels random skills may choose the same one everywhere; freely written answers differ.
    prober.examiner.settings = replace(prober.examiner.settings, only_labels=False)
    swapped = prober.answers(0, row=1)
    prober.questions[1] = prober.questions[0]
    assert prober.answers(1, row=1) == swapped
    assert prober.answers(0, row=0) != swapped


def test_methods_without_separate_skills_are_refused(run_dir: Path) -> None:
    folder = RunFolder(run_dir)
    base = load_base(folder.read_config().base_model)
    kept = folder.adapter_dir.rename(folder.path / "kept")
    save_adapter(build_modular(base, "lora", None, ["task 0", "task 1", "pairs"]), folder.adapter_dir)
    try:
        with pytest.raises(RunError, match="method lora cannot be switched off"):
            run_probe(run_dir, "knockout", ROWS, ignore)
    finally:
        import shutil

        shutil.rmtree(folder.adapter_dir)
        kept.rename(folder.adapter_dir)


def cell(value: float, half: float) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "p": 0.01, "n": 50}


def test_sentences_say_only_what_the_intervals_allow() -> None:
    scores = [{"value": 0.8, "low": 0.7, "high": 0.9, "n": 50}] * 2
    cells = [[cell(-0.4, 0.1), cell(0.02, 0.1), None], [cell(0.0, 0.1), cell(0.3, 0.1), cell(-0.05, 0.1)]]
    outcome = {
        "kind": "knockout",
        "tasks": ["a", "b"],
        "metrics": ["accuracy"] * 2,
        "scores": scores,
        "columns": ["common 1", "common 2", "private 2"],
        "cells": cells,
    }
    texts = [s.text for s in describe_probe(probe_from_dict(json.loads(json.dumps(outcome))))]
    assert texts == [
        "a needs common 1: without it the score falls by 40.0 points.",
        "b is better off without common 2: the score rises by 30.0 points.",
    ]
    moved = {
        **outcome,
        "kind": "transfer",
        "columns": ["a", "b"],
        "cells": [[cell(0, 0), cell(-0.5, 0.2)], [cell(0.3, 0.1), cell(0, 0)]],
    }
    texts = [s.text for s in describe_probe(probe_from_dict(moved))]
    assert texts == [
        "a has a way of its own: with the skills of b it loses 50.0 points.",
        "b answers better the way a uses the skills: 30.0 points more than its own way.",
    ]
    taught = {
        **outcome,
        "kind": "leaveout",
        "columns": ["(another seed)", "a", "b"],
        "cells": [
            [cell(0.05, 0.1), cell(-0.9, 0.1), cell(-0.5, 0.2)],
            [cell(-0.1, 0.2), cell(0.08, 0.01), cell(-0.7, 0.1)],
        ],
    }
    texts = [s.text for s in describe_probe(probe_from_dict(taught))]
    assert texts == [  # 8 points would be sure by their interval, but another seed alone moves a score by 10
        "Training again with another seed alone moves a task's score by up to 10.0 points; smaller changes say "
        "nothing.",
        "a learns from b: trained without it, the score falls by 50.0 points.",
    ]
    flat = {**outcome, "cells": [[cell(0.0, 0.1)] * 3] * 2}
    assert [s.key for s in describe_probe(probe_from_dict(flat))] == ["says.nothing_sure"]


def test_mistakes_are_worded(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="python -m core transfer"):
        read_probe(tmp_path, "transfer")
    with pytest.raises(SettingError, match="rows is 0"):
        ProbeSettings(rows=0)
    with pytest.raises(SettingError, match="knockout, transfer, leaveout"):
        read_probe(tmp_path, "magic")
