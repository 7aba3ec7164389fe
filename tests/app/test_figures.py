"""Figures are pure: a table in, a valid plotly figure out, in both languages, safe with odd names."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from app.drawing.curve_figures import loss_panels
from app.drawing.curves import Curves, new_curves
from app.drawing.figures import share_bars, similarity_heatmap, skill_heatmap, thin, to_json
from app.drawing.score_figures import score_bars
from app.texts import word_sentence
from app.texts.language import in_language

TABLE = pd.DataFrame(
    [[0.5, 0.25, 1.0], [0.1, 0.65, 0.0]], index=["a", "b <i>"], columns=["common 1", "common 2", "private 1"]
)
SHARE = pd.DataFrame({"common": [0.4, 0.5], "private": [0.6, 0.5]}, index=["a", "b"])
SCORES = [
    {"task": "a", "tuned": {"value": 0.8, "low": 0.7, "high": 0.9}, "base": None},
    {
        "task": "b",
        "tuned": {"value": 0.5, "low": 0.4, "high": 0.6},
        "base": {"value": 0.2, "low": 0.1, "high": 0.3},
    },
]


def curves(tasks: int = 2) -> Curves:
    made = new_curves("r", [f"task {i}" for i in range(tasks)])
    made.take([{"id": 1, "kind": "loss", "step": 1, "by_task": {"0": 2.0}}])
    return made


def valid(figure) -> go.Figure:
    shown = dict(json.loads(to_json(figure)))
    shown["layout"] = {k: v for k, v in shown["layout"].items() if k != "meta"}
    return go.Figure(shown)  # plotly refuses what it does not know


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_figure_is_valid_and_transparent(language: str) -> None:
    made = [
        in_language(language, skill_heatmap, TABLE, 1 / 3),
        in_language(language, similarity_heatmap, SHARE @ SHARE.T),
        in_language(language, share_bars, SHARE),
        in_language(language, score_bars, SCORES),
        in_language(language, loss_panels, curves(), 100),
    ]
    for figure in made:
        assert valid(figure).layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_the_heatmap_marks_the_even_share_and_keeps_the_scale() -> None:
    figure = skill_heatmap(TABLE, 1 / 3)
    axis = figure["layout"]["coloraxis"]
    assert (axis["cmin"], axis["cmax"]) == (0.0, 1.0)
    assert any("1/K" in text for text in axis["colorbar"]["ticktext"])
    assert np.allclose(figure["data"][0]["z"], TABLE.to_numpy())
    assert figure["data"][0]["y"] == list(TABLE.index)


def test_numbers_stand_in_the_cells_of_small_tables_only() -> None:
    assert skill_heatmap(TABLE, 0.5)["data"][0]["texttemplate"]
    large = pd.DataFrame(np.zeros((16, 3)))
    assert not skill_heatmap(large, 0.5)["data"][0]["texttemplate"]


def test_plots_speak_chinese() -> None:
    english, chinese = (to_json(in_language(language, share_bars, SHARE)) for language in ("en", "zh"))
    assert "common" in english
    assert "公共" in chinese


def test_one_panel_a_task_from_the_first_event_on() -> None:
    figure = loss_panels(curves(5), 100)
    assert figure["layout"]["meta"]["panels"] == 5
    assert len(figure["layout"]["annotations"]) == 5
    assert all(figure["layout"][f"xaxis{i or ''}"]["range"] == [0, 100] for i in ("", 2, 5))
    assert not figure["layout"]["shapes"]


def test_names_cannot_carry_tags_into_a_plot() -> None:
    named = new_curves("r", ["<b>x</b>"])
    assert "<b>" not in loss_panels(named, 1)["layout"]["annotations"][0]["text"]


def test_a_missing_base_score_is_a_gap() -> None:
    base, tuned = score_bars(SCORES)["data"]
    assert base["x"] == [None, 20.0]  # points of 100, as in the sentences beside it
    assert tuned["error_x"]["array"] == pytest.approx([10, 10])


def test_guesses_are_marked_and_bars_below_them_are_named_and_red() -> None:
    rows = [{**row, "guess": {"value": 0.5}, "below": place == 1} for place, row in enumerate(SCORES)]
    base, tuned, below, guess = score_bars(rows)["data"]
    assert (tuned["x"][1], below["x"][0]) == (None, None)
    assert below["x"][1] == 100 * SCORES[1]["tuned"]["value"]
    assert below["name"] != tuned["name"]
    assert tuned["offsetgroup"] == below["offsetgroup"] != base["offsetgroup"]
    assert guess["x"] == [50, 50]
    assert valid(score_bars(rows)).data[3].mode == "markers"


def test_long_curves_are_thinned_and_keep_their_end_and_mean() -> None:
    points = [(i, float(i % 7)) for i in range(10_000)]
    kept = thin(points, 100)
    assert len(kept) <= 100
    assert kept[-1][0] == 9_999
    assert np.mean([v for _, v in kept]) == pytest.approx(np.mean([v for _, v in points]), abs=0.05)
    assert thin(points[:5], 100) == points[:5]


def test_nothing_to_draw_is_empty_text() -> None:
    assert to_json(None) == ""


def test_names_of_skills_follow_the_language_and_other_names_do_not() -> None:
    assert skill_heatmap(TABLE, 0.3)["data"][0]["x"] == list(TABLE.columns)
    assert in_language("zh", skill_heatmap, TABLE, 0.3)["data"][0]["x"] == ["公共 1", "公共 2", "私有 1"]
    assert "公共 2" in in_language(
        "zh", word_sentence, "says.task_uses_alone", {"task": "common 1", "skills": "common 2"}
    )
    assert "common 1" in in_language(
        "zh", word_sentence, "says.task_uses_alone", {"task": "common 1", "skills": "common 2"}
    )
    assert (
        in_language("zh", skill_heatmap, TABLE.rename(columns={"common 1": "shared"}), 0.3)["data"][0]["x"][0]
        == "shared"
    )
