"""The live view: a tick costs hundreds of bytes, whatever the length of the run; a missed tick is noticed."""

from __future__ import annotations

import json
import random
import time

import gradio as gr
import pytest

from app.drawing.curves import MEASURES, Curves, new_curves
from app.drawing.figures import MOST_POINTS
from app.drawing.live_plot import MOST_NEWS
from app.texts.language import in_language
from app.train.live_views import LiveViews, skills_stamp

TASKS = [f"task {number}" for number in range(6)]


def events(first: int, last: int, every: int = 5) -> list[dict]:
    """What a worker writes in these steps: a loss point every few steps, a check now and then."""
    draw, made = random.Random(0), []
    for step in range(first, last, every):
        by_task = {str(task): round(draw.random(), 6) for task in range(len(TASKS))}
        made.append(
            {
                "id": len(made) + first + 1,
                "kind": "loss",
                "step": step,
                "by_task": by_task,
                "gradient_norm": 0.51234,
                "lr_skills": 0.003,
                "lr_allocation": 0.03,
                "tokens_per_s": 1234.5,
            }
        )
    return made


@pytest.fixture(scope="module")
def live() -> LiveViews:
    with gr.Blocks():
        return LiveViews()


def figures(live: LiveViews, curves: Curves) -> list[dict]:
    shown = live.whole(curves, 20_000)
    return [json.loads(shown[plot]) for plot in (live.losses, live.measures)]


def test_a_tick_costs_a_few_kilobytes_and_a_page_load_little_more(live: LiveViews) -> None:
    """20,000 steps with six tasks: reading them once, and then three points a tick."""
    curves = new_curves("r", TASKS)
    began = time.process_time()
    curves.take(events(0, 20_000))
    whole = sum(len(str(view)) for view in live.whole(curves, 20_000).values())
    seconds = time.process_time() - began
    assert whole < 200_000
    began = time.process_time()
    curves.take(events(20_000, 20_015))
    tick = sum(len(view) for view in live.grown(curves).values())
    # Measured against the load in the same run: 20,015 steps read anew would cost as much as the load.
    assert time.process_time() - began < seconds / 3
    assert tick < 1_500


def test_what_the_browser_puts_together_is_what_the_server_has(live: LiveViews) -> None:
    """The news of every tick, added to the figure that came first, give the curves."""
    curves = new_curves("r", TASKS)
    curves.take(events(0, 10))
    shown = figures(live, curves)
    for start in range(10, 100, 10):
        curves.take(events(start, start + 10))
        for figure, text in zip(shown, live.grown(curves).values(), strict=True):
            news = json.loads(text)
            assert news["number"] == figure["layout"]["meta"]["number"] + 1
            figure["layout"]["meta"]["number"] = news["number"]
            for place, (xs, ys) in news["add"].items():
                figure["data"][int(place)]["x"] += xs
                figure["data"][int(place)]["y"] += ys
    for figure, expected in zip(shown, figures(live, curves), strict=True):
        assert [(t["x"], t["y"]) for t in figure["data"]] == [(t["x"], t["y"]) for t in expected["data"]]
    assert len(shown[0]["data"]) == 2 * len(TASKS)
    assert len(shown[1]["data"]) == len(MEASURES)


def test_a_page_that_slept_gets_few_points(live: LiveViews) -> None:
    curves = new_curves("r", TASKS)
    curves.take(events(0, 10))
    curves.take(events(10, 20_000))
    for text in live.grown(curves).values():
        assert all(len(xs) <= MOST_NEWS for xs, _ in json.loads(text)["add"].values())
    assert all(len(trace["x"]) <= MOST_POINTS for figure in figures(live, curves) for trace in figure["data"])


def test_a_run_without_points_shows_nothing(live: LiveViews) -> None:
    shown = in_language("zh", live.whole, new_curves("r", TASKS), 100)
    assert shown == dict.fromkeys((live.losses_head, live.losses, live.measures_head, live.measures), "")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_allocation_fills_in_while_the_run_is_at_work(live: LiveViews, tmp_path, language: str) -> None:
    from core.runs.folder import RunFolder

    folder = RunFolder(tmp_path)
    assert in_language(language, live.skills_of, folder) == {live.skills_head: "", live.skills: ""}
    assert skills_stamp(folder) == 0
    folder.write_run({"tasks": [{"index": 0, "name": "a"}, {"index": 1, "name": "b"}]})
    names = ["common 1", "common 2", "private 1"]
    skills = [{"name": name, "kind": name.split()[0], "task": 0 if "private" in name else None} for name in names]
    table = {"layers": ["l1"], "skills": skills, "weights": [[[0.7, 0.3, 1.0], [0.5, 0.5, 0.0]]], "step": 40}
    folder.allocation_path.write_text(json.dumps(table), encoding="utf-8")
    shown = in_language(language, live.skills_of, folder)
    heading, figure = shown[live.skills_head], shown[live.skills]
    assert "40" in heading
    assert json.loads(figure)["data"][0]["z"][0] == [0.7, 0.3]  # no private column
    assert len(figure) < 4_000
    assert skills_stamp(folder) > 0
