"""Two visitors of one page at once: nobody sees, changes or deletes what is somebody else's, whatever is posted.

Endpoints are called directly, as over HTTP anybody can; the ids are right, only the visitor is wrong.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.security.conftest import ALICE, BOB, SECRET, SharedPage
from tests.visiting import VisitError, Visitor


def marks_in(outputs: Any, page: SharedPage) -> list[str]:
    """What of Alice's is found in something that was sent."""
    text = json.dumps(outputs, ensure_ascii=False)
    return [mark for mark in (SECRET, ALICE, "of task 0") if mark in text]


def call_everything(visitor: Visitor, page: SharedPage, value: str) -> list[Any]:
    """Every endpoint of the page with `value` wherever a text may stand, then all redraws."""
    sent = []
    for event in visitor.events:
        data = [value if visitor.components[n]["type"] != "state" else None for n in event["inputs"]]
        target, trigger = event["targets"][0] if event["targets"] else (None, None)
        if trigger == "load":
            continue
        cards = target is not None and visitor.components[target]["type"] == "html"
        for act in ("open", "act") if cards else ("open",):
            try:
                sent.append(visitor.call(event["id"], data, {"id": value, "act": act}))
            except VisitError as error:
                sent.append(str(error))
    return sent


def test_alice_sees_her_own(shared_page: SharedPage) -> None:
    """The control of the tests below: the marks are on her page."""
    alice = shared_page.visit(ALICE)
    assert SECRET in json.dumps(alice.components[alice.ids["choose-project"]]["props"]["choices"])
    assert "of task 0" in alice.value("task-rows")
    assert marks_in(list(alice.values.values()), shared_page)


def test_bob_sees_nothing_of_it(shared_page: SharedPage) -> None:
    bob = shared_page.visit(BOB)
    props = [component["props"] for component in bob.components.values()]
    assert not marks_in([list(bob.values.values()), props], shared_page)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_no_endpoint_obeys_bob_with_the_ids_of_alice(shared_page: SharedPage, which: int) -> None:
    before = shared_page.state()
    bob = shared_page.visit(BOB)
    sent = call_everything(bob, shared_page, shared_page.ids[which])
    assert len(sent) > 50
    assert not marks_in(sent, shared_page)
    assert shared_page.state() == before


def test_a_session_that_never_opened_the_page_is_refused(shared_page: SharedPage) -> None:
    """Its state would belong to 'local', whose project lies in the same workspace."""
    before = shared_page.state()
    projects = len(shared_page.workspace.list_projects())
    stranger = Visitor(shared_page.address)
    sent = call_everything(stranger, shared_page, shared_page.project.project_id)
    assert not marks_in(sent, shared_page)
    assert shared_page.state() == before
    assert len(shared_page.workspace.list_projects()) == projects


@pytest.mark.parametrize("owner", ["local", "hub-alice", "", "A" * 32, "../" + "a" * 29])
def test_an_owner_cannot_be_chosen(shared_page: SharedPage, owner: str) -> None:
    """What a browser says of itself counts only when it is a browser's id; everything else is a new visitor."""
    visitor = shared_page.visit(owner)
    assert not marks_in(list(visitor.values.values()), shared_page)
    prefs = next(c["id"] for c in visitor.components.values() if c["type"] == "browserstate")
    assert visitor.values[prefs]["owner"] not in (owner, ALICE)


def test_two_visitors_work_side_by_side(shared_page: SharedPage) -> None:
    """The same clicks at the same time lead to two projects, each with its own files and tasks."""
    carol, dave = shared_page.visit("c" * 32), shared_page.visit("d" * 32)
    for visitor, word in ((carol, "walnut"), (dave, "quince")):
        visitor.fire("project-name", "submit", value="Same name")
        rows = "".join(f"{word} {n},{'yes' if n % 2 else 'no'}\n" for n in range(40))
        file = visitor.upload("rows.csv", f"text,label\n{rows}".encode())
        visitor.fire("task-files", "upload", value=[file])
        visitor.look_at_all()
    assert "walnut" in carol.value("task-rows")
    assert "quince" not in json.dumps(list(carol.values.values()))
    assert "quince" in dave.value("task-rows")
    assert "walnut" not in json.dumps(list(dave.values.values()))


def test_answers_go_to_the_visitor_who_asked(shared_page: SharedPage) -> None:
    """Alice asks; Bob's page, listening all the while, gets no event of hers."""
    alice, bob = shared_page.visit(ALICE), shared_page.visit(BOB)
    alice.fire("choose-run", "input", value=shared_page.run_id)
    alice.values[alice.ids["try-input-0"]] = f"{SECRET} asks"
    alice.fire("try-ask", "click")
    assert f"{SECRET} asks" in str(alice.value("try-answers"))
    bob.tick()
    bob.look_at_all()
    assert not marks_in(list(bob.values.values()), shared_page)
    with pytest.raises(VisitError):
        bob.fire("try-ask", "click")
