"""The address of the page: where it leads, and where it does not."""

from __future__ import annotations

import types
from pathlib import Path

import gradio as gr
import pytest

from app.frame.address import Address, Place, leave_deleted, open_place, place_of
from app.frame.workbench import SCREENS, find_place, open_page, open_screen
from app.shell.context import Context
from app.shell.selection import Selection, selection_to_prefs
from core.runs.folder import RunFolder
from core.runs.states import RunStatus
from core.workspace import Project, Workspace
from tests.app.panels import build_panel

MINE, THEIRS = "a" * 32, "b" * 32
REQUEST = types.SimpleNamespace(headers={"accept-language": "en"}, request=None)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Workspace(tmp_path), shared=True)


def add_run(project: Project, run_id: str) -> str:
    folder = RunFolder(project.runs_dir / run_id)
    folder.path.mkdir(parents=True)
    folder.write_run({"name": run_id, "tasks": []})
    folder.write_status(RunStatus(state="cancelled"))
    return run_id


@pytest.mark.parametrize(
    ("search", "place"),
    [
        ("?project=p1&run=r1&screen=results", Place("p1", "r1", "results")),
        ("?screen=nowhere&project=p1&project=p2", Place("p1", "", "")),
        ("?project=%3Cscript%3Ealert(1)%3C/script%3E", Place("<script>alert(1)</script>")),
        ("?" + "&" * 5000, Place()),
        ("?project=" + "x" * 5000 + "&screen=results", Place("x" * 991)),
        ("?run=%ff%00&screen=%00results", Place("", "\ufffd\x00", "")),
        ("", Place()),
        (None, Place()),
        (["?screen=results"], Place()),
    ],
)
def test_an_address_says_ids_or_nothing(search: object, place: Place) -> None:
    assert place_of(search, SCREENS) == place


def test_a_link_opens_its_project_and_run(context: Context) -> None:
    first, second = (context.workspace.create_project(name, MINE) for name in ("First", "Second"))
    old, new = (add_run(first, f"r2026010{day}-000000-aaaaaaaa") for day in (1, 2))
    prefs = selection_to_prefs(Selection(owner=MINE, project_id=second.project_id))
    opened = open_page(context, prefs, f"?project={first.project_id}&run={old}&screen=results", REQUEST)
    assert (opened.project_id, opened.run_id) == (first.project_id, old)
    newest = open_page(context, prefs, f"?project={first.project_id}", REQUEST)
    assert (newest.project_id, newest.run_id) == (first.project_id, new)
    assert open_page(context, prefs, "?screen=results", REQUEST).project_id == second.project_id
    assert open_screen(context, "tab.home", "?screen=results") == gr.update(selected="tab.results")
    assert open_screen(context, "tab.skills", "?screen=../x") == gr.update(selected="tab.skills")
    assert open_screen(context, {"x": 1}, None) == gr.skip()


@pytest.mark.parametrize("asked", ["foreign", "gone", "../..", "<img src=x onerror=alert(1)>", "p\x00"])
def test_a_link_to_what_is_not_mine_stays_where_it_was_and_says_so(
    context: Context, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("app.frame.address.tell", lambda text, _: told.append(text))
    mine = context.workspace.create_project("Mine", MINE)
    foreign = context.workspace.create_project("Theirs", THEIRS)
    run = add_run(foreign, "r20260101-000000-bbbbbbbb")
    here = find_place(context, Selection(owner=MINE, project_id=mine.project_id))
    project = foreign.project_id if asked == "foreign" else asked
    found = open_place(context, here, Place(project, run, "results"))
    assert (found.project_id, found.run_id) == (mine.project_id, "")
    assert found.version > here.version  # so that the address is put right
    assert len(told) == 1
    assert open_place(context, here, Place(mine.project_id, run, "results")).run_id == ""  # nor a run of theirs
    assert len(told) == 2
    assert asked not in "".join(told)


def test_back_to_another_screen_of_the_same_place_draws_nothing_anew(context: Context) -> None:
    project = context.workspace.create_project("Mine", MINE)
    panel = build_panel(Address, context, [f"tab.{name}" for name in SCREENS])
    here = Selection(owner=MINE, project_id=project.project_id)
    search = f"?project={project.project_id}&screen=skills"
    moved = panel.follow(context, here, types.SimpleNamespace(search=search))
    assert moved == {context.tabs: gr.update(selected="tab.skills")}
    moved = panel.follow(context, here, types.SimpleNamespace(search="?project=gone&screen=nowhere"))
    assert (moved[context.selection], moved[context.tabs]) == (here.touched(), gr.update(selected="tab.home"))


def test_a_project_that_was_deleted_elsewhere_is_left(context: Context) -> None:
    project = context.workspace.create_project("Mine", MINE)
    here = Selection(owner=MINE, project_id=project.project_id)
    assert leave_deleted(context, here) == gr.skip()
    context.workspace.delete_project(project)
    assert leave_deleted(context, here)[context.selection].project_id == ""
    assert leave_deleted(context, Selection(owner=MINE)) == gr.skip()
