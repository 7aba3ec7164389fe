"""A corrected answer that is no label so far is asked about, not taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.base.errors import SettingError
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.changing.label_check import NEW_LABEL, check_label, known_answer, list_labels, match_label
from core.workspace import Project


@pytest.fixture
def labelled(project: Project, tmp_path: Path) -> Project:
    rows = [f"message {i},{('card_lost', 'card_lost', 'card_arrival', 'A', 'a')[i % 5]}" for i in range(60)]
    path = tmp_path / "mails.csv"
    path.write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    add_task(project, path, TaskRequest(name="mails"))
    path = tmp_path / "notes.csv"
    rows = [
        f"a longer note number {i} about something,a summary of {i} in words of its own {i * i}" for i in range(60)
    ]
    path.write_text("text,summary\n" + "\n".join(rows), encoding="utf-8")
    add_task(project, path, TaskRequest(name="notes", kind="generation"))
    return project


def test_labels_come_most_frequent_first(labelled: Project) -> None:
    assert list_labels(labelled, "mails")[0] == "card_lost"
    assert set(list_labels(labelled, "mails")) == {"card_lost", "card_arrival", "A", "a"}
    assert list_labels(labelled, "notes") == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("card_lost", "card_lost"),
        (" Card Lost", "card_lost"),
        ("CARD-ARRIVAL", "card_arrival"),
        ("A", "A"),
        ("a", "a"),
    ],
)
def test_another_spelling_is_the_label(labelled: Project, typed: str, meant: str) -> None:
    assert check_label(labelled, "mails", typed) is None
    assert known_answer(labelled, "mails", typed) == meant


@pytest.mark.parametrize("typed", ["card_lots", "refund", "B", "-card_lost", "", "card_lost\ncard_lost", "🙂"])
def test_what_is_no_label_is_asked_about(labelled: Project, typed: str) -> None:
    question = check_label(labelled, "mails", typed)
    assert question is not None
    assert question.key == NEW_LABEL
    assert "card_lost" in question.hint
    with pytest.raises(SettingError, match="is no label that mails has so far"):
        known_answer(labelled, "mails", typed)
    assert known_answer(labelled, "mails", typed, is_new=True) == typed


def test_the_nearest_label_is_offered(labelled: Project) -> None:
    question = check_label(labelled, "mails", "card_arival")
    assert question is not None
    assert question.values["nearest"] == "card_arrival"


def test_free_answers_are_never_asked_about(labelled: Project) -> None:
    assert check_label(labelled, "notes", "anything at all") is None
    assert known_answer(labelled, "notes", "anything at all") == "anything at all"


def test_signs_make_different_labels() -> None:
    assert match_label(["-1", "1"], "+1") == "+1"
    assert match_label(["1", "2"], "2.0") == "2"
    assert match_label(["A", "B"], "a") == "a"
