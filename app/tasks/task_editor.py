"""The chosen task: roles, wording, scoring and split, and its prompts as they would be with what the fields say."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.forms import read_yaml
from app.drawing.markup import bullets, note, part
from app.shell.context import Context
from app.shell.making import Making, wire_making
from app.shell.permissions import shared_problems
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.tasks.health_panel import chosen_task
from app.tasks.task_fields import EDITED, SPLIT, edited_task, field_values
from app.tasks.task_markup import notes_view, prompts_view, reasons_view, rows_view, seen_view
from app.texts import say, word_problem
from app.texts.words import Key
from core.base.errors import ModelError, Problem, TaskloomError
from core.models.seeing import see_examples
from core.tasks.changing.add_task import check_roles
from core.tasks.changing.in_child import update_in_child
from core.tasks.changing.isolation import label_names_isolated
from core.tasks.changing.resplit import explain_roles
from core.tasks.dataset import build_example
from core.tasks.guessing.kinds import KINDS, METRICS
from core.tasks.guessing.roles import RoleGuess
from core.tasks.spec import SPLIT_METHODS, TaskSpec, read_spec
from core.tasks.store import read_problems, read_rows, remove_task, task_dir
from core.training.config import RunConfig
from core.training.plan import left_out_names

PREVIEW_ROWS = 5
SEEN_ROWS = 3
HELPED = (
    "inputs",
    "targets",
    "weight",
    "instruction",
    "template",
    "templates",
    "system",
    "method",
    "column",
    "redraw",
)


class Editor:
    """Components of the chosen task. `fields` follow EDITED; `seen` are redrawn with every keystroke."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.about = gr.HTML(elem_id="task-about")
        with gr.Row():
            self.inputs = self._field(words, "inputs", gr.Dropdown, multiselect=True, choices=[])
            self.targets = self._field(words, "targets", gr.Dropdown, multiselect=True, choices=[])
        with words(gr.Accordion, label=Key("tasks.why"), open=False, elem_id="task-why"):
            self.reasons = gr.HTML(elem_id="task-reasons")
        self.instruction = self._field(words, "instruction", gr.Textbox, lines=2, max_lines=6)
        self.first = gr.HTML(elem_id="task-rows")
        self.sees = gr.HTML(elem_id="task-sees")
        # What the Train screen plans: one count of long rows for the whole workbench.
        self.model, self.limit = gr.State(RunConfig().base_model), gr.State(RunConfig().max_tokens)
        self.left_out = gr.State([])
        with gr.Row():
            self.save = words(gr.Button, Key("tasks.save"), variant="primary", elem_id="task-save", min_width=120)
            self.undo = words(gr.Button, Key("tasks.undo"), elem_id="task-undo", min_width=120)
            self.remove = words(gr.Button, Key("tasks.remove"), elem_id="task-remove", min_width=120)
        self.saved = gr.HTML(elem_id="task-saved")
        with gr.Row(visible=False) as self.ask:
            self.yes = words(gr.Button, Key("tasks.remove_sure"), variant="stop", elem_id="task-remove-yes")
            self.no = words(gr.Button, Key("tasks.keep"))
        self._build_folds(words)

    def _build_folds(self, words: Any) -> None:
        with words(gr.Accordion, label=Key("tasks.more_settings"), open=False, elem_id="fold-wording"):
            with gr.Row():
                self.name = self._field(words, "name", gr.Textbox, max_length=80)
                metrics = [(Key(f"metric.{m}"), m) for m in METRICS]
                self.metric = self._field(words, "metric", gr.Dropdown, choices=metrics)
                kinds = [(Key(f"kind.{k}"), k) for k in KINDS]
                self.kind = self._field(words, "kind", gr.Dropdown, choices=kinds)
            self.template = self._field(words, "template", gr.Textbox, lines=3, max_lines=12)
            self.templates = self._field(words, "templates", gr.Textbox, lines=3, max_lines=16)
            self.system = self._field(words, "system", gr.Textbox, lines=1, max_lines=6)
            with gr.Row(elem_classes="bottom"):
                self.weight = self._field(words, "weight", gr.Dropdown, choices=[])
                self.codes = words(
                    gr.UploadButton, label=Key("tasks.codes"), elem_id="task-codes", size="sm", min_width=200
                )
            self.named = gr.HTML(elem_id="task-named")
        with words(gr.Accordion, label=Key("tasks.splits"), open=False, elem_id="fold-split"):
            self.exam = gr.HTML(elem_id="task-exam")
            with gr.Row():
                methods = [(Key(f"split.{m}"), m) for m in SPLIT_METHODS]
                self.method = self._field(words, "method", gr.Dropdown, choices=methods)
                self.column = self._field(words, "column", gr.Dropdown, choices=[])
                self.seed = self._field(words, "seed", gr.Number, precision=0, minimum=0)
            with gr.Row():
                shares = {"minimum": 0, "maximum": 0.5, "step": 0.01}
                self.validation = self._field(words, "validation", gr.Slider, **shares)
                self.test = self._field(words, "test", gr.Slider, **shares)
            self.redraw = self._field(words, "redraw", gr.Checkbox, value=False)

    @staticmethod
    def _field(words: Any, name: str, component: Any, **settings: Any) -> Any:
        settings["label"] = Key(f"tasks.{name}")
        if name in HELPED:
            settings["info"] = Key(f"tasks.{name}_help")
        return words(component, elem_id=f"task-{name}", interactive=True, **settings)

    @property
    def fields(self) -> list[Any]:
        return [getattr(self, name) for name in EDITED]

    @property
    def planned(self) -> list[Any]:
        """Base model, length limit, and the tasks that the next run does without."""
        return [self.model, self.limit, self.left_out]

    @property
    def seen(self) -> list[Any]:
        return [self.first, self.sees, self.save]

    def wire(self, context: Context) -> None:
        """Fields, buttons and redrawing; every change of a field shows in the prompts before it is saved."""
        selection, quiet = context.selection, {"show_progress": "hidden"}
        look, drawn = [self.model, self.limit], [self.about, self.reasons, self.named, self.exam, self.ask]
        drawn += [self.redraw, *self.fields, *self.seen]
        context.on_selection(self.draw, drawn, look)
        context.on(self.undo.click, self.draw, [selection, *look], drawn, **quiet)
        context.on(context.plan.change, self.follow_plan, [context.plan], self.planned, **quiet)
        for planned in look:
            context.on(planned.change, self.draw_preview, [selection, *look, *self.fields], self.seen, **quiet)
        shown = (self.inputs, self.targets, self.instruction, self.template, self.system)
        for field in shown:
            given = [selection, *look, *self.fields]
            context.on(field.input, self.draw_preview, given, self.seen, trigger_mode="always_last", **quiet)
        given = [selection, self.redraw, *self.fields]
        context.on(self.save.click, self.save_fields, given, [selection, self.saved])
        edited = partial(gr.on, [field.input for field in (*self.fields, self.redraw)])
        context.on(edited, lambda _: "", [], self.saved, **quiet)
        about = {"subject": lambda seen: (seen.project_id, seen.task_id, seen.language)}
        context.on_selection(lambda *_: "", [self.saved], kept=[self.saved], **about)
        wire_making(context, self.codes.upload, Making(take_codes), ([self.codes], [selection]))
        context.on(self.remove.click, lambda _: gr.update(visible=True), [], self.ask, **quiet)
        context.on(self.no.click, lambda _: gr.update(visible=False), [], self.ask, **quiet)
        context.on(self.yes.click, drop_task, [selection], selection)

    def follow_plan(self, context: Context, plan: str) -> Shown:
        """What of the plan the tasks are looked at for; what may not be run here is not looked at either."""
        config = read_yaml(plan)
        if shared_problems(context, config):
            return {}
        return dict(zip(self.planned, (config.base_model, config.max_tokens, left_out_names(config)), strict=True))

    def save_fields(self, context: Context, selection: Selection, redraw: bool, *values: Any) -> Shown:
        """Saves, and says so beside the button until something is changed or another task is chosen."""
        told = bullets([("ok", say("tasks.saved"))])
        return {context.selection: save_task(context, selection, redraw, *values), self.saved: told}

    def draw(self, context: Context, selection: Selection, model: str, limit: float | None) -> Shown:
        """The chosen task as it is saved; what was typed and not saved is forgotten."""
        spec = chosen_task(context, selection)
        if spec is None:
            blank = dict.fromkeys((self.about, self.reasons, self.named, self.exam), "")
            return {**blank, self.ask: gr.update(visible=False), self.redraw: False}
        folder = task_dir(context.require_project(selection), spec.task_id)
        named = say("tasks.named", n=len(spec.label_names)) if spec.label_names else ""
        exam = "tasks.exam_file" if spec.source.test_file else "tasks.exam_locked"
        notes = notes_view(read_problems(context.require_project(selection), spec.task_id))
        return {
            self.about: source_view(spec) + notes,
            self.reasons: reasons_view(_explained(folder, spec), spec),
            self.named: note(named) if named else "",
            self.exam: note(say(exam, n=spec.num_test, file=spec.source.test_file)),
            self.ask: gr.update(visible=False),
            self.redraw: gr.update(value=False, visible=not spec.source.test_file),
            **dict(zip(self.fields, field_values(spec), strict=True)),
            **self._preview(context, selection, spec, (model, limit)),
        }

    def draw_preview(
        self, context: Context, selection: Selection, model: str, limit: float | None, *values: Any
    ) -> Shown:
        """Rows and prompts for what the fields say now; wrong columns are explained in place."""
        spec = chosen_task(context, selection)
        if spec is None:
            return gr.skip()
        try:
            edited = edited_task(spec, values)
            if edited.template is None:  # the plan changed on Train before this screen was ever drawn
                return gr.skip()
            problems = check_roles(edited)
        except TaskloomError as error:
            problems = [Problem("task", error.key, error.values)]
        if problems:
            wrong = bullets(("bad", word_problem(p)) for p in problems)
            return {self.sees: part(say("tasks.sees")) + wrong, self.save: gr.update(interactive=False)}
        return self._preview(context, selection, edited, (model, limit))

    def _preview(
        self, context: Context, selection: Selection, spec: TaskSpec, look: tuple[str, float | None]
    ) -> Shown:
        """First rows, prompts as the base model sees them, a usable Save button."""
        folder = task_dir(context.require_project(selection), spec.task_id)
        rows = list(islice(read_rows(folder, "train"), PREVIEW_ROWS))
        model, limit = look[0], int(look[1] or 512)
        examples = [e for line, row in rows if (e := build_example(spec, row, line, "train")) is not None]
        try:
            prompts = seen_view(see_examples(model, examples[:SEEN_ROWS], limit))
        except ModelError:
            prompts = prompts_view(examples[:SEEN_ROWS])
        return {self.first: rows_view(spec, rows), self.sees: prompts, self.save: gr.update(interactive=True)}


