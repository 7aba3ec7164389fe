"""Words that would be markup, scripts or formulas, wherever a visitor or a model can put words, in a real browser.

Names, file names, columns, rows, labels, instruction, run and chat all try to run a script; none may, and no tag of
them may exist in the page.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from app.drawing.markup import to_csv
from core.base.files import write_json_atomic
from core.runs.folder import RunFolder
from core.tasks.changing.add_task import update_task
from core.tasks.changing.domain import add_files
from core.tasks.changing.exporting import csv_bytes
from core.tasks.store import list_tasks
from core.workspace import Workspace
from tests.browser.driving import PATIENCE_MS, SCREENS, open_screen, running_app, wait_until_open
from tests.serving.conftest import make_trained_run, tiny_llama_dir

__all__ = ["tiny_llama_dir"]
SCRIPT = "<img src=x onerror=\"window.hurt='{}'\">"
FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"]


def hurt(place: str) -> str:
    return SCRIPT.format(place)


def hostile_workspace(root: Path, model: Path) -> str:
    """-> the id of the run."""
    run_dir = make_trained_run(root, model)
    workspace = Workspace(root)
    project = workspace.get_project("Desk")
    column, label = hurt("column"), hurt("label")
    rows = "".join(f"row {n} {hurt('row').replace(',', ' ')}\t{label if n % 2 else 'fine'}\n" for n in range(40))
    path = root / (hurt("file").replace("/", "") + ".tsv")
    path.write_text(f"{column}\tlabel\n{rows}", encoding="utf-8")
    report = add_files(project, [path])
    assert report.added, report.failed
    task = list_tasks(project)[-1]
    update_task(project, task.task_id, {"instruction": hurt("instruction"), "name": hurt("task")})
    for name, value in (("project.json", hurt("project")), (f"runs/{run_dir.name}/run.json", hurt("run"))):
        record = json.loads((project.path / name).read_text(encoding="utf-8"))
        write_json_atomic(project.path / name, {**record, "name": value})
    rename_tasks(run_dir)
    return run_dir.name


def rename_tasks(run_dir: Path) -> None:
    """The names in the run's frozen copy, its table and its adapter, as if it had been trained under them."""
    for path in (run_dir / "run.json", run_dir / "data" / "tasks.json", run_dir / "allocation.json"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"task 0"', json.dumps(hurt("trained task"))), encoding="utf-8")
    for path in (run_dir / "adapter").glob("*.json"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"task 0"', json.dumps(hurt("trained task"))), encoding="utf-8")
    RunFolder(run_dir).log_path.write_text(hurt("log"), encoding="utf-8")
    shutil.rmtree(run_dir / "__pycache__", ignore_errors=True)


def test_nothing_that_was_written_runs(chromium, tmp_path: Path, tiny_llama_dir: Path) -> None:
    hostile_workspace(tmp_path, tiny_llama_dir)
    with running_app(tmp_path) as address:
        page = chromium.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        wait_until_open(page)
        for screen in SCREENS:
            open_screen(page, screen)
            page.wait_for_timeout(700)
            check(page, screen)
        open_screen(page, "tasks")
        page.locator("#task-cards .card-main").last.click()
        page.locator("#task-about", has_text="onerror").wait_for()
        check(page, "hostile task")
        open_screen(page, "try_it")
        page.locator(".try-input textarea").first.fill(hurt("question"))
        page.locator("#try-ask").click()
        page.locator("#try-answers [data-done='1']").first.wait_for()
        check(page, "chat")
        page.close()


def check(page, where: str) -> None:
    assert page.evaluate("window.hurt") is None, where
    assert page.locator("img[src=x]").count() == 0, where


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_csv_that_leaves_holds_a_formula(cell: str) -> None:
    from_core = csv_bytes(["a", cell], [[cell, 1]])
    assert from_core.startswith(b"\xef\xbb\xbf")
    for text in (from_core.decode("utf-8-sig"), to_csv(["a", cell], [[cell, 1]])):
        for line in csv.reader(io.StringIO(text, newline="")):
            assert not [c for c in line if c[:1] in ("=", "+", "-", "@", "\t", "\r")]


def test_a_model_card_holds_no_tag_of_a_name(tmp_path: Path, tiny_llama_dir: Path) -> None:
    from core.export.card import KINDS, CardRequest, build_card

    run_id = hostile_workspace(tmp_path, tiny_llama_dir)
    run_dir = Workspace(tmp_path).find_run_dir(run_id)
    card = build_card(CardRequest(run_dir, KINDS[0], hurt("trained task"), "en"))
    assert "<img" not in card.split("\n---", 1)[-1]
    assert "row 1" not in card, "a card shows no rows of private data"
    assert "traces of the training data" in card
