"""Tasks: drop files, see what the model will really read, change columns, wording and scoring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.durations import word_count
from app.drawing.markup import bullets, empty, note
from app.drawing.widgets import card, cards
from app.shell.context import Context
from app.shell.making import Making, told_again, wire_making
from app.shell.outcomes import Outcomes
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.upload_folders import note_uploads
from app.shell.way_on import WayOn
from app.tasks.annotate_panel import AnnotatePanel
from app.tasks.doubt_panel import DoubtPanel
from app.tasks.harm_panel import HarmPanel, is_left_out, worst_of
from app.tasks.health_panel import HealthPanel, chosen_task, most_read
from app.tasks.import_panel import ImportPanel
from app.tasks.last_change import LastChange
from app.tasks.lone_panel import LonePanel
from app.tasks.rows_panel import RowsPanel
from app.tasks.task_editor import Editor
from app.tasks.versions_panel import VersionsPanel
from app.texts import listing, say, word_error, word_problem
from app.texts.words import Key
from core.tasks.changing.domain import add_files
from core.tasks.changing.hints import HINTS
from core.tasks.reading.files import SUFFIXES
from core.tasks.spec import TaskSpec
from core.tasks.store import DamagedTask, list_damaged_tasks, list_tasks, read_doubts, remove_damaged_task
from core.workspace import Project

TITLE = "tab.tasks"


class Tasks:
    """Files and the list of tasks on the left, the chosen task on the right."""

    def __init__(self, context: Context) -> None:
        self.way_on = WayOn(context, "tasks-intro")
        self.intro = self.way_on.head
        with gr.Row(elem_id="task-area"):
            with gr.Column(scale=4, min_width=320):
                given = {"label": Key("tasks.drop"), "file_count": "multiple", "file_types": list(SUFFIXES)}
                self.drop = context.words(gr.File, **given, elem_id="task-files", height=150)
                self.report = gr.HTML(elem_id="task-report")
                self.lone = LonePanel(context)
                self.listed = cards("task-cards", "rows")
                harms = HarmPanel(context)
                with gr.Column(visible=False) as self.ways:
                    self.more = ImportPanel(context)
            with gr.Column(scale=7, min_width=320), gr.Column(visible=False) as self.body:
                doubts = DoubtPanel(context)
                LastChange(context)
                editor = Editor(context)
                RowsPanel(context)
                AnnotatePanel(context)
                HealthPanel(context, [editor.model, editor.limit])
                VersionsPanel(context)
        self._wire(context)
        doubts.wire(context, self.more.dropped)
        self.lone.wire(context, self.report, self.outcomes)
        editor.wire(context)
        harms.wire(context, editor.planned, self.listed, self.draw_cards)
        self.more.wire(context, self.report, self.outcomes)

    def _wire(self, context: Context) -> None:
        selection, self.outcomes = context.selection, gr.State(Outcomes())
        told = [self.report, self.more.dropped, self.lone.lone]
        making = Making(self.take_files, (self.drop, *told))
        wire_making(context, self.drop.upload, making, ([self.drop], [selection, self.drop, *told]), self.outcomes)
        context.on_selection(self.draw_told, told, [self.outcomes])
        context.on(self.listed.click, choose_task, [selection], selection, show_progress="hidden")
        # A field that is drawn anew while it uploads loses what was dropped.
        kept = {"kept": [self.drop], "subject": lambda seen: seen.project_id}
        context.on_selection(self.draw, [self.intro, self.drop], **kept)
        context.on_selection(self.draw_frame, [self.ways, self.body])

    def take_files(self, context: Context, selection: Selection, paths: list[str] | None) -> Shown:
        """Adds the dropped files; a file that cannot be read is named with its reason and disturbs no other."""
        project = context.project(selection)
        if project is None:
            raise gr.Error(say("tasks.need_project"), title=say("error.title"))
        require_shared_space(context, selection)
        note_uploads(project, paths or [])
        with context.at_work(selection, "import"):
            done = add_files(project, list(paths or []))
        items: list[tuple[str, ...]] = [
            ("bad", _with_file(file, word_problem(problem)), problem.raw) for file, problem in done.failed
        ]
        if done.added:
            names = listing(task.name for task in done.added)
            items.insert(0, ("ok", say("tasks.added", names=names)))
        return {
            context.selection: selection.with_task(done.added[0].task_id) if done.added else selection,
            self.drop: None,
            self.report: bullets(items),
            self.more.dropped: [path for path in paths or [] if Path(path).name.lower() != HINTS],
            self.lone.lone: [str(item.path) for item in done.lone],
        }

    def draw_told(self, _: Context, selection: Selection, outcomes: Outcomes) -> Shown:
        """What became of the files that were brought to the open project, and what is still asked about them."""
        blank = ((self.report, ""), (self.more.dropped, []), (self.lone.lone, []))
        return told_again(outcomes, selection, blank)

    def draw_frame(self, context: Context, selection: Selection) -> Shown:
        """Other ways in (with an open project), and the chosen task's side (with a task)."""
        is_open, spec = context.project(selection) is not None, chosen_task(context, selection)
        return {self.ways: gr.update(visible=is_open), self.body: gr.update(visible=spec is not None)}

    def draw(self, context: Context, selection: Selection) -> Shown:
        """The file field only with an open project."""
        project = context.project(selection)
        if project is None:
            hint = self.way_on.view(context, selection, say("tasks.none_title"), say("tasks.need_project"))
            return {self.intro: hint, self.drop: gr.update(visible=False)}
        specs = list_tasks(project)
        hint = "" if specs else empty(say("tasks.none_title"), say("tasks.none_text"))
        return {self.intro: note(say("tasks.lead")) + hint, self.drop: gr.update(visible=True)}

    def draw_cards(
        self, context: Context, selection: Selection, model: str, limit: float | None, left_out: Sequence[str] = ()
    ) -> Shown:
        """One card a task, with the worst that is known of it; it stops no run that does without the task."""
        project, current = context.project(selection), chosen_task(context, selection)
        if project is None:
            return {self.listed: []}
        most, listed = most_read(model, limit), []
        for spec in list_tasks(project):
            said = {**worst_of(context.health.find(project, spec, most)), **_asked(project, spec)}
            if is_left_out(spec, left_out):
                said |= {"badge": say("harms.left_out"), "tone": ""}
            listed.append(_task_card(spec, spec == current, said))
        return {self.listed: listed + [_damaged_card(task) for task in list_damaged_tasks(project)]}


