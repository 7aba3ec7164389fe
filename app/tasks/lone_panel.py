"""What is this file? One that its name calls an exam or a check set, and that came without its training file."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.drawing.markup import bullets, esc, note, part
from app.drawing.widgets import buttons_in
from app.shell.context import Context
from app.shell.making import Making, wire_making
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_problem
from core.tasks.changing.domain import add_files
from core.tasks.changing.in_child import attach_in_child
from core.tasks.changing.pairing import pair_files
from core.tasks.store import list_tasks

MOST_TASKS = 6  # that are offered as its owner
ALONE, LEAVE = "alone", "leave"


class LonePanel:
    """`lone` (State) holds the paths that are still asked about, of the latest drop."""

    def __init__(self, context: Context) -> None:
        self.lone = gr.State([])
        self.view = buttons_in("lone-files")
        context.on_selection(draw_lone, [self.view], extra=[self.lone])
        context.on(self.lone.change, draw_lone, [context.selection, self.lone], self.view, show_progress="hidden")

    def wire(self, context: Context, report: gr.HTML, outcomes: gr.State) -> None:
        """`report` is the screen's line about what was added, `outcomes` what the screen has made so far."""
        self.report, shown = report, [context.selection, self.lone, report]
        making = Making(self.choose_part, (self.lone, report))
        wire_making(context, self.view.click, making, ([self.lone], shown), outcomes)

    def choose_part(self, context: Context, selection: Selection, lone: list[str], event: gr.EventData) -> Shown:
        """Does what the button says, and asks no more about this file."""
        number, act = int(event.id), str(event.act)
        if number >= len(lone):
            return {self.report: ""}
        require_shared_space(context, selection)
        path = Path(lone[number])
        left = {self.lone: [other for other in lone if other != lone[number]]}
        if act == LEAVE:
            return {**left, self.report: bullets([("info", say("lone.left", file=path.name))])}
        return {**left, **(self._alone if act == ALONE else self._attached)(context, selection, path, act)}

    def _alone(self, context: Context, selection: Selection, path: Path, _: str) -> Shown:
        """A task of its own."""
        done = add_files(context.require_project(selection), [path], alone=[path.name])
        if not done.added:
            return {self.report: bullets(("bad", word_problem(problem)) for _, problem in done.failed)}
        task = done.added[0]
        return self._chosen(context, selection, task.task_id, say("tasks.added", names=task.name))

    def _attached(self, context: Context, selection: Selection, path: Path, task_id: str) -> Shown:
        """The exam or the check set of a task that is there."""
        (item,) = pair_files([path]).lone
        done = attach_in_child(context.require_project(selection), task_id, path, item.split)
        said = say(f"lone.attached_{item.split}", task=done.task.name, n=done.count, out=done.left_out)
        return self._chosen(context, selection, done.task.task_id, said)

    def _chosen(self, context: Context, selection: Selection, task_id: str, said: str) -> Shown:
        chosen = selection.with_task(task_id).touched()
        return {context.selection: chosen, self.report: bullets([("ok", said)])}


def draw_lone(context: Context, selection: Selection, lone: list[str]) -> str:
    """One question a file, with a button for every answer."""
    project = context.project(selection)
    if project is None or not lone:
        return ""
    tasks = [(spec.task_id, spec.name) for spec in list_tasks(project)][-MOST_TASKS:]
    asked = pair_files([Path(path) for path in lone]).lone
    return "".join(
        _question(number, word_problem(item.problem), item.split, tasks) for number, item in enumerate(asked)
    )


def _question(number: int, said: str, split: str, tasks: list[tuple[str, str]]) -> str:
    offered = [(task_id, say(f"lone.{split}_of", task=name)) for task_id, name in tasks]
    offered += [(ALONE, say("lone.alone")), (LEAVE, say("lone.leave"))]
    buttons = "".join(
        f'<button class="card-act" type="button" data-id="{number}" data-act="{esc(act)}">{esc(label)}</button>'
        for act, label in offered
    )
    asked = part(say("lone.title")) + note(said)
    return f'<section class="doubt">{asked}<div class="choices">{buttons}</div></section>'
