"""Texts from users and models reach the page escaped; files for spreadsheets carry no formulas."""

from __future__ import annotations

import csv
import io

import pytest

from app.drawing.markup import (
    bar,
    bullets,
    download_link,
    empty,
    facts,
    log_view,
    note,
    paragraphs,
    prompt_view,
    table,
    to_csv,
)
from app.drawing.run_markup import PlanState, job_bar, progress_panel, readiness
from app.texts.language import in_language
from app.try_it.answers import exchange_view, export_view, starters_view
from app.try_it.conversation import Answer, Exchange, Side, Version, question_text
from core.base.errors import Problem
from core.chat.protocol import ChatEvent, SkillWeight
from core.runs.plan_fixes import PlanFix
from core.runs.states import STATES, RunStatus

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'"

SIDE = Side("run", "r1", EVIL, EVIL, 0.5)
FULL = Answer(
    SIDE,
    EVIL,
    done=ChatEvent("done", EVIL, weights=(SkillWeight(EVIL, "common", 1.0),)),
    versions=(Version(EVIL, False, ((EVIL, EVIL),)), Version(EVIL, None, ())),
)

EVIL_FIX = PlanFix("fix.drop", {"task": EVIL}, {EVIL: EVIL}, screen="", task=EVIL)


@pytest.mark.parametrize(
    "made",
    [
        note(EVIL),
        paragraphs([EVIL]),
        empty(EVIL, EVIL),
        bullets([("ok", EVIL), ("bad", EVIL, EVIL)]),
        facts([(EVIL, EVIL)]),
        log_view(EVIL),
        prompt_view(EVIL, EVIL),
        table([EVIL], []),
        job_bar(EVIL, EVIL, RunStatus("running")),
        progress_panel(EVIL, RunStatus("running")),
        bar(0.5, label=EVIL),
        download_link(EVIL, EVIL, EVIL),
        exchange_view(Exchange(EVIL, EVIL, EVIL, (Answer(SIDE, text=EVIL), Answer(SIDE, error=EVIL)))),
        export_view([Exchange(EVIL, EVIL, EVIL, (Answer(SIDE, text=EVIL),))]),
        readiness(PlanState([Problem("x", "check.no_train", {"task": EVIL})], [EVIL], [(EVIL_FIX,)])),
        exchange_view(Exchange(EVIL, EVIL, {EVIL: EVIL}, (FULL,), expected=EVIL, metric="accuracy")),
        exchange_view(Exchange(EVIL, "", EVIL, foreign=0.9, offered=(EVIL,))),
        starters_view([(EVIL, 0, EVIL, EVIL)]),
        exchange_view(Exchange(EVIL, EVIL, EVIL, (FULL, FULL), vote=0)),
    ],
)
def test_nothing_foreign_becomes_a_tag(made: str) -> None:
    assert "<script" not in made
    assert "<img" not in made
    assert "\"'" not in made


def test_csv_cells_cannot_run_as_formulas() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(["task", "=x"], [["=cmd()", 0.5], ["@a", -1], ["fine", 2]]))))
    assert rows == [["task", "'=x"], ["'=cmd()", "0.5"], ["'@a", "-1"], ["fine", "2"]]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("state", STATES)
def test_every_state_has_words(state: str, language: str) -> None:
    status = RunStatus(
        state=state, stage="stage1", step=3, total_steps=9, progress=0.3, eta_s=70.0, stalled_s=200.0
    )
    assert f'data-state="{state}"' in in_language(language, progress_panel, "Run", status)


def test_the_ready_card_says_no_while_there_is_an_error() -> None:
    warning = Problem("x", "check.no_validation", {"task": "a"}, "warning")
    assert 'data-ready="yes"' in readiness(PlanState([warning], ["fact"]))
    assert 'data-ready="no"' in readiness(PlanState([warning, Problem("x", "check.no_tasks")], ["fact"]))


def test_progress_stays_between_0_and_100() -> None:
    assert 'aria-valuenow="100"' in bar(1.7)
    assert 'aria-valuenow="0"' in bar(-1)


def test_an_answer_grows_by_events() -> None:
    answer = Answer(SIDE)
    for event in (ChatEvent("phase", "loading"), ChatEvent("delta", "Pro"), ChatEvent("delta", "s")):
        answer = answer.after(event)
    assert (answer.text, answer.phase, answer.done) == ("Pros", "answering", None)
    assert answer.after(ChatEvent("done", "Pros", tokens=2)).done is not None
    failed = in_language("zh", answer.after, ChatEvent("error", key="serving.empty_message"))
    assert "消息" in failed.error
    assert failed.text == "Pros"


def test_several_inputs_are_sent_by_column() -> None:
    assert question_text(["text"], ["a", "left over"]) == "a"
    assert question_text(["question", "context"], ["a", None, "x"]) == {"question": "a", "context": ""}
