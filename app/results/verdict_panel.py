"""Can this task be used, why not, what next: a card a task with one button that leads to the next step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.markup import badge
from app.drawing.widgets import card, cards
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import word_error
from core.insight.next_step import next_settings
from core.insight.verdict_rules import (
    ALLOW_LONGER,
    BROKEN,
    EXAMINE,
    FIX_DATA,
    MORE_ROWS,
    NOT_YET,
    PROMISING,
    READY,
    STEPS,
    TRAIN_LONGER,
    VERDICTS,
)
from core.insight.verdicts import Verdict, by_harm, read_verdicts
from core.runs.folder import RunFolder
from core.tasks.store import list_tasks

TONES = {READY: "good", PROMISING: "busy", NOT_YET: "warn", BROKEN: "bad"}


class VerdictPanel:
    """`exam` is the fold in which another exam is sat: the only next step that stays on this screen."""

    def __init__(self, context: Context) -> None:
        self.counts = gr.HTML(elem_id="verdict-counts")
        self.cards = cards("verdicts", "wide")
        context.on_selection(self.draw, [self.counts, self.cards])

    def wire(self, context: Context, exam: Any) -> None:
        self.exam = exam
        shown = [context.selection, context.tabs, exam]
        context.on(self.cards.click, self.go, [context.selection], shown, show_progress="hidden")

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Nothing without an exam."""
        run_dir = context.run_dir(selection)
        verdicts = find_verdicts(run_dir)
        return {self.counts: count_verdicts(verdicts), self.cards: [_card(found) for found in by_harm(verdicts)]}

    def go(self, context: Context, selection: Selection, event: gr.EventData) -> Shown:
        """The step that the button named: another screen, with what the step needs in its fields."""
        run_dir, task, step = context.run_dir(selection), str(event.id), str(event.act)
        if run_dir is None or step not in STEPS:
            return {context.selection: selection.touched()}
        if step == EXAMINE:
            return {self.exam: gr.update(open=True)}
        return lead_on(context, selection, run_dir, (task, step))


def lead_on(context: Context, selection: Selection, run_dir: Path, wanted: tuple[str, str]) -> Shown:
    """`wanted`: the task's name and the step."""
    task, step = wanted
    if step in (MORE_ROWS, FIX_DATA):
        chosen = selection.with_task(find_task_id(context, selection, task))
        return context.go_to(chosen, "tasks", **{"health" if step == FIX_DATA else "rows": True})
    if step in (ALLOW_LONGER, TRAIN_LONGER):
        most = {"max_tokens": RunFolder(run_dir).read_config().max_tokens}  # its base model reads no longer texts
        changes = next_settings(run_dir, task, step) or most
        return context.go_to(selection, "train", changes=changes, of_run=True)
    return context.go_to(selection, "try_it", task=task)


def find_task_id(context: Context, selection: Selection, name: str) -> str:
    """The task of the open project that has this name; "" when it is no longer there."""
    project = context.project(selection)
    return next((t.task_id for t in list_tasks(project) if t.name == name), "") if project else ""


def find_verdicts(run_dir: Path | None) -> list[Verdict]:
    """[] while there is no exam."""
    if run_dir is None or not RunFolder(run_dir).results_path.is_file():
        return []
    return read_verdicts(run_dir)


def count_verdicts(verdicts: list[Verdict]) -> str:
    """How many tasks have which verdict, the best first; nothing for a single task, whose card says it all."""
    if len(verdicts) < 2:
        return ""
    counts = [(name, sum(found.verdict == name for found in verdicts)) for name in VERDICTS]
    shown = [badge(f"{_word(name)}: {count}", TONES[name]) for name, count in counts if count]
    return f'<p class="verdict-counts">{" ".join(shown)}</p>'


def _card(found: Verdict) -> dict[str, Any]:
    """The button carries the step it names: a new exam may have changed the verdict meanwhile."""
    label, hint = word_error(f"step.{found.step}", {})
    button = {"id": found.task, "act": found.step, "label": label, "hint": f"{label}: {hint}"}
    return card(
        found.task,
        found.task,
        text=word_error(found.reason.key, found.reason.values)[0],
        badge=_word(found.verdict),
        tone=TONES[found.verdict],
        actions=[button],
        still=True,
    )


def _word(verdict: str) -> str:
    return word_error(f"verdict.{verdict}", {})[0]
