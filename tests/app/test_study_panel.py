"""What the study panel says in words about a study's differences."""

from __future__ import annotations

import pandas as pd
import pytest

from app.study_panel import describe_study
from app.texts import word_error
from core.insight.study_tables import summarise_study


def frame_of(**scores: list[float]) -> pd.DataFrame:
    """One task; a score for every seed of an arm."""
    return pd.DataFrame([
        {"domain": "d", "arm": arm, "seed": seed, "share": 1.0, "task": "t", "metric": "accuracy", "score": score,
         "check_loss": 1.0, "active_rank": 8, "parameters": 10, "seconds": 1.0, "processor_s": 1.0}
        for arm, values in scores.items() for seed, score in enumerate(values)
    ])


def told(frame: pd.DataFrame, language: str) -> list[str]:
    sentences = describe_study(frame, summarise_study(frame), "ours", language)
    return [word_error(language, s.key, s.values)[0] for s in sentences]


@pytest.mark.parametrize(("language", "sure", "unsure"), [
    ("en", "worse is 30.0 points below ours; the interval over seeds leaves out zero.",
     "equal and ours cannot be told apart (seeds compared: 3)."),
    ("zh", "worse 比 ours 低 30.0 分；随机种子的区间不含零。", "用 3 个随机种子分不出 equal 和 ours 的高下。"),
])
def test_a_difference_is_called_sure_or_not(language: str, sure: str, unsure: str) -> None:
    frame = frame_of(ours=[0.8, 0.82, 0.81], worse=[0.5, 0.52, 0.51], equal=[0.79, 0.84, 0.8])
    assert told(frame, language)[1:] == [unsure, sure]


def test_one_seed_decides_nothing() -> None:
    assert told(frame_of(ours=[0.8], other=[0.5]), "en")[1:] == [
        "other and ours cannot be told apart (seeds compared: 1)."]
