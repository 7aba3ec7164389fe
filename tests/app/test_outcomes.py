"""What a slow question brings is drawn for the choice it was asked for, whatever was chosen meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.frame import workbench
from app.shell.context import Context
from app.shell.making import Making, told_again
from app.shell.outcomes import MOST, Outcomes, Slow, file_view
from app.shell.selection import Selection
from core.base.errors import RunError
from core.workspace import Workspace

FIRST, SECOND = Selection(run_id="first"), Selection(run_id="second")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Workspace(tmp_path))


def run_of(_: Context, selection: Selection, *fields: Any) -> Any:
    return (selection.run_id, *fields)


def test_an_outcome_is_drawn_for_its_choice_only(context: Context) -> None:
    slow = Slow(lambda _, selection, *given: f"{selection.run_id} {given}", run_of, str.upper, ("task",))
    outcomes = Outcomes()
    assert slow.ask(context, FIRST, outcomes, "mails", 3) == gr.skip()
    assert slow.draw(context, SECOND, outcomes, "mails") == gr.skip()
    assert slow.draw(context, FIRST, outcomes, "bills") == gr.skip()
    for _ in range(2):
        assert slow.draw(context, FIRST, outcomes, "mails") == "FIRST ('MAILS', 3)"
    once = Slow(lambda *_: "made", run_of, once=True)
    once.ask(context, FIRST, outcomes)
    assert once.draw(context, FIRST, outcomes) == "made"
    assert once.draw(context, FIRST, outcomes) == gr.skip()


def test_of_many_outcomes_the_latest_are_kept() -> None:
    outcomes = Outcomes()
    for number in (0, *range(MOST), 0):
        outcomes.keep(number, f"{number}")
    outcomes.keep(MOST, "new")
    assert list(outcomes.made) == [*range(2, MOST), 0, MOST]


def test_a_file_that_is_gone_is_not_offered(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert file_view(str(path)) == file_view(None) == gr.update(value=None, visible=False)
    path.touch()
    assert file_view(str(path)) == gr.update(value=str(path), visible=True)


SLOW = {  # what is clicked or chosen -> the event
    "yardstick-fetch": "click",
    "yardstick-take": "click",
    "yardstick-ask": "click",
    "results-report": "click",
    "what-if-ask": "click",
    "look-by-row": "click",
    "look-by-text": "click",
    "try-file-go": "click",
    "pack-make": "click",
    "health-all": "click",
    "versions-since": "input",
    "share-make": "click",
    "push-now": "click",
    "task-files": "upload",
    "lone-files": "click",
    "again-read": "click",
    "paste-add": "click",
    "hub-fetch": "click",
    "task-doubts": "click",
    "task-harms": "click",
    "grow-files": "upload",
    "grow-doubts": "click",
    "merge-go": "click",
}


def test_after_a_slow_question_the_choice_of_then_is_drawn(context: Context) -> None:
    """An event knows the selection of its beginning: another one has to draw, and takes the selection anew."""
    page = workbench.build_workbench(context)
    named = {getattr(block, "elem_id", None): block._id for block in page.blocks.values()}
    for name, event in SLOW.items():
        (asked,) = (fn for fn in page.fns.values() if (named[name], event) in fn.targets)
        after, last = [], [asked._id]
        while last:
            follow = [fn for fn in page.fns.values() if fn.trigger_after in last]
            after, last = after + follow, [fn._id for fn in follow]
        assert after, f"{name} draws what it found itself"
        assert all(context.selection in fn.inputs for fn in after), name
        assert {block._id for block in asked.outputs} & {b._id for fn in after for b in fn.outputs}, name


def test_a_click_says_what_was_clicked(context: Context) -> None:
    page = workbench.build_workbench(context)
    named = {getattr(block, "elem_id", None): block._id for block in page.blocks.values()}
    for name in ("lone-files", "task-doubts", "task-harms", "health-findings", "grow-doubts"):
        (asked,) = (fn for fn in page.fns.values() if (named[name], "click") in fn.targets)
        assert asked.collects_event_data, name


def test_what_was_made_is_chosen_by_whoever_has_waited(context: Context) -> None:
    context.selection, said, field = (object() for _ in range(3))
    here = Selection(project_id="desk", task_id="mails")

    def make(_: Context, seen: Selection, name: str) -> Any:
        return {context.selection: seen.with_task(name), said: f"{name} is there", field: name}

    making, outcomes = Making(make, lasting=(said,)), Outcomes()
    making.ask(context, here, outcomes, "bills")
    away = here.with_project("other")
    assert making.draw(context, away, outcomes) == gr.skip()
    assert told_again(outcomes, away, [(said, "")]) == {said: ""}
    shown = making.draw(context, here, outcomes)
    assert (shown[context.selection], shown[field]) == (here.with_task("bills"), "bills")
    assert making.draw(context, here, outcomes) == gr.skip()  # once
    assert told_again(outcomes, here, [(said, "")]) == {said: "bills is there"}
    making.ask(context, here, outcomes, "bills")
    chinese = making.draw(context, here.with_language("zh"), outcomes)[context.selection]
    assert (chinese.task_id, chinese.language) == ("bills", "zh")
    making.ask(context, here, outcomes, "bills")
    elsewhere = here.with_task("letters")
    assert making.draw(context, elsewhere, outcomes) == {
        said: "bills is there",
        context.selection: elsewhere.touched(),
    }


def test_nothing_follows_for_a_run_that_is_chosen_no_more(context: Context) -> None:
    context.selection, outcomes = object(), Outcomes()
    making = Making(lambda *_: gr.skip(), leads_on=True)
    making.ask(context, FIRST, outcomes)
    with pytest.raises(RunError):
        making.draw(context, SECOND, outcomes)
    making.ask(context, FIRST, outcomes)
    assert making.draw(context, FIRST, outcomes) == gr.skip()


def test_after_an_error_it_is_drawn_too(context: Context) -> None:
    """The page of Gradio 6.31 follows an error with what is wired to `failure` alone."""
    page = workbench.build_workbench(context)
    names = ("look_at_all", "ask_other", "answer_file", "push_files", "make_files")
    for name in names:
        (asked,) = (fn for fn in page.fns.values() if fn.name == name)
        after = [fn for fn in page.fns.values() if fn.trigger_after == asked._id]
        well, badly = ([fn for fn in after if fn.trigger_only_on_failure is failed] for failed in (False, True))
        assert [fn.name for fn in badly] == [fn.name for fn in well], name
        assert [fn.outputs for fn in badly] == [fn.outputs for fn in well] != [], name
