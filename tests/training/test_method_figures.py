"""What a plan says of a method's trial is what the committed runs come to."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest

from core.adapters.registry import METHODS
from core.messages import word
from core.training.method_figures import TRIAL_PATH, describe_figures, read_method_figures

FIGURES = {
    **{"score": 0.5, "reference": 0.525, "reference_gap": -0.025, "reference_low": -0.1, "reference_high": 0.05},
    **{"plain": 0.4, "plain_gap": 0.1, "plain_low": 0.04, "plain_high": 0.16},
    **{"runs": 3, "projects": 1, "steps": 80},
}


def test_a_trial_is_told_in_both_languages_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "trial.json"
    path.write_text(json.dumps({"methods": {"taps": FIGURES}, "cells": {}}), encoding="utf-8")
    (said,) = describe_figures("taps", path)
    assert "3 runs of 80 steps, 1 project" in said.text
    assert "C-Poly 52.5; difference -2.5 points, 95 % of [-10.0, +5.0]" in said.text
    assert "40.0; difference +10.0, [+4.0, +16.0]" in said.text
    assert "相差 -2.5 分" in word(said, "zh")
    assert describe_figures("cpoly", path) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"methods": 5}'])
def test_without_a_trial_nothing_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trial.json"
    path.write_text(text, encoding="utf-8")
    assert describe_figures("taps", path) == []


def test_the_committed_figures_are_those_of_its_runs() -> None:
    cells = json.loads(TRIAL_PATH.read_text(encoding="utf-8"))["cells"]
    for method, told in read_method_figures().items():
        assert method in METHODS.names()
        steps = f"{told['steps']} steps"
        own = {key: cell["mean"] for key, cell in cells.items() if key.split(" | ")[1] == method and steps in key}
        others = {arm: [cells.get(key.replace(method, arm)) for key in own] for arm in ("cpoly", "lora")}
        paired = [place for place, _ in enumerate(own) if all(others[arm][place] for arm in others)]
        assert len(paired) == told["runs"]
        scores = [list(own.values())[place] for place in paired]
        assert told["score"] == pytest.approx(fmean(scores), abs=1e-4)
        for (_, found), name in zip(others.items(), ("reference", "plain"), strict=True):
            gaps = [score - found[place]["mean"] for score, place in zip(scores, paired, strict=True)]
            assert told[f"{name}_gap"] == pytest.approx(fmean(gaps), abs=1e-4)
            assert told[f"{name}_low"] < told[f"{name}_gap"] < told[f"{name}_high"]
