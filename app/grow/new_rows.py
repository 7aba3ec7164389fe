"""Bringing the new task: files dropped or rows pasted on the screen, how they were read, what is in question."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.doubt_markup import doubts_view
from app.drawing.durations import word_count
from app.drawing.markup import bullets, esc, note, table
from app.drawing.widgets import buttons_in
from app.shell.context import Context
from app.shell.making import Making, told_again, wire_making
from app.shell.outcomes import Outcomes
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.upload_folders import new_upload_folder, note_uploads
from app.texts import listing, say, word_problem
from app.texts.words import Key
from core.base.errors import RunError, TaskFileError
from core.runs.folder import RunFolder
from core.tasks.cell_text import input_text
from core.tasks.changing.add_task import write_pasted
from core.tasks.changing.domain import ImportReport, add_files
from core.tasks.changing.hints import HINTS
from core.tasks.changing.pairing import pair_files
from core.tasks.changing.settling import settle_doubt
from core.tasks.dataset import render_target
from core.tasks.reading.files import SUFFIXES
from core.tasks.spec import TaskSpec
from core.tasks.store import list_tasks, read_doubts, read_problems, read_rows, task_dir
from core.workspace import Project

SHOWN_ROWS = 3
MOST_NOTES = 6
MOST_CHARS = 160


class NewRows:
    """`task` is the chosen new task; `dropped` (State) holds the files of the latest drop, to read them again."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.dropped, self.outcomes, self.context = gr.State([]), gr.State(Outcomes()), context
        with gr.Row(elem_id="grow-bring"):
            given = {"label": Key("grow.drop"), "file_count": "multiple", "file_types": list(SUFFIXES)}
            self.drop = words(gr.File, **given, elem_id="grow-files", height=150, min_width=260)
            given = {"label": Key("grow.paste"), "placeholder": "", "lines": 5, "max_lines": 8, "min_width": 260}
            self.pasted = words(gr.Textbox, **given, elem_id="grow-paste")
        self.report = gr.HTML(elem_id="grow-report")
        label, hint = Key("grow.task"), Key("grow.task_help")
        self.task = words(gr.Dropdown, label=label, info=hint, choices=[], elem_id="grow-task", visible=False)
        self.doubts, self.about = buttons_in("grow-doubts"), gr.HTML(elem_id="grow-about")
        self._wire(context)

    def _wire(self, context: Context) -> None:
        selection, quiet = context.selection, {"show_progress": "hidden"}
        seen, self.lasting = [self.doubts, self.about], [self.report, self.dropped, self.drop, self.pasted]
        taken = [selection, self.drop, self.dropped, self.report, self.task, *seen]
        making = Making(self.take_files, (*self.lasting,))
        wire_making(context, self.drop.upload, making, ([self.drop], taken), self.outcomes)
        context.on(self.task.change, self.show_task, [selection, self.task], seen, **quiet)
        settling, asked = Making(self.settle), [self.task, self.dropped]
        wire_making(context, self.doubts.click, settling, (asked, [selection, *seen]), self.outcomes)
        context.on_selection(self.draw_told, [self.report, self.dropped], [self.outcomes])
        kept = {"kept": [self.drop, self.pasted], "subject": lambda seen: seen.project_id}
        context.on_selection(self.draw_fields, [self.drop, self.pasted], **kept)
        context.on_selection(self.draw, [self.task, *seen], [self.task])

    def wire_pasted(self, trigger: Any) -> Any:
        """What the start button does first: pasted rows become a task. -> the event after which it may start."""
        shown = [self.dropped, self.report, self.task, self.doubts, self.about, self.pasted]
        making, outputs = (
            Making(self.take_pasted, (*self.lasting,), leads_on=True),
            [self.context.selection, *shown],
        )
        return wire_making(self.context, trigger, making, ([self.pasted], outputs), self.outcomes)

    def draw_told(self, _: Context, selection: Selection, outcomes: Outcomes) -> Shown:
        """What became of the files that were brought to the open project."""
        return told_again(outcomes, selection, ((self.report, ""), (self.dropped, [])))

    def draw_fields(self, context: Context, selection: Selection) -> Shown:
        is_open = context.project(selection) is not None
        return {self.drop: gr.update(value=None, visible=is_open), self.pasted: gr.update(visible=is_open)}

    def draw(self, context: Context, selection: Selection, task: str | None) -> Shown:
        """The project's tasks that the run does not know yet; the chosen one as it was read."""
        names = new_names(context, selection)
        value = task if task in names else names[-1] if names else None
        chosen = gr.update(choices=names, value=value, visible=bool(names))
        return {self.task: chosen, **self.show_task(context, selection, value)}

    def show_task(self, context: Context, selection: Selection, task: str | None) -> Shown:
        """Open questions about the file, and its first rows as the model will read them."""
        spec = find_new(context, selection, task)
        if spec is None:
            return {self.doubts: "", self.about: ""}
        project = context.require_project(selection)
        questions = doubts_view(read_doubts(project, spec.task_id))
        return {self.doubts: questions, self.about: about_view(project, spec)}

    def take_files(self, context: Context, selection: Selection, paths: list[str] | None) -> Shown:
        """Dropped files become tasks of the project; a file that cannot be read is named with its reason."""
        require_shared_space(context, selection)
        project = context.require_project(selection)
        note_uploads(project, paths or [])
        shown, _ = self._bring(context, selection, list(paths or []))
        return {**shown, self.drop: None}

    def take_pasted(self, context: Context, selection: Selection, text: str | None) -> Shown:
        """Pasted rows become a task of the project, and the field is emptied; nothing without any.

        Raises:
            TaskFileError: they cannot be read.
        """
        if not (text or "").strip():
            return gr.skip()
        require_shared_space(context, selection)
        path = write_pasted(str(text), new_upload_folder(context.require_project(selection)))
        shown, done = self._bring(context, selection, [str(path)])
        for _, problem in done.failed:
            raise TaskFileError(problem.key, **problem.values)
        return {**shown, self.pasted: ""}

    def _bring(self, context: Context, selection: Selection, paths: list[str]) -> tuple[Shown, ImportReport]:
        """Files as tasks of the project, the first one chosen. One that is called an exam and came alone is the
        whole task here, which is said."""
        alone = [item.path.name for item in pair_files([Path(path) for path in paths]).lone]
        done = add_files(context.require_project(selection), paths, alone=alone)
        items: list[tuple[str, ...]] = [("bad", word_problem(problem), problem.raw) for _, problem in done.failed]
        items += [("info", say("grow.alone", file=name)) for name in alone]
        if done.added:
            items.insert(0, ("ok", say("tasks.added", names=listing(task.name for task in done.added))))
        files = [path for path in paths if Path(path).name.lower() != HINTS]
        shown: Shown = {self.report: bullets(items), self.dropped: files}
        if done.added:
            touched = selection.touched()
            shown |= {context.selection: touched, **self.draw(context, touched, done.added[0].name)}
        return shown, done

    def settle(
        self, context: Context, selection: Selection, task: str | None, dropped: list[str], event: gr.EventData
    ) -> Shown:
        """Keeps the reading of the new task, or takes the other one: then the file is read again."""
        spec = find_new(context, selection, task)
        if spec is None:
            return gr.skip()
        require_shared_space(context, selection)
        project = context.require_project(selection)
        doubts, number = read_doubts(project, spec.task_id), int(event.id)
        if number < len(doubts):  # else answered meanwhile, in another window
            path = next((path for path in dropped if Path(path).name == spec.source.file), "")
            settle_doubt(project, spec.task_id, doubts[number], event.act == "other", path, dropped)
        touched = selection.touched()
        return {context.selection: touched, **self.show_task(context, touched, task)}


