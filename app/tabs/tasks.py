"""Tasks: drop files, see what the model will really read, change columns, wording and scoring."""

from __future__ import annotations

import dataclasses
from itertools import islice
from typing import Any

import gradio as gr

from app.context import Context
from app.durations import word_count
from app.health_panel import HealthPanel, chosen_task
from app.markup import bullets, empty, note, part
from app.selection import Selection
from app.sharing_rules import require_shared_space
from app.task_markup import notes_view, prompts_view, rows_view
from app.temporary import note_uploads
from app.texts import say, word_problem
from app.widgets import card, cards
from app.words import Key
from core.errors import Problem, TaskloomError
from core.tasks.domain import add_files
from core.tasks.files import SUFFIXES
from core.tasks.importing import check_roles, list_tasks, read_problems, remove_task, update_task
from core.tasks.kinds import KINDS, METRICS
from core.tasks.spec import TaskSpec
from core.tasks.store import read_rows, task_dir

TITLE = "tab.tasks"
PREVIEW_ROWS = 5
EDITED = ("name", "inputs", "targets", "instruction", "template", "metric", "kind", "validation", "test")


class Editor:
    """The chosen task's fields, its first rows and prompts as they would be with what the fields say now."""

    def __init__(self, context: Context) -> None:
        words = context.words
        with gr.Column(visible=False) as self.body:
            self.about = gr.HTML(elem_id="task-about")
            with gr.Row():
                self.inputs = self._field(words, "inputs", gr.Dropdown, multiselect=True, choices=[])
                self.targets = self._field(words, "targets", gr.Dropdown, multiselect=True, choices=[])
            self.instruction = self._field(words, "instruction", gr.Textbox, lines=2, max_lines=6)
            self.sees = gr.HTML(elem_id="task-sees")
            with gr.Row():
                self.save = words(
                    gr.Button, Key("tasks.save"), variant="primary", elem_id="task-save", min_width=120
                )
                self.undo = words(gr.Button, Key("tasks.undo"), elem_id="task-undo", min_width=120)
                self.remove = words(gr.Button, Key("tasks.remove"), elem_id="task-remove", min_width=120)
            with gr.Row(visible=False) as self.ask:
                self.yes = words(gr.Button, Key("tasks.remove_sure"), variant="stop", elem_id="task-remove-yes")
                self.no = words(gr.Button, Key("tasks.keep"))
            with words(gr.Accordion, label=Key("tasks.more_settings"), open=False):
                with gr.Row():
                    self.name = self._field(words, "name", gr.Textbox, max_length=80)
                    self.metric = self._field(
                        words, "metric", gr.Dropdown, choices=[(Key(f"metric.{m}"), m) for m in METRICS]
                    )
                    self.kind = self._field(
                        words, "kind", gr.Dropdown, choices=[(Key(f"kind.{k}"), k) for k in KINDS]
                    )
                self.template = self._field(words, "template", gr.Textbox, lines=3, max_lines=12)
                with gr.Row():
                    self.validation = self._field(words, "validation", gr.Slider, minimum=0, maximum=0.5, step=0.01)
                    self.test = self._field(words, "test", gr.Slider, minimum=0, maximum=0.5, step=0.01)
            with words(gr.Accordion, label=Key("tasks.rows"), open=True):
                self.rows = gr.HTML(elem_id="task-rows")
            HealthPanel(context)
            self.notes = gr.HTML(elem_id="task-notes")

    @staticmethod
    def _field(words: Any, name: str, component: Any, **settings: Any) -> Any:
        settings["label"] = Key(f"tasks.{name}")
        if name in ("targets", "instruction", "template"):
            settings["info"] = Key(f"tasks.{name}_help")
        return words(component, elem_id=f"task-{name}", interactive=True, **settings)

    @property
    def fields(self) -> list[Any]:
        return [getattr(self, name) for name in EDITED]

    @property
    def drawn(self) -> list[Any]:
        return [self.body, self.about, self.notes, self.ask, *self.fields, self.rows, self.sees, self.save]


def build(context: Context) -> None:
    """Files and the list of tasks on the left, the chosen task on the right."""
    words, selection = context.words, context.selection
    intro = gr.HTML()
    with gr.Row():
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
            listed = cards("task-cards", "rows")
        with gr.Column(scale=7, min_width=320):
            editor = Editor(context)
    context.on(drop.upload, take_files, [selection, drop], [selection, drop, report], show_progress="full")
    context.on(listed.click, choose_task, [selection], selection, show_progress="hidden")
    context.on_selection(draw_list, [intro, drop, listed])
    context.on_selection(draw_task, editor.drawn)
    context.on(editor.undo.click, draw_task, [selection], editor.drawn, show_progress="hidden")
    seen = [editor.rows, editor.sees, editor.save]
    for field in (editor.inputs, editor.targets, editor.instruction, editor.template):
        context.on(
            field.input,
            draw_preview,
            [selection, *editor.fields],
            seen,
            show_progress="hidden",
            trigger_mode="always_last",
        )
    context.on(editor.save.click, save_task, [selection, *editor.fields], selection)
    context.on(editor.remove.click, lambda _: gr.update(visible=True), [], editor.ask, show_progress="hidden")
    context.on(editor.no.click, lambda _: gr.update(visible=False), [], editor.ask, show_progress="hidden")
    context.on(editor.yes.click, drop_task, [selection], selection)


