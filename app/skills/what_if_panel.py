"""What if the chosen task mixed its skills otherwise? Asked in a process of its own; a change can be kept as a run.

Below it the same idea for the next run: tasks that shall be kept apart, or have one mixture; a skill to keep.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from app.drawing.markup import esc, note, paragraphs, table
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, run_place
from app.shell.outcomes import Outcomes, Slow, wire_slow
from app.shell.redraw import Shown
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation
from app.texts import listing, say, word_sentence, word_skills
from app.texts.words import Key
from core.adapters.registry import METHODS
from core.adapters.skill import COMMON, PRIVATE
from core.adapters.wishes import FROZEN, pairs_text, read_pairs
from core.insight.change_table import describe_change_of_task
from core.runs.folder import RunFolder
from core.runs.frozen import read_frozen
from core.runs.skill_names import own_name, read_names
from core.tasks.dataset import load_saved_tasks
from core.training.wishes import FIELDS, FREEZE

MOST_SLIDERS = 8  # common skills with a slider; more are reached by the command line
LONGEST = 300
OWN_ROW = ""


class WhatIfPanel:
    """`task`: the field with the chosen task."""

    def __init__(self, context: Context, task: Any) -> None:
        words, self.task = context.words, task
        with words(gr.Accordion, label=Key("what_if.title"), open=False, elem_id="skills-what-if") as self.body:
            self.about = gr.HTML()
            with gr.Row():
                self.sliders = [_slider(f"what-if-{i}") for i in range(MOST_SLIDERS)]
                self.own = _slider("what-if-own")
            with gr.Row():
                given = {"choices": [], "min_width": 220}
                self.row_of = words(gr.Dropdown, label=Key("what_if.row_of"), **given, elem_id="what-if-row")
                given = {"minimum": 10, "maximum": 200, "step": 10, "value": 30, "min_width": 220}
                self.rows = words(gr.Slider, label=Key("what_if.rows"), **given, elem_id="what-if-rows")
            self.question = words(gr.Textbox, label=Key("what_if.question"), lines=2, elem_id="what-if-question")
            self.ask_button = words(gr.Button, Key("what_if.ask"), elem_id="what-if-ask", variant="primary")
            self.said = gr.HTML(elem_id="what-if-says")
            self.name = words(gr.Textbox, label=Key("what_if.name"), max_lines=1, elem_id="what-if-name")
            JobPanel(context, JobSpec("what-if", keep_words, run_place), [*self.fields, self.name], "what_if.keep")
            self._build_wishes(context)
        self._wire(context)

    def _build_wishes(self, context: Context) -> None:
        words = context.words
        self.wish_about = gr.HTML()
        with gr.Row():
            given = {"choices": [], "min_width": 220}
            self.other = words(gr.Dropdown, label=Key("wish.other"), **given, elem_id="wish-other")
            self.apart = words(gr.Button, Key("wish.apart"), elem_id="wish-apart", min_width=180)
            self.bound = words(gr.Button, Key("wish.bound"), elem_id="wish-bound", min_width=180)
        self.freeze_about = gr.HTML()
        with gr.Row():
            self.skill = words(gr.Dropdown, label=Key("wish.skill"), **given, elem_id="wish-skill")
            self.freeze = words(gr.Button, Key("wish.freeze"), elem_id="wish-freeze", min_width=180)

    @property
    def fields(self) -> list[Any]:
        return [self.task, self.row_of, self.rows, self.question, self.own, *self.sliders]

    def _wire(self, context: Context) -> None:
        selection = context.selection
        drawn = [
            self.body,
            self.about,
            self.wish_about,
            self.own,
            *self.sliders,
            self.row_of,
            self.other,
            self.question,
        ]
        drawn += [self.apart, self.bound, self.said, self.freeze_about, self.skill, self.freeze]
        slow, alone = Slow(self.ask, about_task, fields=(self.task,)), {"concurrency_limit": 1}
        alone["concurrency_id"] = "look"
        outcomes = wire_slow(context, self.ask_button.click, slow, self.fields[1:], self.said, **alone)
        context.on_selection(self.draw, drawn, [self.task, outcomes])
        changed = [selection, self.task, outcomes]
        context.on(self.task.change, self.draw, changed, drawn, show_progress="hidden")
        opened = [context.selection, context.tabs]
        for kind, button in (("apart", self.apart), ("bound", self.bound)):
            wished = partial(wish, kind=kind)
            context.on(button.click, wished, [selection, self.task, self.other], opened, show_progress="hidden")
        context.on(self.freeze.click, freeze_skill, [selection, self.skill], opened, show_progress="hidden")

    def draw(self, context: Context, selection: Selection, task: str | None, outcomes: Outcomes) -> Shown:
        """A slider for each skill of the task, at what it was trained to; what a method cannot is not offered. What
        was asked last of this task of this run stays, and says what it was."""
        allocation, run_dir = find_allocation(context, selection), context.trained_run(selection)
        ready = allocation is not None and run_dir is not None and task in allocation.tasks
        common = [s.name for s in allocation.skills if s.kind == COMMON] if allocation and ready else []
        private = bool(allocation and ready and any(s.kind == PRIVATE for s in allocation.skills))
        others = [name for name in allocation.tasks if name != task] if allocation and ready else []
        method = METHODS.get(RunFolder(run_dir).read_config().method) if run_dir and ready else None
        shown: Shown = {
            self.body: gr.update(visible=allocation is None or not allocation.is_lone),
            self.about: note(say("what_if.note", task=task or "")),
            self.wish_about: note(say("wish.note", task=task or "")),
            self.own: gr.update(label=say("skills.own_skills"), visible=private, value=1),
            self.row_of: gr.update(choices=[(say("what_if.own_row"), OWN_ROW), *others], value=OWN_ROW),
            self.other: gr.update(choices=others, value=others[0] if others else None),
            self.question: gr.update(visible=_has_one_input(context, selection, task)),
            self.apart: gr.update(interactive=bool(others and method and "apart" in method.wishes)),
            self.bound: gr.update(interactive=bool(others and method and "bound" in method.wishes)),
            **self._freezable(common if method and FROZEN in method.wishes else []),
            self.said: outcomes.of(about_task(context, selection, task)) or "",
        }
        for i, slider in enumerate(self.sliders):
            here = i < len(common)
            shown[slider] = gr.update(label=word_skills(common[i]) if here else "", visible=here, value=1)
        return shown

    def _freezable(self, common: list[str]) -> Shown:
        choices = [(word_skills(name), name) for name in common]
        return {
            self.freeze_about: note(say("wish.freeze_note")),
            self.skill: gr.update(choices=choices, value=common[0] if common else None),
            self.freeze: gr.update(interactive=bool(common)),
        }

    def ask(self, context: Context, selection: Selection, *values: Any) -> str:
        """Loads the run in a process of its own; some seconds on a CPU. Says what was asked: sliders move on."""
        found = run_errand(context.workspace.root, *change_words(context, selection, *values))
        changes = changes_asked(context, selection, *values)
        said = [say("what_if.asked", changes=listing(changes))] if changes else []
        said += [word_sentence(s.key, s.values) for s in describe_change_of_task(found)]
        if found["question"] is not None:
            said.append(say("what_if.answers", **found["question"]))
        return paragraphs(said) + _changed(found["changed"])


def about_task(context: Context, selection: Selection, task: str | None) -> tuple[object, ...]:
    """What an outcome is about: the task, of the run with its results, in a language."""
    return (*context.results_seen(selection), task)


def skill_factors(context: Context, selection: Selection, own: Any, factors: list[Any]) -> list[tuple[str, Any]]:
    """(skill, factor) of the sliders. Those that stand at 1 change nothing and are left out."""
    allocation = find_allocation(context, selection)
    skills = allocation.skills if allocation else ()
    common = [skill.name for skill in skills if skill.kind == COMMON]
    scale = [(name, factor) for name, factor in zip(common, factors, strict=False) if factor not in (None, 1)]
    if any(skill.kind == PRIVATE for skill in skills) and own not in (None, 1):
        scale.append((PRIVATE, own))
    return scale


def changes_asked(context: Context, selection: Selection, *values: Any) -> list[str]:
    """What the fields of the panel change, for people; nothing where all stands as it was trained."""
    _, row_of, _, _, own, *factors = values
    named = {PRIVATE: say("skills.own_skills")}
    scale = skill_factors(context, selection, own, factors)
    said = [f"{named.get(name) or word_skills(name)} × {factor:g}" for name, factor in scale]
    return said + ([say("what_if.asked_row", task=row_of)] if row_of else [])


def change_words(context: Context, selection: Selection, *values: Any) -> list[str]:
    """The command for the fields of the panel."""
    task, row_of, rows, question, own, *factors = values
    run_dir, allocation = context.trained_run(selection), find_allocation(context, selection)
    if run_dir is None or allocation is None:
        raise gr.Error(say("skills.none_text"), title=say("error.title"))
    words = ["what-if", run_dir.name, f"--task={task}", f"--rows={int(rows or 0)}"]
    scale = skill_factors(context, selection, own, factors)
    words += [f"--skill={name}={factor}" for name, factor in scale]
    words += [f"--row-of={row_of}"] if row_of else []
    column = _one_input(context, selection, task)
    return [*words, *([f"--input={column}={question}"] if question and column else [])]


def keep_words(context: Context, selection: Selection, *values: Any) -> list[str]:
    """As asked, and kept under the name that stands there."""
    *fields, name = values
    given = (name or "").strip() or say("what_if.default_name", task=fields[0])
    return [*change_words(context, selection, *fields), f"--keep={given}"]


def wish(context: Context, selection: Selection, task: str | None, other: str | None, *, kind: str) -> Shown:
    """The next run's settings, laid over those of the chosen run; Train opens with them. What the run wished of the
    same two tasks before is taken back: they cannot be apart and bound."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not task or not other:
        return {context.selection: gr.skip(), context.tabs: gr.skip()}
    config, changes = RunFolder(run_dir).read_config(), dict[str, str]()
    for one, field in FIELDS.items():
        known = read_pairs(getattr(config, field))
        pairs = [pair for pair in known if len(pair) == 2 and set(pair) != {task, other}]
        if one == kind or len(pairs) < len(known):
            added = [(task, other)] if one == kind else []
            changes[field] = pairs_text([(first, second) for first, second in [*pairs, *added]])
    return context.go_to(selection, "train", changes=changes, of_run=True)


