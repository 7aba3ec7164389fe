"""The Tasks screen's folds in a real browser: a bad row quoted, a row found, a fix, its version, and its undo."""

from __future__ import annotations

import pytest

from tests.browser.driving import PATIENCE_MS, drop, drop_once, open_screen

pytestmark = pytest.mark.browser
BODY = "".join(f"mail number {i} about a card,{'refund' if i % 2 else 'loan'}\n" for i in range(60))
REPEATED = "".join(f"mail number {i} about a card,{'refund' if i % 2 else 'loan'}\n" for i in range(5))


def bring_rows(page, folder) -> None:
    """An archive, which is refused by name, then a folder with one task file in it: 60 rows, five of them once
    more, and a row with a cell too many. What else the folder holds is passed over."""
    mine = folder / "mine"
    (mine / "deeper").mkdir(parents=True)
    (mine / "README.md").write_text("about the mails", encoding="utf-8")
    (folder / "mails.zip").write_bytes(b"PK")
    rows = f"text,label\n{BODY}{REPEATED}one <b>cell</b>,too,many\n"
    (mine / "deeper" / "mails.csv").write_text(rows, encoding="utf-8")
    page.locator("#project-name input, #project-name textarea").fill("Desk")
    page.locator("#project-create").click()
    page.get_by_text("No tasks yet").first.wait_for()  # the screen is drawn, as it is for who has files at hand
    page.locator("#task-files input[type=file]").wait_for(state="attached")
    drop_once(page, "#task-files", folder / "mails.zip")  # no upload begins
    page.locator(".refused li", has_text="mails.zip cannot be taken here").wait_for()
    drop(page, "#task-files", mine)
    page.locator("#task-about", has_text="mails.csv").wait_for()
    assert page.locator(".refused").count() == 0
    assert page.locator("#task-report li").count() == 1  # the one task that was added


def open_fold(page, fold: str) -> None:
    page.locator(f"#{fold} > button.label-wrap").click()


def repeated_rows(page):
    return page.locator("#health-findings [data-id=drop_duplicates]")


def test_a_row_is_found_a_fix_made_and_taken_back(page, tmp_path) -> None:
    bring_rows(page, tmp_path)
    assert page.locator("#task-about .raw").inner_text() == "one <b>cell</b>,too,many"

    open_fold(page, "task-all-rows")
    page.locator("#rows-count", has_text="65").wait_for()
    find = page.locator("#rows-find input, #rows-find textarea")
    find.fill("NUMBER 41")
    find.press("Enter")
    page.locator("#rows-table [role=gridcell]", has_text="mail number 41").first.wait_for()
    page.locator("#rows-count", has_text="1 to 1 of 1").wait_for()
    open_fold(page, "task-all-rows")

    open_fold(page, "task-health")
    repeated_rows(page).first.wait_for()
    open_fold(page, "task-versions")
    page.locator("#health-findings [data-id=drop_duplicates][data-act=act]").click()
    page.locator(".toast-title.info").first.wait_for()
    title = "getComputedStyle(document.querySelector('.toast-title.info'), '::after').content"
    assert page.evaluate(title) == '"Done"'  # in the page's words, not in Gradio's
    page.locator("#versions-list td", has_text="5").first.wait_for()
    repeated_rows(page).first.wait_for(state="detached")
    assert rows_on_disk(tmp_path) == 60

    page.locator("#versions-since input").click()
    page.locator("[role=option]").first.click()
    page.locator("#versions-diff table").wait_for()
    assert page.locator("#versions-diff tbody tr").count() == 5
    open_screen(page, "train")
    open_screen(page, "tasks")  # nothing is stale behind another screen
    page.locator("#task-last-change button").click()
    repeated_rows(page).first.wait_for(timeout=PATIENCE_MS)
    page.locator("#versions-list table").wait_for(state="detached")
    assert rows_on_disk(tmp_path) == 65


def rows_on_disk(workspace) -> int:
    (folder,) = (path.parent for path in workspace.glob("projects/*/tasks/*/task.json"))
    return sum(path.read_text(encoding="utf-8").count("\n") for path in folder.glob("*.jsonl"))