def source_view(spec: TaskSpec) -> str:
    """Name, file, licence and citation."""
    source = say("tasks.source", file=spec.source.file, format=spec.source.format, encoding=spec.source.encoding)
    listed = (source, spec.source.licence, spec.source.citation)
    return part(spec.name) + note(" · ".join(said for said in listed if said))


@lru_cache(maxsize=64)
def _explained_once(folder: Path, _: int, spec: str) -> RoleGuess | None:
    return explain_roles(folder, read_spec(folder))


def _explained(folder: Path, spec: TaskSpec) -> RoleGuess | None:
    """The reasons of the guess; kept, since a page asks with every click."""
    return _explained_once(folder, spec.version, spec.task_id)


def save_task(context: Context, selection: Selection, redraw: bool, *values: Any) -> Selection:
    """Writes what differs from the saved task, as a version of it."""
    project, spec = context.require_project(selection), chosen_task(context, selection)
    if spec is not None:
        edited = edited_task(spec, values)
        names = (*(n for n in EDITED if n not in SPLIT), "split")
        changes = {name: getattr(edited, name) for name in names if getattr(edited, name) != getattr(spec, name)}
        if spec.template == edited.template and {"inputs"} & set(changes):
            changes.pop("template", None)
        if changes or redraw:
            update_in_child(project, spec.task_id, changes | ({"split": edited.split} if redraw else {}), redraw)
    return selection.touched()


def take_codes(context: Context, selection: Selection, path: str | None) -> Selection:
    """Names of label codes from a second file."""
    spec = chosen_task(context, selection)
    if spec is not None and path:
        update_in_child(
            context.require_project(selection), spec.task_id, {"label_names": label_names_isolated(path)}
        )
    return selection.touched()


def drop_task(context: Context, selection: Selection) -> Selection:
    """Removes the chosen task from the project; runs keep their own copy of its rows."""
    spec = chosen_task(context, selection)
    if spec is not None:
        remove_task(context.require_project(selection), spec.task_id)
    return selection.with_task("")