def freeze_skill(context: Context, selection: Selection, skill: str | None) -> Shown:
    """As `wish`: the skill of the chosen run is taken over by the next one, beside those it took over itself."""
    run_dir = context.trained_run(selection)
    if run_dir is None or not skill:
        return {context.selection: gr.skip(), context.tabs: gr.skip()}
    place = (run_dir.name, own_name(read_names(run_dir), skill))
    before = [(run_dir.name, one.skill) for one in read_frozen(RunFolder(run_dir))]
    changes = {FREEZE: pairs_text(dict.fromkeys([*before, place]))}
    return context.go_to(selection, "train", changes=changes, of_run=True)


def _slider(elem_id: str) -> gr.Slider:
    return gr.Slider(0, 2, value=1, step=0.1, visible=False, elem_id=elem_id, min_width=150, interactive=True)


def _one_input(context: Context, selection: Selection, task: str | None) -> str | None:
    """The input column of a task that has a single one."""
    run_dir = context.trained_run(selection)
    specs = load_saved_tasks(RunFolder(run_dir).data_dir) if run_dir else ()
    columns = next((list(spec.inputs) for spec in specs if spec.name == task), [])
    return columns[0] if len(columns) == 1 else None


def _has_one_input(context: Context, selection: Selection, task: str | None) -> bool:
    return _one_input(context, selection, task) is not None


def _changed(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return note(say("what_if.nothing_changed"))
    heads = [say(f"what_if.{name}") for name in ("text", "right", "before", "after")]
    cells = [[esc(str(row[n])[:LONGEST]) for n in ("prompt", "target", "before", "after")] for row in rows]
    return note(say("what_if.changed")) + table(heads, cells, named=True)
