"""What a plan says of a method's trial is what the committed runs come to."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from core.adapters.registry import METHODS
from core.messages import word
from core.training.method_figures import TRIAL_PATH, describe_figures
from tests.benchmarks.advice import summary

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
    judge(json.loads(TRIAL_PATH.read_text(encoding="utf-8")))


def test_figures_are_held_to_runs_of_their_steps_and_rows() -> None:
    """By hand; runs of 160 steps and of 5 rows stand beside those of 60 and 30."""
    scores = {"taps": (0.5, 0.6, 0.7), "cpoly": (0.4, 0.6, 0.5), "lora": (0.2, 0.5, 0.5)}
    cells: dict[str, Any] = {}
    for arm, values in scores.items():
        for seed, mean in enumerate(values):
            cells[f"sample | {arm} | seed {seed} | 60 steps | 30 rows"] = {"mean": mean, "scores": {"a": mean}}
            cells[f"sample | {arm} | seed {seed} | 160 steps | 30 rows"] = {"mean": 0.9, "scores": {"a": 0.9}}
            cells[f"sample | {arm} | seed {seed} | 60 steps | 5 rows"] = {"mean": 0.1, "scores": {"a": 0.1}}
    told = {**FIGURES, "score": 0.6, "reference": 0.5, "reference_gap": 0.1, "reference_high": 0.4}
    told |= {"plain": 0.4, "plain_gap": 0.2, "plain_high": 0.5, "steps": 60, "rows": 30}
    assert summary(cells, Namespace(steps=60, rows=30)).keys() == {"taps"}
    judge({"methods": {"taps": told}, "cells": cells})
    judge({"methods": summary(cells, Namespace(steps=60, rows=30)), "cells": cells})
    with pytest.raises(AssertionError):
        judge({"methods": {"taps": {**told, "steps": 160}}, "cells": cells})
    with pytest.raises(AssertionError):
        judge({"methods": {"taps": {**told, "rows": 5}}, "cells": cells})


def judge(trial: dict[str, Any]) -> None:
    """What is told of each method is what its cells come to: those of its steps and exam rows."""
    cells = trial["cells"]
    for method, told in trial["methods"].items():
        assert method in METHODS.names()
        size = [f"{told['steps']} steps", f"{told['rows']} rows"]
        keys = [key.split(" | ") for key in cells]
        own = [key for key in keys if key[1] == method and key[3:] == size]
        arms = {arm: [" | ".join([key[0], arm, *key[2:]]) for key in own] for arm in (method, "cpoly", "lora")}
        paired = [place for place in range(len(own)) if all(names[place] in cells for names in arms.values())]
        assert len(paired) == told["runs"]
        means = {arm: [cells[names[place]]["mean"] for place in paired] for arm, names in arms.items()}
        assert told["score"] == pytest.approx(fmean(means[method]), abs=1e-4)
        for arm, name in (("cpoly", "reference"), ("lora", "plain")):
            gap = fmean(means[method]) - fmean(means[arm])
            assert told[name] == pytest.approx(fmean(means[arm]), abs=1e-4)
            assert told[f"{name}_gap"] == pytest.approx(gap, abs=1e-4)
            assert told[f"{name}_low"] < told[f"{name}_gap"] < told[f"{name}_high"]
