"""One chosen task and skill, by a click on a picture or by two fields: the check rows whose answers it changes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.markup import esc, note, paragraphs, part, table
from app.shell.context import Context
from app.shell.making import Making, wire_making
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation, find_evidence
from app.texts import say, word_skills
from app.texts.words import Key
from core.adapters.skill import COMMON, PRIVATE
from core.insight.allocation import Allocation
from core.insight.evidence import Change, Evidence, percent
from core.insight.evidence_rows import ChangedRow, both_ends, changed_rows
from core.insight.skill_drafts import write_drafts
from core.runs.skill_names import LONGEST as LONGEST_NAME
from core.runs.skill_names import name_skill, own_name, read_drafts, read_given, read_names

ROW = "row:"  # before the name of the task whose row is borrowed
LONGEST = 300  # letters of a text in the table


class RowsPanel:
    """`task` and `skill` are the one selection of this screen; other panels read them."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.head = gr.HTML()
        with gr.Row():
            given = {"choices": [], "min_width": 220}
            self.task = words(gr.Dropdown, label=Key("skills.pick_task"), **given, elem_id="skills-task")
            self.skill = words(gr.Dropdown, label=Key("skills.pick_skill"), **given, elem_id="skills-skill")
        self.said = gr.HTML(elem_id="skills-rows")
        with gr.Row() as self.naming:
            given = {"max_lines": 1, "min_width": 220, "elem_id": "skills-name"}
            self.name = words(gr.Textbox, label=Key("skills.name"), info=Key("skills.name_help"), **given)
            self.save = words(gr.Button, Key("skills.name_save"), elem_id="skills-name-save", min_width=160)
            self.draft = words(gr.Button, Key("skills.name_draft"), elem_id="skills-name-draft", min_width=160)
        context.on(self.save.click, self.rename, [context.selection, self.skill, self.name], context.selection)
        wire_making(context, self.draft.click, Making(self.draft_names), ([], [context.selection]))
        context.on(
            self.skill.change, self.fill_name, [context.selection, self.skill], self.name, show_progress="hidden"
        )
        fields, quiet = [self.task, self.skill], {"show_progress": "hidden", "trigger_mode": "always_last"}
        context.on_selection(self.draw_choice, [self.head, *fields, self.naming], fields)
        context.on_selection(self.draw, self.said, fields)
        for field in fields:
            context.on(field.change, self.draw, [context.selection, *fields], self.said, **quiet)

    def follow(self, context: Context, *plots: Any) -> None:
        """A click on a cell of these plots chooses its task and skill."""
        fields = [self.task, self.skill]
        for shown in plots:
            context.on(shown.click, self.choose, [context.selection], fields, show_progress="hidden")

    def choose(self, context: Context, selection: Selection, event: gr.EventData) -> Shown:
        allocation = find_allocation(context, selection)
        task, skill = str(event.row), str(event.column)
        if allocation is None or task not in allocation.tasks:  # a group of tasks
            return {self.task: gr.skip(), self.skill: gr.skip()}
        known = {value for _, value in _choices(allocation, task)}
        return {
            self.task: task,
            self.skill: gr.update(choices=_choices(allocation, task), value=skill if skill in known else COMMON),
        }

    def rename(self, context: Context, selection: Selection, skill: str | None, name: str | None) -> Selection:
        """Gives the chosen common skill a name, or its own one again."""
        run_dir = context.run_dir(selection)
        if run_dir is None or not skill:
            return selection
        name_skill(run_dir, skill, name or "")
        return selection.touched()

    def draft_names(self, context: Context, selection: Selection) -> Selection:
        """Drafts names of all common skills anew, from the rows that they change most."""
        run_dir = context.run_dir(selection)
        if run_dir is None:
            return selection
        if not write_drafts(run_dir):
            gr.Info(say("skills.no_drafts"))
        return selection.touched()

    def fill_name(self, context: Context, selection: Selection, skill: str | None) -> str:
        """The given name, or the draft of one, to be edited."""
        run_dir = context.run_dir(selection)
        if run_dir is None or not skill:
            return ""
        place = own_name(read_names(run_dir), skill)
        return read_given(run_dir).get(place) or read_drafts(run_dir).get(place, "").replace(",", "")[:LONGEST_NAME]

    def draw_choice(self, context: Context, selection: Selection, task: str | None, skill: str | None) -> Shown:
        allocation = find_allocation(context, selection)
        if allocation is None:
            nothing = {self.task: gr.update(choices=[]), self.skill: gr.update(choices=[])}
            return {self.head: "", **nothing, self.naming: gr.update(visible=False)}
        names = list(allocation.tasks)
        chosen = task if task in names else names[0]
        choices = _choices(allocation, chosen)
        kept = skill if skill in {value for _, value in choices} else choices[0][1]
        return {
            self.head: part(say("skills.chosen_title")) + note(say("skills.chosen_note")),
            self.task: gr.update(choices=names, value=chosen),
            self.skill: gr.update(choices=choices, value=kept),
            self.naming: gr.update(visible=bool(allocation.columns(COMMON)) and not allocation.is_lone),
        }

    def draw(self, context: Context, selection: Selection, task: str | None, skill: str | None) -> str:
        """What the chosen skill does for the chosen task, and its rows, the most worsened first."""
        run_dir, found = context.run_dir(selection), find_evidence(context, selection)
        if run_dir is None or found is None or not task or not skill or task not in found.tasks:
            return ""
        name = skill.removeprefix(ROW)
        rows = changed_rows(run_dir, found, task, name, borrowed=skill.startswith(ROW))
        if rows is None:
            return note(say("skills.rows_missing" if not found.row_changes else "skills.rows_none"))
        told = _told(found, task, skill)
        return paragraphs([told] if told else []) + _table(both_ends(rows))


