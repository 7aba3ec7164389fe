"""What is most worth mending in all tasks, worst first, each with its button; and the way on to the training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr

from app.drawing.markup import bullets, note, part
from app.drawing.widgets import card, cards
from app.shell.context import Context
from app.shell.making import Making, wire_making
from app.shell.outcomes import Outcomes, draw_after
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.tasks.health_panel import TONES, mend_task, most_read
from app.texts import say, word_error, word_problem
from app.texts.words import Key
from core.base.errors import TaskloomError
from core.tasks.health.report import Finding, TaskHealth, harm_of
from core.tasks.spec import TaskSpec
from core.tasks.store import list_tasks

MOST = 6
HARMS = ("error", "warning")

Found = list[tuple[TaskSpec, Finding]]  # a task and one finding of it


class HarmPanel:
    """Below the list of tasks. The rows are looked at in a process of their own; the list follows when that is
    done."""

    def __init__(self, context: Context) -> None:
        self.title = gr.HTML(elem_id="task-harms-title")
        self.harms = cards("task-harms", "rows")
        self.next = context.words(
            gr.Button, Key("tasks.next"), variant="primary", visible=False, elem_id="tasks-next"
        )
        self.due, self.failed = gr.State(None), gr.State(Outcomes())

    def wire(self, context: Context, look: list[Any], listed: Any, draw_cards: Any) -> None:
        """`look`: the components with the base model and the length limit that tokens are counted for, and with the
        tasks that the next run does without. `draw_cards` draws the task cards into `listed`, with what is known of
        each task by then."""
        selection, quiet = context.selection, {"show_progress": "hidden"}
        drawn, seen = [self.title, self.harms, self.next, self.due], [*look[:2], self.failed, look[2]]
        context.on_selection(self.draw, drawn, seen)
        context.on_selection(draw_cards, [listed], look)
        given = [self.due, *look[:2], self.failed]
        looked = context.on(self.due.change, look_at_all, given, [], concurrency_limit=2, **quiet)
        planned = context.on(partial(gr.on, [part.change for part in look]), self.draw, [selection, *seen], drawn)
        for listing in (planned, *draw_after(context, looked, self.draw, [selection, *seen], drawn)):
            context.on(listing.then, draw_cards, [selection, *look], [listed], **quiet)
        wire_making(context, self.harms.click, Making(self.mend), ([], [selection]), show_progress="minimal")
        moves = [selection, context.tabs]
        context.on(self.next.click, lambda c, seen: c.go_to(seen, "train"), [selection], moves, **quiet)

    def draw(
        self,
        context: Context,
        selection: Selection,
        model: str,
        limit: float | None,
        failed: Outcomes,
        left_out: Sequence[str] = (),
    ) -> Shown:
        """The worst findings of all tasks that the next run holds, as far as their rows have been looked at; the
        others are due, or it is said why they could not be looked at."""
        project = context.project(selection)
        specs = list_tasks(project) if project else []
        if project is None or not specs:
            hidden = gr.update(visible=False)
            return {self.title: "", self.harms: [], self.next: hidden, self.due: None}
        most, why = most_read(model, limit), failed.of(selection)
        planned = [spec for spec in specs if not is_left_out(spec, left_out)]
        is_whole = all(context.health.find(project, spec, most) for spec in specs)
        found = worst_first(planned, [context.health.find(project, spec, most) for spec in planned])
        head = "" if is_whole else bullets([("bad", why)]) if why else note(say("health.looking"))
        if found:
            head = part(say("harms.title")) + head
        elif is_whole:
            head = note(say("harms.none"))
        if without := len(specs) - len(planned):
            head += note(say("harms.without", n=without))
        if len(found) > MOST:
            head += note(say("harms.more", shown=MOST, all=len(found)))
        return {
            self.title: head,
            self.harms: [_harm_card(spec, finding) for spec, finding in found[:MOST]],
            self.next: gr.update(visible=True),
            self.due: None if is_whole else selection,
        }

    def mend(self, context: Context, selection: Selection, event: gr.EventData) -> Selection:
        """Mends what its button names, and opens the task, above whose rows it can be taken back."""
        task_id, _, fix = str(event.id).partition(":")
        if event.act == "act" and fix:
            mend_task(context.require_project(selection), task_id, fix)
        return selection.with_task(task_id)


def look_at_all(context: Context, due: Selection | None, model: str, limit: float | None, failed: Outcomes) -> None:
    """Looks at the rows of all tasks. Why that failed is kept in `failed`, in words, for what is due; with the next
    change of anything it is tried again."""
    project = context.project(due) if due is not None else None
    if project is None:
        return
    why = say("health.not_looked")  # of an error that nobody foresaw: it goes on, to the log
    try:
        context.health.look(project, most_read(model, limit))
        why = ""
    except TaskloomError as error:
        why = word_problem(error)
    finally:
        failed.keep(due, why)


def worst_first(specs: list[TaskSpec], known: list[TaskHealth | None]) -> Found:
    """What should be mended in the tasks, the worst first, as far as they have been looked at."""
    pairs = zip(specs, known, strict=True)
    found = [(spec, f) for spec, health in pairs if health for f in health.findings if f.severity in HARMS]
    return sorted(found, key=lambda pair: harm_of(pair[1]))


def is_left_out(spec: TaskSpec, left_out: Sequence[str]) -> bool:
    """Whether the next run does without this task, which its plan names by name or id."""
    return spec.name in left_out or spec.task_id in left_out


def worst_of(health: TaskHealth | None) -> dict[str, str]:
    """The badge of a task's card, and its worst finding with its number; nothing while nobody has looked."""
    if health is None:
        return {}
    harms = [f for f in health.findings if f.severity in HARMS]
    if not harms:
        return {"badge": say("harms.fine"), "tone": "good"}
    return {"badge": say(f"health.{harms[0].severity}"), "tone": TONES[harms[0].severity], "text": _said(harms[0])}


def _harm_card(spec: TaskSpec, finding: Finding) -> dict[str, Any]:
    return card(
        f"{spec.task_id}:{finding.fix}",
        spec.name,
        text=_said(finding),
        badge=say(f"health.{finding.severity}"),
        tone=TONES[finding.severity],
        action=say(f"fix.{finding.fix}") if finding.fix else "",
    )


def _said(finding: Finding) -> str:
    return word_error(finding.key, {"count": finding.count, **finding.values})[0]
