"""What the study panel says in words about a study's differences."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from app.drawing.markup import note
from app.results import study_panel
from app.results.study_panel import describe_study, draw_count, summary_table, word_arm
from app.shell.context import Context
from app.shell.selection import Selection
from app.texts import TEXTS, say, word_error
from app.texts.language import in_language
from core.insight.study import PART_ARMS, STANDARD_ARMS
from core.insight.study_tables import BASE, summarise_study
from core.runs.summaries import RunSummary
from core.workspace import Workspace


def frame_of(**scores: list[float]) -> pd.DataFrame:
    """One task; a score for every seed of an arm."""
    return pd.DataFrame(
        [
            {
                "domain": "d",
                "arm": arm,
                "seed": seed,
                "share": 1.0,
                "task": "t",
                "metric": "accuracy",
                "rows": 100,
                "score": score,
                "check_loss": 1.0,
                "active_rank": 8,
                "parameters": 10,
                "seconds": 1.0,
                "processor_s": 1.0,
            }
            for arm, values in scores.items()
            for seed, score in enumerate(values)
        ]
    )


def told(frame: pd.DataFrame, language: str) -> list[str]:
    sentences = in_language(language, describe_study, frame, summarise_study(frame), "ours")
    return [in_language(language, word_error, s.key, s.values)[0] for s in sentences]


@pytest.mark.parametrize(
    ("language", "sure", "unsure"),
    [
        (
            "en",
            "worse is 30.0 points below ours; the interval over seeds leaves out zero.",
            "equal and ours cannot be told apart (seeds compared: 3).",
        ),
        ("zh", "worse 比 ours 低 30.0 分；随机种子的区间不含零。", "用 3 个随机种子分不出 equal 和 ours 的高下。"),
    ],
)
def test_a_difference_is_called_sure_or_not(language: str, sure: str, unsure: str) -> None:
    frame = frame_of(ours=[0.8, 0.82, 0.81], worse=[0.5, 0.52, 0.51], equal=[0.79, 0.84, 0.8])
    assert told(frame, language)[1:] == [unsure, sure]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_standard_method_is_worded(language: str) -> None:
    for label in (*(arm.label for arm in (*STANDARD_ARMS, *PART_ARMS)), BASE):
        assert f"arm.{label}" in TEXTS[language], label
    assert in_language(language, word_arm, "my own arm") == "my own arm"
    frame = frame_of(**{"shared LoRA": [0.8, 0.9], "private LoRA": [0.5, 0.4]})
    shown = in_language(language, summary_table, summarise_study(frame))
    assert in_language(language, word_arm, "private LoRA") in shown
    assert ("private LoRA" in shown) == (in_language(language, word_arm, "private LoRA") == "private LoRA")


def test_a_study_says_how_long_all_of_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = Context(Workspace(tmp_path))
    opened = Selection().with_project(context.workspace.create_project("Desk", "local").project_id)
    chosen = ("Study", ["C-Poly"], ["MTA K=0"], 3, [0.5, 1.0], "rank")
    assert draw_count(context, opened, *chosen) == note(say("study.count_unknown", runs=12))
    run = RunSummary("r1", "Run 1", "succeeded", "cpoly", "starter", created=10.0, started=20.0, ended=140.0)
    monkeypatch.setattr(study_panel, "list_summaries", lambda project: [run])
    assert "12 runs in all, about 24 min: one run" in draw_count(context, opened, *chosen)


def test_one_seed_decides_nothing() -> None:
    assert told(frame_of(ours=[0.8], other=[0.5]), "en")[1:] == [
        "other and ours cannot be told apart (seeds compared: 1)."
    ]
