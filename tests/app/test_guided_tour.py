"""The guided tour: one click a stop, a run is started once, and it waits for the training."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr
import pytest

from app.frame import tour
from app.frame.tour import STOPS, WATCH, Tour, tour_text
from app.frame.workbench import TABS
from app.home.screen import Home
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection, selection_from_prefs, selection_to_prefs
from app.texts import TEXTS, say
from app.texts.language import in_language
from core.messages.locales import LANGUAGES
from core.runs.states import RunStatus
from core.runs.summaries import RunSummary
from core.workspace import Workspace
from tests.app.panels import build_panel


@pytest.fixture
def context(tmp_path) -> Context:
    return Context(Workspace(tmp_path))


@pytest.fixture
def opened(context: Context) -> Selection:
    return build_panel(Home, context).open_sample(context, Selection())[context.selection]


@pytest.fixture
def bar(context: Context, opened: Selection) -> Tour:
    return build_panel(Tour, context)


def test_every_stop_has_its_words_and_a_screen() -> None:
    screens = {tab.TITLE for tab in TABS}
    for stop in STOPS:
        assert f"tab.{stop.screen}" in screens
        for part in ("title", "text", "next"):
            assert all(f"tour.{stop.name}_{part}" in TEXTS[language] for language in LANGUAGES)


def test_the_tour_names_the_buttons_that_are_there() -> None:
    for language in LANGUAGES:
        assert in_language(language, say, "tasks.sees") in in_language(language, say, "tour.tasks_text")
        assert in_language(language, say, "try.ask") in in_language(language, say, "tour.try_it_text")
        assert in_language(language, say, "goal.balanced.title") in in_language(language, say, "tour.plan_text")


def moved(shown: Shown, context: Context) -> tuple[Selection, dict]:
    """Where a handler leads: the selection, and the screen that it opens."""
    return shown[context.selection], shown[context.tabs]


def test_the_sample_opens_with_the_first_stop_and_is_remembered(
    context: Context, opened: Selection, bar: Tour
) -> None:
    assert opened.tour == 1
    assert selection_from_prefs(selection_to_prefs(opened.with_tour(5)), "en", shared=False).tour == 5
    assert selection_from_prefs({"tour": "x"}, "en", shared=False).tour == 0
    shown = bar.draw(context, opened)
    assert shown[bar.bar]["visible"]
    assert say("tour.tasks_title") in shown[bar.text] == shown[bar.seen]
    assert not shown[bar.back]["interactive"]
    assert shown[bar.next]["interactive"]


def test_leaving_the_plan_starts_one_run(
    context: Context, opened: Selection, bar: Tour, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(tour, "start", lambda c, s, plan, token: (started.append(plan), s.with_run("r"))[1])
    second, tabs = moved(bar.go_on(context, opened, "plan"), context)
    assert (second.tour, tabs["selected"]) == (2, "tab.train")
    third, tabs = moved(bar.go_on(context, second, "epochs: 1"), context)
    assert (third.tour, third.run_id, started) == (WATCH, "r", ["epochs: 1"])
    known = RunSummary("old", "Run 1", "succeeded", "cpoly", "starter")
    part = replace(known, run_id="newer", part_of="study:s1")
    monkeypatch.setattr(tour, "list_summaries", lambda project: [part, known])
    again, _ = moved(bar.go_on(context, second, "epochs: 1"), context)
    assert again.run_id == "old"
    assert len(started) == 1


def test_it_waits_for_the_training(
    context: Context, opened: Selection, bar: Tour, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = opened.with_tour(WATCH)
    status = RunStatus("running", progress=0.5, eta_s=60)
    monkeypatch.setattr(tour, "_watched", lambda *_: status)
    drawn = bar.draw(context, here)
    assert not drawn[bar.next]["interactive"]
    assert "50%" in drawn[bar.text]
    assert bar.poll(context, here, drawn[bar.seen]) == gr.skip()
    status = RunStatus("succeeded")
    assert bar.poll(context, here, drawn[bar.seen])[bar.next]["interactive"]
    assert bar.poll(context, here.with_tour(1), "") == gr.skip()


def test_it_ends_at_home_and_goes_back(context: Context, opened: Selection, bar: Tour) -> None:
    ended, tabs = moved(bar.go_on(context, opened.with_tour(len(STOPS)), ""), context)
    assert (ended.tour, tabs["selected"]) == (0, "tab.home")
    assert moved(bar.go_back(context, opened.with_tour(4)), context)[0].tour == 3
    assert moved(bar.go_back(context, opened), context)[0].tour == 1
    assert not bar.draw(context, ended)[bar.bar]["visible"]
    assert not bar.draw(context, Selection(tour=3))[bar.bar]["visible"]


@pytest.mark.parametrize("state", ["failed", "interrupted", "cancelled"])
def test_a_training_that_ended_badly_is_said(state: str) -> None:
    assert say("tour.watch_stopped") in tour_text(WATCH, RunStatus(state))
