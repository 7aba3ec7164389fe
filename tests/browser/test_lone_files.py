"""An exam that came alone is asked about; a workbook's notes, sheet and numbers stand where they can be chosen."""

from __future__ import annotations

import pytest

from tests.browser.driving import drop
from tests.tasks.workbooks import write_book

pytestmark = pytest.mark.browser


def lines(count: int, start: int = 0) -> str:
    return "text,label\n" + "".join(
        f"mail number {i} about a card,{'ab'[i % 2]}\n" for i in range(start, start + count)
    )


def test_a_lone_exam_is_asked_about_and_becomes_the_exam(page, tmp_path) -> None:
    (tmp_path / "mail.csv").write_text(lines(40), encoding="utf-8")
    (tmp_path / "mail.test.csv").write_text(lines(10, 38), encoding="utf-8")
    page.locator("#project-name input, #project-name textarea").fill("Desk")
    page.locator("#project-create").click()
    page.locator("#task-files input[type=file]").wait_for(state="attached")
    drop(page, "#task-files", tmp_path / "mail.csv")
    page.locator("#task-about", has_text="mail.csv").wait_for()
    drop(page, "#task-files", tmp_path / "mail.test.csv")
    question = page.locator("#lone-files .doubt", has_text="mail.test.csv is called a test set")
    question.wait_for()
    question.locator("button", has_text="The final exam of mail").click()
    question.wait_for(state="detached")
    page.locator("#task-report", has_text="10 rows are the final exam of mail now; 2 rows").wait_for()


def test_a_workbook_says_what_was_done_and_offers_its_stored_numbers(page, tmp_path) -> None:
    codes = [["text", "code"], *([f"mail number {i} about a card", (i % 3 + 1, "000")] for i in range(40))]
    other = [["note", "mark"], *([f"remark number {i}", "xyz"[i % 3]] for i in range(40))]
    path = write_book(tmp_path / "codes.xlsx", {"Mails": codes, "Remarks": other})
    page.locator("#project-name input, #project-name textarea").fill("Desk")
    page.locator("#project-create").click()
    page.locator("#task-files input[type=file]").wait_for(state="attached")
    drop(page, "#task-files", path)
    page.locator("#task-about", has_text="such as 001 for 1").wait_for()
    page.locator("#task-doubts .doubt", has_text="the sheet Mails or of the sheet Remarks").wait_for()
    page.locator("#import-again > button.label-wrap").click()
    page.locator("#again-preview", has_text="001").wait_for()
    page.locator("#again-numbers input").click()
    page.get_by_role("option", name="as they are stored").click()
    page.locator("#again-preview table", has_text="001").wait_for(state="detached")
    page.locator("#again-read").click()
    page.locator("#task-about", has_text="such as 001 for 1").wait_for(state="detached")