def take_files(context: Context, selection: Selection, paths: list[str] | None) -> tuple[Selection, Any, str]:
    """Adds the dropped files; a file that cannot be read is named with its reason and disturbs no other."""
    language = selection.language
    project = context.project(selection)
    if project is None:
        raise gr.Error(say(language, "tasks.need_project"), title=say(language, "error.title"))
    require_shared_space(context, selection)
    note_uploads(project, paths or [])
    done = add_files(project, list(paths or []))
    items = [("bad", f"{file}: {word_problem(language, problem)}") for file, problem in done.failed]
    if done.added:
        names = ", ".join(task.name for task in done.added)
        items.insert(0, ("ok", say(language, "tasks.added", names=names)))
    chosen = selection.with_task(done.added[0].task_id) if done.added else selection
    return chosen, None, bullets(items)


def choose_task(context: Context, selection: Selection, event: gr.EventData) -> Selection:
    return selection.with_task(str(event.id))


def draw_list(context: Context, selection: Selection) -> tuple[str, Any, list[Any]]:
    """-> introduction, the file field (only with an open project), one card a task."""
    language, project = selection.language, context.project(selection)
    if project is None:
        return (
            empty(say(language, "tasks.none_title"), say(language, "tasks.need_project")),
            gr.update(visible=False),
            [],
        )
    specs, current = list_tasks(project), chosen_task(context, selection)
    shown = [
        card(
            spec.task_id,
            spec.name,
            active=spec == current,
            meta=say(
                language,
                "tasks.card",
                kind=say(language, f"kind.{spec.kind}"),
                metric=say(language, f"metric.{spec.metric}"),
                train=word_count(spec.num_train),
                check=word_count(spec.num_validation),
                exam=word_count(spec.num_test),
            ),
        )
        for spec in specs
    ]
    hint = "" if specs else empty(say(language, "tasks.none_title"), say(language, "tasks.none_text"))
    return note(say(language, "tasks.lead")) + hint, gr.update(visible=True), shown


def draw_task(context: Context, selection: Selection) -> list[Any]:
    """The chosen task as it is saved; what was typed and not saved is forgotten."""
    language, spec = selection.language, chosen_task(context, selection)
    if spec is None:
        return [gr.update(visible=False), "", "", gr.update(visible=False), *[gr.skip()] * (len(EDITED) + 3)]
    source = say(
        language, "tasks.source", file=spec.source.file, format=spec.source.format, encoding=spec.source.encoding
    )
    about = part(spec.name) + note(" · ".join(p for p in (source, spec.source.licence, spec.source.citation) if p))
    own_exam = not spec.source.test_file
    fields = [
        spec.name,
        gr.update(choices=list(spec.columns), value=list(spec.inputs)),
        gr.update(choices=list(spec.columns), value=list(spec.targets)),
        spec.instruction,
        spec.template,
        spec.metric,
        spec.kind,
        spec.split.validation,
        gr.update(value=spec.split.test, visible=own_exam),
    ]
    notes = read_problems(context.require_project(selection), spec.task_id)
    return [
        gr.update(visible=True),
        about,
        notes_view(notes, language),
        gr.update(visible=False),
        *fields,
        *_preview(context, selection, spec),
    ]


def draw_preview(context: Context, selection: Selection, *values: Any) -> list[Any]:
    """-> rows, prompts and Save button for what the fields say now; wrong columns are explained in place."""
    spec = chosen_task(context, selection)
    if spec is None:
        return [gr.skip()] * 3
    try:
        edited = _edited(spec, values)
        problems = check_roles(edited)
    except TaskloomError as error:
        problems = [Problem("task", error.key, error.values)]
    if problems:
        wrong = bullets(("bad", word_problem(selection.language, p)) for p in problems)
        return [gr.skip(), part(say(selection.language, "tasks.sees")) + wrong, gr.update(interactive=False)]
    return _preview(context, selection, edited)


def save_task(context: Context, selection: Selection, *values: Any) -> Selection:
    """Writes what differs from the saved task."""
    project, spec = context.require_project(selection), chosen_task(context, selection)
    if spec is not None:
        edited = _edited(spec, values)
        names = ("name", "inputs", "targets", "instruction", "template", "metric", "kind", "split")
        changes = {name: getattr(edited, name) for name in names if getattr(edited, name) != getattr(spec, name)}
        if spec.template == edited.template and {"inputs"} & set(changes):
            changes.pop("template", None)
        if changes:
            update_task(project, spec.task_id, changes)
        gr.Info(say(selection.language, "tasks.saved"), duration=3)
    return selection.touched()


def drop_task(context: Context, selection: Selection) -> Selection:
    """Removes the chosen task from the project; runs keep their own copy of its rows."""
    spec = chosen_task(context, selection)
    if spec is not None:
        remove_task(context.require_project(selection), spec.task_id)
    return selection.with_task("")


def _edited(spec: TaskSpec, values: tuple[Any, ...]) -> TaskSpec:
    given = dict(zip(EDITED, values, strict=True))
    split = dataclasses.replace(spec.split, validation=given.pop("validation"), test=given.pop("test"))
    given |= {name: tuple(given[name] or ()) for name in ("inputs", "targets")}
    return dataclasses.replace(spec, split=split, **given)


def _preview(context: Context, selection: Selection, spec: TaskSpec) -> list[Any]:
    """-> first rows, prompts, a usable Save button."""
    folder = task_dir(context.require_project(selection), spec.task_id)
    rows = list(islice(read_rows(folder, "train"), PREVIEW_ROWS))
    return [rows_view(spec, rows), prompts_view(spec, rows, selection.language), gr.update(interactive=True)]