def new_names(context: Context, selection: Selection) -> list[str]:
    """Tasks of the project that the chosen run does not know, oldest first."""
    run_dir, project = context.trained_run(selection), context.project(selection)
    if run_dir is None or project is None:
        return []
    known = {spec.name for spec in RunFolder(run_dir).read_tasks()}
    return [spec.name for spec in list_tasks(project) if spec.name not in known]


def find_new(context: Context, selection: Selection, name: str | None) -> TaskSpec | None:
    project = context.project(selection)
    return next((spec for spec in list_tasks(project) if spec.name == name), None) if project else None


def require_settled(context: Context, selection: Selection, name: str) -> None:
    """Raises RunError while it is in question how the new task's file is meant."""
    spec = find_new(context, selection, name)
    if spec is not None and read_doubts(context.require_project(selection), spec.task_id):
        raise RunError("insight.doubts_open", task=spec.name)


def about_view(project: Project, spec: TaskSpec) -> str:
    """The first rows as inputs and answer, how many practise and how many examine, what was noticed in the file."""
    sizes = {"practice": spec.num_train, "check": spec.num_validation, "exam": spec.num_test}
    counts = {name: word_count(size) for name, size in sizes.items()}
    rows = [row for _, row in islice(read_rows(task_dir(project, spec.task_id), "train"), SHOWN_ROWS)]
    cells = [
        [esc(_short(input_text(row.get(name)))) for name in spec.inputs]
        + [f"<b>{esc(_short(render_target(spec, row)))}</b>"]
        for row in rows
    ]
    heads = [*spec.inputs, say("grow.answer", column=listing(spec.targets))]
    problems = read_problems(project, spec.task_id)[:MOST_NOTES]
    noted = [("info" if p.severity == "note" else "warn", word_problem(p), p.raw) for p in problems]
    return note(say("grow.about", task=spec.name, **counts)) + table(heads, cells) + bullets(noted)


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARS else text[:MOST_CHARS].rstrip() + " …"
