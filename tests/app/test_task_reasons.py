"""Why columns and kind are as they are: the guess, unless somebody said otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.tasks.task_markup import reasons_view
from app.texts import say, word_error
from app.texts.language import in_language
from core.tasks.guessing.roles import RoleGuess
from core.tasks.spec import TaskSpec

GUESS = RoleGuess(
    ("text",),
    ("label",),
    "generation",
    "rouge_l",
    (("guess.target_name", {"column": "label"}), ("guess.kind_generation", {})),
)
SPEC = TaskSpec("t1", "mails", ("text",), ("label",), "Answer.", "{text}", "rouge_l", "generation")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_guess_that_was_taken_is_explained(language: str) -> None:
    shown = in_language(language, reasons_view, GUESS, SPEC)
    for key, values in GUESS.reasons:
        assert in_language(language, word_error, key, values)[0] in shown


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_kind_that_was_set_is_not_called_another(language: str) -> None:
    shown = in_language(language, reasons_view, GUESS, replace(SPEC, kind="classification", metric="accuracy"))
    assert in_language(language, word_error, "guess.kind_generation", {})[0] not in shown
    assert in_language(language, word_error, *GUESS.reasons[0])[0] in shown
    assert in_language(language, say, "kind.classification") in shown


def test_columns_that_were_set_are_not_explained_by_a_guess() -> None:
    shown = reasons_view(GUESS, replace(SPEC, inputs=("label",), targets=("text",)))
    assert "its name says so" not in shown
    assert say("tasks.why_columns").replace("'", "&#x27;") in shown
