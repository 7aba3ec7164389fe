"""A file that may be meant in two ways: both readings stand side by side, and one click chooses."""

from __future__ import annotations

import pytest

from tests.browser.driving import drop

pytestmark = pytest.mark.browser
ROWS = "a;b,c\nred;one,hot\nblue;two,cold\ngreen;one,hot\nred;two,cold\n"


def test_the_other_reading_is_one_click_away(page, tmp_path) -> None:
    (tmp_path / "mixed.csv").write_text(ROWS, encoding="utf-8")
    page.locator("#project-name input, #project-name textarea").fill("Desk")
    page.locator("#project-create").click()
    page.locator("#task-files input[type=file]").wait_for(state="attached")
    drop(page, "#task-files", tmp_path / "mixed.csv")
    question = page.locator("#task-doubts .doubt", has_text="split at the comma or at the semicolon")
    question.wait_for()
    heads = question.locator("thead").all_inner_texts()
    assert [head.split() for head in heads] == [["a;b", "c"], ["a", "b,c"]]
    page.locator("#task-cards .badge", has_text="a question is open").wait_for()
    question.locator("[data-act=other]").click()
    question.wait_for(state="detached")
    page.locator("#task-doubts [data-act=taken]").click()  # the first row does name the columns
    page.locator("#task-cards .badge", has_text="question").wait_for(state="detached")
    assert "b,c" in page.locator("#task-area").inner_text()
