"""The plain state of a browser tab: where it was, whose it is, what it speaks."""

from __future__ import annotations

import pytest

from app.shell.selection import Selection, language_of, selection_from_prefs, selection_to_prefs
from core.workspace import LOCAL_OWNER


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-HK,en;q=0.8", "zh"),
        ("zh-Hans-CN", "zh"),
        ("en-GB", "en"),
        ("de-DE,fr;q=0.5", "en"),
        ("", "en"),
        ("fr,zh;q=0.3", "zh"),
    ],
)
def test_the_first_language_we_speak_is_taken(header: str, language: str) -> None:
    assert language_of(header) == language


def test_a_place_survives_the_browser() -> None:
    here = Selection(language="zh", project_id="p1", run_id="r1")
    again = selection_from_prefs(selection_to_prefs(here), "en", shared=False)
    assert (again.language, again.project_id, again.run_id) == ("zh", "p1", "r1")


@pytest.mark.parametrize("prefs", [None, [], "x", {"language": 3, "owner": {}}, {"language": "xx"}])
def test_damaged_prefs_are_a_first_visit(prefs: object) -> None:
    fresh = selection_from_prefs(prefs, "zh", shared=False)
    assert fresh.project_id == ""
    assert fresh.language in ("en", "zh")


def test_on_a_shared_page_every_browser_is_an_owner_of_its_own() -> None:
    first, second = (selection_from_prefs({}, "", shared=True).owner for _ in range(2))
    assert first != second
    assert LOCAL_OWNER not in (first, second)
    assert selection_from_prefs({"owner": first}, "", shared=True).owner == first
    for forged in (LOCAL_OWNER, "../x", "", first + "0"):
        assert selection_from_prefs({"owner": forged}, "", shared=True).owner not in (forged, LOCAL_OWNER)
    assert selection_from_prefs({"owner": first}, "", shared=False).owner == LOCAL_OWNER


def test_another_project_forgets_task_and_run_and_redraws() -> None:
    here = Selection(project_id="p1", task_id="t", run_id="r")
    there = here.with_project("p2")
    assert (there.task_id, there.run_id) == ("", "")
    assert there.version > here.version
    assert here.touched() != here
    assert hash(here) == hash(Selection(project_id="p1", task_id="t", run_id="r"))
