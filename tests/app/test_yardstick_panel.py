"""The yardstick on Results: answers from files and pasted tables, an endpoint whose key is kept nowhere."""

from __future__ import annotations

import csv
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx2
import pytest

from app.results import yardstick_panel
from app.results.yardstick_panel import YardstickPanel, outcome_view
from app.shell.context import Context
from app.shell.outcomes import Outcomes
from app.shell.selection import Selection
from app.texts import word_error
from app.texts.language import in_language
from core.base.errors import RunError, SettingError, WorkspaceError
from core.chat import other_model
from core.chat.ask_yardstick import ask_yardstick
from core.chat.other_model import Endpoint
from core.runs.quotas import Quota
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.staged_runs import stages, write_stage

RUN = "r20260101-000000-aaaaaaaa"
KEY = "sk-not-to-be-seen-4711"
URL = "https://api.example.com/v1"
TAB: Any = SimpleNamespace(session_hash="tab")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Context, Selection]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    project = Workspace(tmp_path / "home").create_project("Desk")
    write_stage(next(s for s in stages() if s.name == "promising"), project.runs_dir / RUN)
    return Context(Workspace(tmp_path / "home")), Selection(project_id=project.project_id, run_id=RUN)


def praising(
    monkeypatch: pytest.MonkeyPatch, status: int = 200, then: Callable[[], httpx2.Response] | None = None
) -> None:
    """An endpoint that always says praise, one question at a time, or refuses and repeats the key. `then`: what it
    does from the third question on."""
    calls = count()
    monkeypatch.setattr(other_model, "AT_ONCE", 1)

    def handler(request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        if next(calls) > 1 and then:
            return then()
        said = {"choices": [{"message": {"content": "praise"}}], "usage": {"prompt_tokens": 10}}
        return httpx2.Response(status, json=said if status == 200 else {"error": KEY})

    def ask(run_dir: Path, endpoint: Endpoint, *given: Any, **how: Any) -> Any:
        return ask_yardstick(run_dir, replace(endpoint, transport=httpx2.MockTransport(handler)), *given, **how)

    monkeypatch.setattr(yardstick_panel, "ask_yardstick", ask)


def test_the_endpoint_is_asked_and_the_key_is_kept_nowhere(
    place: tuple[Context, Selection],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    praising(monkeypatch)
    context, selection = place
    panel = build_panel(YardstickPanel, context)
    going = Outcomes(shown=RUN)
    shown = list(panel.ask_other(context, selection, going, TAB, "Big", URL, "m", KEY, 12, 2.0, 0))
    assert shown[0][panel.key] == ""
    assert "12 of 12" in shown[-1][panel.line]
    ended = panel.draw_end(context, selection, going)
    assert ended[panel.line] == ""
    view = ended[panel.outcome]
    assert "Big" in view
    assert '<td class="n">12</td>' in view
    assert f" · {word_error('unsure.few', {})[0]}</td>" in view  # in words, in both languages
    chinese = in_language("zh", outcome_view, context.run_dir(selection))
    assert "Big" in chinese
    assert f" · {in_language('zh', word_error, 'unsure.few', {})[0]}</td>" in chinese
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert KEY not in caplog.text
    assert KEY not in repr(shown)


OTHER = "r20260101-000000-bbbbbbbb"


def test_what_is_under_way_is_shown_with_its_own_run(
    place: tuple[Context, Selection], monkeypatch: pytest.MonkeyPatch
) -> None:
    praising(monkeypatch)
    context, selection = place
    panel, going, other = build_panel(YardstickPanel, context), Outcomes(), selection.with_run(OTHER)
    write_stage(next(s for s in stages() if s.name == "promising"), context.require_project(other).runs_dir / OTHER)
    panel.draw_endpoint(context, selection, going)
    asking = panel.ask_other(context, selection, going, TAB, "Big", URL, "m", KEY, 12, 0, 0)
    assert next(asking)[panel.key] == ""
    twice = panel.ask_other(context, selection, going, TAB, "Big", URL, "m", KEY, 12, 0, 0)
    assert list(twice) == [{panel.key: ""}]  # before the first question was asked
    assert "1 of 12" in next(asking)[panel.line]
    assert panel.draw_endpoint(context, other, going)[panel.line] == ""
    yardstick_panel.stop(context, other, TAB)  # of a run that nobody asks about
    assert list(asking) == []  # answered to its end, and nothing drawn over the other run
    assert panel.draw_end(context, other, going) == {panel.line: "", panel.outcome: ""}
    assert "Big" in panel.draw_end(context, selection, going)[panel.outcome]


def test_what_was_answered_before_a_stop_or_a_failure_is_shown(
    place: tuple[Context, Selection], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, selection = place
    panel, going, held = build_panel(YardstickPanel, context), Outcomes(shown=RUN), threading.Event()

    def ask(name: str) -> Iterator[Any]:
        asking = panel.ask_other(context, selection, going, TAB, name, URL, "m", KEY, 50, 0, 0)
        assert "2 of 50" in [next(asking) for _ in range(3)][-1][panel.line]
        return asking

    praising(monkeypatch, then=lambda: httpx2.Response(200 if held.wait(30) else 500, json={}))
    asking = ask("Stopped")
    yardstick_panel.stop(context, selection, TAB)
    assert list(asking) == []
    assert not held.is_set()  # the answer that is under way was not waited for
    held.set()
    praising(monkeypatch, then=lambda: httpx2.Response(401))
    with pytest.raises(RunError, match="refuses"):
        list(ask("Broken"))
    ended = panel.draw_end(context, selection, going)
    assert ended[panel.line] == ""
    for name in ("Stopped", "Broken"):
        assert f"of {name}" in ended[panel.outcome]
    assert ended[panel.outcome].count('<td class="n">2</td>') == 2


def test_a_refusal_shows_no_key(place: tuple[Context, Selection], monkeypatch: pytest.MonkeyPatch) -> None:
    praising(monkeypatch, 401)
    context, selection = place
    panel = build_panel(YardstickPanel, context)
    with pytest.raises(RunError) as error:
        list(panel.ask_other(context, selection, Outcomes(), TAB, "", URL, "m", KEY, 3, 0, 0))
    assert error.value.key == "yardstick.refused"
    assert KEY not in str(error.value)
    with pytest.raises(SettingError):
        list(panel.ask_other(context, selection, Outcomes(), TAB, "", URL.replace("s:", ":"), "m", KEY, 3, 0, 0))
    with pytest.raises(SettingError):
        list(panel.ask_other(context, selection, Outcomes(), TAB, "", URL, " ", KEY, 3, 0, 0))
    assert outcome_view(context.run_dir(selection)) == ""


def test_questions_go_out_and_pasted_answers_come_back(place: tuple[Context, Selection]) -> None:
    context, selection = place
    panel = build_panel(YardstickPanel, context)
    file = panel.write_questions(context, selection)
    with open(file, encoding="utf-8-sig", newline="") as read:
        rows = list(csv.DictReader(read))
    assert len(rows) == 50
    pasted = "row\tanswer\n" + "".join(f"{row['row']}\tpraise\n" for row in rows[:30])
    shown = panel.take_answers(context, selection, "Ann", None, pasted)
    assert shown[panel.pasted] == ""
    view = panel.draw_outcome(context, selection)[panel.outcome]
    assert "Ann" in view
    assert '<td class="n">30</td>' in view
    with pytest.raises(gr.Error):
        panel.take_answers(context, selection, "", None, "  ")


def test_a_file_with_some_rows_filled_in_is_not_wrong_on_the_others(place: tuple[Context, Selection]) -> None:
    context, selection = place
    panel = build_panel(YardstickPanel, context)
    path = Path(panel.write_questions(context, selection))
    with path.open(encoding="utf-8-sig", newline="") as read:
        head, *rows = csv.reader(read)
    assert len(rows) == 50
    with path.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written).writerows([head, *([*row[:-1], "praise"] for row in rows[:10]), *rows[10:]])
    panel.take_answers(context, selection, "Ann", str(path), None)
    view = panel.draw_outcome(context, selection)[panel.outcome]
    assert "40 of 50 rows of the file are not answered" in view
    assert '<td class="n">10</td>' in view


def test_a_shared_page_asks_no_endpoint(place: tuple[Context, Selection], tmp_path: Path) -> None:
    shared = build_panel(YardstickPanel, Context(Workspace(tmp_path / "home"), shared=True))
    assert not hasattr(shared, "key")
    assert hasattr(shared, "file")


def test_a_shared_page_keeps_no_answers_beyond_a_visitor_s_share(place: tuple[Context, Selection]) -> None:
    context, selection = place
    full = Context(context.workspace, shared=True, quota=Quota(disk_mb=0))
    panel = build_panel(YardstickPanel, full)
    with pytest.raises(WorkspaceError) as error:
        panel.take_answers(full, selection, "Ann", None, "row,answer\n0,praise\n")
    assert error.value.key == "quota.disk"
    assert not list(context.run_dir(selection).glob("yardsticks/*"))  # type: ignore[union-attr]


def test_without_an_exam_nothing_is_asked(place: tuple[Context, Selection]) -> None:
    context, selection = place
    (context.run_dir(selection) / "results.json").unlink()  # type: ignore[operator]
    panel = build_panel(YardstickPanel, context)
    assert panel.draw(context, selection, Outcomes())[panel.outcome] == ""
    with pytest.raises(RunError, match="no exam results"):
        panel.write_questions(context, selection)