def _choices(allocation: Allocation, task: str) -> list[tuple[str, str]]:
    """All common skills, each of them, the task's own, and the rows of the other tasks."""
    common = [skill.name for skill in allocation.skills if skill.kind == COMMON]
    listed = [(say("skills.all_common"), COMMON)] if len(common) > 1 else []
    listed += [(word_skills(name), name) for name in common]
    if any(skill.kind == PRIVATE for skill in allocation.skills):
        listed.append((say("skills.own_skills"), PRIVATE))
    others = [name for name in allocation.tasks if name != task]
    return listed + [(say("skills.row_of", task=name), ROW + name) for name in others]


def _told(found: Evidence, task: str, skill: str) -> str:
    """The change of the whole task, and whether it may be chance."""
    name = skill.removeprefix(ROW)
    change = found.borrowed if skill.startswith(ROW) else found.kinds if name in (COMMON, PRIVATE) else found.skills
    value, low = float(change.value.loc[task, name]), float(change.low.loc[task, name])
    if low != low:
        return ""
    kind = "row" if skill.startswith(ROW) else "skill"
    shown = name if kind == "row" else _shown(name)
    side = "less" if value > 0 else "more"
    values = {"task": task, "other": shown, "percent": percent(value), "rows": int(found.rows[task])}
    sure = _is_sure(change, task, name)
    return say(f"skills.without_{kind}_{side}", **values) + say("skills.sure" if sure else "skills.maybe")


def _is_sure(change: Change, task: str, name: str) -> bool:
    return bool(change.worse.loc[task, name] or change.better.loc[task, name])


def _shown(name: str) -> str:
    return {COMMON: say("skills.all_common"), PRIVATE: say("skills.own_skills")}.get(name, word_skills(name))


def _table(rows: list[ChangedRow]) -> str:
    heads = [say(f"skills.row_{name}") for name in ("change", "text", "answer")]
    cells = [[f"{row.percent:+.1f} %", esc(_short(row.prompt)), esc(_short(row.target))] for row in rows]
    return table(heads, cells, numeric=[0], named=True)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
