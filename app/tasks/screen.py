"""Tasks: drop files, see what the model will really read, change columns, wording and scoring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.durations import word_count
from app.drawing.markup import bullets, empty, note
from app.drawing.widgets import card, cards
from app.shell.context import Context
from app.shell.permissions import require_shared_space
from app.shell.selection import Selection
from app.shell.upload_folders import note_uploads
from app.tasks.doubt_panel import DoubtPanel
from app.tasks.health_panel import HealthPanel, chosen_task
from app.tasks.import_panel import ImportPanel
from app.tasks.lone_panel import LonePanel
from app.tasks.rows_panel import RowsPanel
from app.tasks.task_editor import Editor
from app.tasks.versions_panel import VersionsPanel
from app.texts import listing, say, word_problem
from app.texts.words import Key
from core.tasks.changing.add_task import list_tasks
from core.tasks.changing.domain import HINTS, add_files
from core.tasks.reading.files import SUFFIXES
from core.tasks.store import read_doubts

TITLE = "tab.tasks"


def build(context: Context) -> None:
    """Files and the list of tasks on the left, the chosen task on the right."""
    words, selection = context.words, context.selection
    intro = gr.HTML()
    with gr.Row(elem_id="task-area"):
        with gr.Column(scale=4, min_width=320):
            drop = words(
                gr.File,
                label=Key("tasks.drop"),
                file_count="multiple",
                file_types=list(SUFFIXES),
                elem_id="task-files",
                height=150,
            )
            report = gr.HTML(elem_id="task-report")
            lone = LonePanel(context)
            listed = cards("task-cards", "rows")
            with gr.Column(visible=False) as ways:
                more = ImportPanel(context)
        with gr.Column(scale=7, min_width=320), gr.Column(visible=False) as body:
            doubts = DoubtPanel(context)
            editor = Editor(context)
            RowsPanel(context)
            HealthPanel(context, [editor.model, editor.limit])
            VersionsPanel(context)
    taken = [selection, drop, report, more.dropped, lone.lone]
    context.on(drop.upload, take_files, [selection, drop], taken, show_progress="full")
    context.on(listed.click, choose_task, [selection], selection, show_progress="hidden")
    # A field that is drawn anew while it uploads loses what was dropped.
    context.on_selection(draw_list, [intro, drop, listed], kept=[drop], subject=lambda seen: seen.project_id)
    context.on_selection(draw_frame, [ways, body])
    doubts.wire(context, more.dropped)
    lone.wire(context, report)
    editor.wire(context)
    more.wire(context, report)


def take_files(
    context: Context, selection: Selection, paths: list[str] | None
) -> tuple[Selection, Any, str, list[str], list[str]]:
    """Adds the dropped files; a file that cannot be read is named with its reason and disturbs no other. The last
    of what comes back are files that are asked about."""
    project = context.project(selection)
    if project is None:
        raise gr.Error(say("tasks.need_project"), title=say("error.title"))
    require_shared_space(context, selection)
    note_uploads(project, paths or [])
    done = add_files(project, list(paths or []))
    items: list[tuple[str, ...]] = [
        ("bad", _with_file(file, word_problem(problem)), problem.raw) for file, problem in done.failed
    ]
    if done.added:
        names = listing(task.name for task in done.added)
        items.insert(0, ("ok", say("tasks.added", names=names)))
    chosen = selection.with_task(done.added[0].task_id) if done.added else selection
    dropped = [path for path in paths or [] if Path(path).name.lower() != HINTS]
    return chosen, None, bullets(items), dropped, [str(item.path) for item in done.lone]


def draw_frame(context: Context, selection: Selection) -> list[Any]:
    """-> other ways in (with an open project), the chosen task's side (with a task)."""
    is_open, spec = context.project(selection) is not None, chosen_task(context, selection)
    return [gr.update(visible=is_open), gr.update(visible=spec is not None)]


def choose_task(context: Context, selection: Selection, event: gr.EventData) -> Selection:
    return selection.with_task(str(event.id))


def draw_list(context: Context, selection: Selection) -> tuple[str, Any, list[Any]]:
    """-> introduction, the file field (only with an open project), one card a task."""
    project = context.project(selection)
    if project is None:
        return (empty(say("tasks.none_title"), say("tasks.need_project")), gr.update(visible=False), [])
    specs, current = list_tasks(project), chosen_task(context, selection)
    shown = [
        card(
            spec.task_id,
            spec.name,
            active=spec == current,
            badge=say("doubts.open") if read_doubts(project, spec.task_id) else "",
            tone="warn",
            meta=say(
                "tasks.card",
                kind=say(f"kind.{spec.kind}"),
                metric=say(f"metric.{spec.metric}"),
                train=word_count(spec.num_train),
                check=word_count(spec.num_validation),
                exam=word_count(spec.num_test),
            ),
        )
        for spec in specs
    ]
    hint = "" if specs else empty(say("tasks.none_title"), say("tasks.none_text"))
    return note(say("tasks.lead")) + hint, gr.update(visible=True), shown


def _with_file(file: str, said: str) -> str:
    """A problem under the name of its file, which most problems of a file name themselves."""
    return said if said.startswith(file) else f"{file}: {said}"
