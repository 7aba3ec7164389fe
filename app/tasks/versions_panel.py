"""Versions of a task: what ended each of them, what has changed since, and taking the latest change back."""

from __future__ import annotations

import time
from typing import Any

import gradio as gr

from app.drawing.durations import word_count
from app.drawing.markup import download_link, esc, note, part, table
from app.shell.context import Context
from app.shell.outcomes import Slow, wire_slow
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.tasks.health_panel import chosen_task, data_of, take_back
from app.texts import say, say_or
from app.texts.words import Key
from core.tasks.cell_text import target_text
from core.tasks.changing.fixes import FIXES
from core.tasks.changing.in_child import compare_in_child
from core.tasks.changing.versions import (
    RowDifference,
    Version,
    compare_specs,
    export_difference,
    list_versions,
    read_version,
)
from core.tasks.spec import TaskSpec
from core.tasks.store import get_task
from core.workspace import Project

MOST_ROWS = 30
MOST_CHARS = 120


class VersionsPanel:
    """A fold with the versions; comparing reads rows, so it waits for a choice."""

    def __init__(self, context: Context) -> None:
        words, selection = context.words, context.selection
        with words(gr.Accordion, label=Key("versions.title"), open=False, elem_id="task-versions"):
            self.listed = gr.HTML(elem_id="versions-list")
            given = {"size": "sm", "visible": False}
            self.undo = words(gr.Button, Key("health.undo"), **given, elem_id="versions-undo")
            given = {"label": Key("versions.since"), "choices": [], "visible": False}
            self.since = words(gr.Dropdown, **given, elem_id="versions-since")
            self.changed = gr.HTML(elem_id="versions-diff")
        context.on_selection(self.draw, [self.listed, self.undo, self.since, self.changed])
        wire_slow(context, self.since.input, Slow(draw_difference, about=data_of), [self.since], self.changed)
        context.on(self.undo.click, take_back, [selection], selection)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """The versions, those to compare with, and an empty comparison."""
        spec = chosen_task(context, selection)
        if spec is None:
            hidden = gr.update(visible=False)
            return {self.listed: "", self.undo: hidden, self.since: hidden, self.changed: ""}
        earlier = list_versions(context.require_project(selection), spec.task_id)
        rows = [_version_row(v) for v in reversed(earlier)]
        heads = [say(f"versions.{name}") for name in ("number", "ended", "rows", "when")]
        choices = [(say("versions.number_n", n=v.number), v.number) for v in reversed(earlier)]
        now = note(say("versions.now", n=spec.version))
        return {
            self.listed: now + (table(heads, rows, numeric=(0, 2)) if rows else ""),
            self.undo: gr.update(visible=bool(earlier)),
            self.since: gr.update(choices=choices, value=None, visible=bool(earlier)),
            self.changed: "",
        }


def draw_difference(context: Context, selection: Selection, number: int | None) -> str:
    """Settings and rows that differ between a version and now."""
    spec = chosen_task(context, selection)
    if spec is None or number is None:
        return ""
    project = context.require_project(selection)
    rows, count = compare_in_child(project, spec.task_id, int(number))
    shown = part(say("versions.changed", n=number, now=spec.version))
    shown += _settings(project, spec, number)
    if rows:
        heads = [say(f"versions.{name}") for name in ("line", "before", "after")]
        shown += table(heads, [_row_cells(d, spec) for d in rows[:MOST_ROWS]], numeric=(0,))
        shown += note(say("versions.count", n=word_count(count)))
        text = export_difference(rows)
        shown += download_link(f"changes_since_{number}.jsonl", text, say("versions.file"))
    return shown


def word_change(version: Version) -> str:
    """What ended a version."""
    key = f"fix.{version.change}" if version.change in FIXES else f"change.{version.change}"
    return say_or(key, version.change)


def _version_row(version: Version) -> list[str]:
    what = word_change(version)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(version.time))
    return [str(version.number), esc(what), str(version.count or ""), esc(when)]


def _name(setting: str) -> str:
    """As the editor calls it."""
    key = f"tasks.{setting}"
    return say_or(key, setting)


def _settings(project: Project, spec: TaskSpec, number: int) -> str:
    before, now = read_version(project, spec.task_id, number), get_task(project, spec.task_id)
    pairs = compare_specs(before, now)
    rows = [[esc(_name(name)), _short(old), _short(new)] for name, (old, new) in pairs.items()]
    return table(["", str(number), str(now.version)], rows) if rows else ""


def _row_cells(d: RowDifference, spec: TaskSpec) -> list[str]:
    used = (*spec.inputs, *spec.targets)
    sides = []
    for side, other in ((d.before, d.after), (d.after, d.before)):
        if side is None:
            sides.append("–")
            continue
        differing = [c for c in spec.columns if other is None or side.row.get(c) != other.row.get(c)]
        names = [c for c in differing if other is not None or c in used]
        moved = [esc(side.split)] if other is not None and other.split != side.split else []
        sides.append("<br>".join([*moved, *(f"<b>{esc(c)}</b> {_short(side.row.get(c))}" for c in names)]))
    return [str(d.line), *sides]


def _short(value: Any) -> str:
    text = target_text(value) if value or value == 0 else "–"
    return esc(text if len(text) <= MOST_CHARS else text[:MOST_CHARS] + " …")
