"""What the Tasks screen costs the page's own process with a large task: fix, undo, search, edit, compare, settings.

    python -m tests.benchmarks.large_task_page [--rows 300000]

Prints for every gesture: seconds by the clock, seconds of this process's processor time, the longest time that
another thread of this process waited for its turn (what another visitor would feel), and by how much the process
had grown at its largest. Processor time and growth are what other load on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr

from app.shell.context import Context
from app.shell.selection import Selection
from app.tasks.health_panel import HealthPanel, mend, take_back
from app.tasks.rows_panel import RowsPanel, save_rows
from app.tasks.task_editor import Editor, save_task
from app.tasks.task_fields import EDITED
from app.tasks.versions_panel import draw_difference
from core.tasks.changing.add_task import add_task
from core.tasks.store import list_tasks
from core.workspace import Workspace
from tests.app.panels import build_panel

TURN = 0.005  # seconds between two looks at the clock
LOOK = ("starter", 512)


class Watch(threading.Thread):
    """Another visitor: asks for a turn every 5 ms, notes the longest wait and the largest size of the process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.worst, self.largest, self.ended = 0.0, 0, threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            before = time.perf_counter()
            time.sleep(TURN)
            self.worst = max(self.worst, time.perf_counter() - before - TURN)
            self.largest = max(self.largest, resident())


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def measured(name: str, gesture: Callable[[], Any]) -> Any:
    watch, size = Watch(), resident()
    watch.start()
    clock, spent = time.perf_counter(), time.process_time()
    found = gesture()
    numbers = {"clock_s": time.perf_counter() - clock, "here_s": time.process_time() - spent}
    watch.ended.set()
    watch.join()
    numbers |= {"worst_wait_s": watch.worst, "grown_mb": (watch.largest - size) / 2**20}
    print(json.dumps({"gesture": name, **{k: round(v, 2) for k, v in numbers.items()}}), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000)
    rows = parser.parse_args().rows
    gr.Info = lambda *_, **__: None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        with open(path, "w", encoding="utf-8") as file:
            file.write("text,label\n")
            file.writelines(
                f"customer {i % (rows - rows // 50)} asks about her bill of this month,{'abcdef'[i % 6]}\n"
                for i in range(rows)
            )
        context = Context(Workspace(Path(folder) / "workspace"))
        project = context.workspace.create_project("Large", "local")
        task = add_task(project, path, isolated=True)
        play(context, Selection().with_project(project.project_id).with_task(task.task_id))


def play(context: Context, chosen: Selection) -> None:
    editor, panel = build_panel(Editor, context), build_panel(RowsPanel, context)
    health = build_panel(lambda built: HealthPanel(built, [gr.Dropdown(), gr.Number()]), context)
    click = SimpleNamespace(id="drop_duplicates", act="act")
    measured("open the task", lambda: editor.draw(context, chosen, *LOOK))
    measured("health", lambda: health.draw(context, chosen, True, *LOOK))
    measured("fix", lambda: mend(context, chosen, click))
    measured("compare", lambda: draw_difference(context, chosen, 1))
    measured("undo", lambda: take_back(context, chosen))
    shown = measured("first page of rows", lambda: panel.draw(context, chosen, "", ""))
    measured("search", lambda: panel.draw(context, chosen, "customer 29999", ""))
    data = shown[panel.table]["value"]["data"]
    data[0][3] = "edited"
    measured("edit one row", lambda: save_rows(context, chosen, shown[panel.page], data))
    drawn = editor.draw(context, chosen, *LOOK)
    values = (drawn[field] for field in editor.fields)
    typed = dict(zip(EDITED, (v["value"] if isinstance(v, dict) else v for v in values), strict=True))
    typed["seed"] = 5
    measured("settings: another split", lambda: save_task(context, chosen, False, *typed.values()))
    assert list_tasks(context.require_project(chosen))[0].num_train > 1000


if __name__ == "__main__":
    main()
