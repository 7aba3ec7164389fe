"""Which tasks the pictures show, where there are too many for one picture: a search, or groups of alike tasks."""

from __future__ import annotations

import gradio as gr
import pandas as pd

from app.drawing.markup import note
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation, find_evidence
from app.texts import say
from app.texts.words import Key
from core.insight.allocation import task_similarity
from core.insight.evidence import borrowed_similarity
from core.insight.task_groups import MOST_ROWS, View, cut_view, group_tasks, view_tasks, whole

ALL = "all groups"


class ViewPanel:
    """Two fields that nobody sees while the tasks are few."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.said = gr.HTML(elem_id="skills-view-says")
        with gr.Row(visible=False) as self.row:
            given = {"label": Key("skills.group"), "choices": [], "value": None, "min_width": 240}
            self.group = words(gr.Dropdown, **given, elem_id="skills-group", interactive=True)
            given = {"label": Key("skills.search"), "max_lines": 1, "min_width": 240}
            self.search = words(gr.Textbox, **given, elem_id="skills-search")
        context.on_selection(self.draw, [self.row, self.group, self.search], [self.group])
        context.on_selection(self.draw_count, self.said, self.fields)
        for field in self.fields:
            context.on(
                field.change, self.draw_count, [context.selection, *self.fields], self.said, show_progress="hidden"
            )

    @property
    def fields(self) -> list[gr.components.Component]:
        return [self.group, self.search]

    def draw(self, context: Context, selection: Selection, group: str | None) -> Shown:
        similarity = find_likeness(context, selection)
        many = similarity is not None and len(similarity) > MOST_ROWS
        if similarity is None or not many:
            return {self.row: gr.update(visible=False), self.group: gr.update(value=None), self.search: ""}
        names = list(group_tasks(similarity))
        chosen = group if group in names else ALL
        choices = [(say("skills.all_groups", n=len(names)), ALL), *((name, name) for name in names)]
        return {
            self.row: gr.update(visible=True),
            self.group: gr.update(choices=choices, value=chosen),
            self.search: gr.skip(),
        }

    def draw_count(self, context: Context, selection: Selection, group: str | None, search: str) -> str:
        """How many rows are shown of how many; nothing while all are."""
        similarity = find_likeness(context, selection)
        if similarity is None or len(similarity) <= MOST_ROWS:
            return ""
        view = view_tasks(similarity, group or "", search or "")
        if not view:
            return note(say("skills.view_none", text=search))
        shown, tasks = cut_view(view), len(similarity)
        if any(len(members) > 1 for members in shown.values()):
            return note(say("skills.view_groups", tasks=tasks, groups=len(shown)))
        return note(say("skills.view_some", shown=len(shown), found=len(view), tasks=tasks))


def find_likeness(context: Context, selection: Selection) -> pd.DataFrame | None:
    """How alike the tasks are: as measured, else by their rows of the allocation; None before there is one."""
    found, allocation = find_evidence(context, selection), find_allocation(context, selection)
    if found is not None and found.borrowed.value.notna().to_numpy().any():
        return whole(borrowed_similarity(found))
    return None if allocation is None else task_similarity(allocation, centred=True)


def find_view(context: Context, selection: Selection, group: str | None, search: str | None) -> View:
    """The rows that the pictures show; one a task while they are few."""
    similarity = find_likeness(context, selection)
    if similarity is None:
        return {}
    found = view_tasks(similarity, group or "", search if len(similarity) > MOST_ROWS and search else "")
    return cut_view(found)