def choose_task(context: Context, selection: Selection, event: gr.EventData) -> Selection:
    """A click opens a task; the only button of a damaged one removes it."""
    if event.act != "act":
        return selection.with_task(str(event.id))
    remove_damaged_task(context.require_project(selection), str(event.id))
    return selection.touched()


def _damaged_card(task: DamagedTask) -> dict[str, Any]:
    message, hint = word_error(task.error.key, {**task.error.values, "path": "task.json"})
    said = {"text": f"{message} {hint}", "action": say("damage.remove_task"), "still": True}
    return card(task.task_id, task.task_id, badge=say("damage.badge"), tone="bad", **said)


def _asked(project: Project, spec: TaskSpec) -> dict[str, str]:
    """An open question about the file stands before what is wrong with its rows."""
    return {"badge": say("doubts.open"), "tone": "warn"} if read_doubts(project, spec.task_id) else {}


def _task_card(spec: TaskSpec, active: bool, said_of_it: dict[str, str]) -> dict[str, Any]:
    counts = {"train": spec.num_train, "check": spec.num_validation, "exam": spec.num_test}
    kind, metric = say(f"kind.{spec.kind}"), say(f"metric.{spec.metric}")
    meta = say("tasks.card", kind=kind, metric=metric, **{n: word_count(count) for n, count in counts.items()})
    return card(spec.task_id, spec.name, active=active, meta=meta, **said_of_it)


def _with_file(file: str, said: str) -> str:
    """A problem under the name of its file, which most problems of a file name themselves."""
    return said if said.startswith(file) else f"{file}: {said}"


build = Tasks
