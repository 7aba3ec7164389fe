"""Correcting an answer: one of the labels, or a text; the question becomes a practice row, and it is said where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from app.drawing.durations import word_count
from app.drawing.markup import esc, note
from app.shell.context import Context
from app.shell.notices import tell
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_problem
from app.texts.words import Key
from app.try_it.answers import conversation_view
from app.try_it.columns import find_spec, home_of
from app.try_it.conversation import Corrected, Exchange, find_exchange
from core.base.errors import RunError
from core.tasks.changing.editing import CHAT
from core.tasks.changing.in_child import add_correction_in_child
from core.tasks.changing.label_check import check_label, list_labels, match_label
from core.tasks.spec import TaskSpec
from core.tasks.store import get_task

Wanted = tuple[str, int]  # key of an exchange, place of the answer


class Correction:
    """Hidden until an answer is to be corrected. `wanted` (State) says which; a label that the task does not have
    yet is asked about."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.wanted = gr.State(("", 0))
        with gr.Column(visible=False, elem_id="try-correction", elem_classes="start-card") as self.panel:
            self.about = gr.HTML()
            given = {"label": Key("try.right_label"), "info": Key("try.right_answer_help"), "choices": []}
            given |= {"allow_custom_value": True, "interactive": True}
            self.label = words(gr.Dropdown, **given, visible=False, elem_id="try-right-label")
            given = {"label": Key("try.right_answer"), "info": Key("try.right_answer_help"), "lines": 2}
            self.text = words(gr.Textbox, **given, elem_id="try-right", interactive=True)
            self.question = gr.HTML(elem_id="try-new-label", elem_classes="with-buttons")
            with gr.Row():
                given = {"variant": "primary", "min_width": 120}
                self.save = words(gr.Button, Key("try.save_right"), **given, elem_id="try-save-right")
                given = {"visible": False, "min_width": 120}
                self.new = words(gr.Button, Key("try.new_label"), **given, elem_id="try-save-new-label")
                self.cancel = words(gr.Button, Key("try.cancel"), min_width=100)

    @property
    def opened(self) -> list[Any]:
        return [self.panel, self.about, self.label, self.text, self.question, self.save, self.new, self.wanted]

    def wire(self, context: Context, asked: Any, answers: Any) -> None:
        """`asked` and `answers` are the conversation, as it is and as it is seen."""
        self.asked, self.answers = asked, answers
        given = [context.selection, asked, self.wanted, self.label, self.text]
        changed = [context.selection, asked, answers, *self.opened]
        context.on(self.save.click, self.save_known, given, changed)
        context.on(self.new.click, self.save_new, given, changed)
        context.on(self.cancel.click, lambda _: self._closed(), [], self.opened)
        typed = [self.question, self.new]
        context.on(self.label.input, lambda _: self._unasked(), [], typed, show_progress="hidden")

    def open(self, context: Context, selection: Selection, exchange: Exchange, place: int) -> Shown:
        """The labels of the task to choose from, or a field with the answer to be changed.

        Raises:
            RunError: it is a question of the exam, which never enters practice; the run that answered is gone.
        """
        if exchange.expected:
            raise RunError("chat.exam_question", task=exchange.task)
        answer = exchange.answers[place]
        home = home_of(context, selection, answer.side)
        project, spec = context.require_project(home), corrected_task(context, home, answer.side.task)
        labels = list_labels(project, spec.task_id)
        others = [label for label in labels if label != answer.text]
        chosen = others[0] if len(others) == 1 else None  # of two labels it must be the other one
        said = say("try.correct_about", task=spec.name, question=_short(exchange.question))
        return {
            **self._unasked(),
            self.panel: gr.update(visible=True),
            self.about: note(said),
            self.label: gr.update(choices=labels, value=chosen, visible=bool(labels)),
            self.text: gr.update(value=answer.text, visible=not labels),
            self.wanted: (exchange.key, place),
        }

    def save_known(
        self, context: Context, selection: Selection, asked: list[Exchange], wanted: Wanted, *given: str
    ) -> Shown:
        """Saves a label that the task has, or a text; asks about a label that it does not have."""
        return self._save(context, selection, asked, wanted, given)

    def save_new(
        self, context: Context, selection: Selection, asked: list[Exchange], wanted: Wanted, *given: str
    ) -> Shown:
        """Saves a label that the task did not have."""
        return self._save(context, selection, asked, wanted, given, is_new=True)

    def _save(
        self,
        context: Context,
        selection: Selection,
        asked: list[Exchange],
        wanted: Wanted,
        given: tuple[str, ...],
        is_new: bool = False,
    ) -> Shown:
        index = find_exchange(asked, wanted[0])
        if index is None:
            return self._closed()
        require_shared_space(context, selection)
        exchange = asked[index]
        answer = exchange.answers[wanted[1]]
        home = home_of(context, selection, answer.side)
        project, spec = context.require_project(home), corrected_task(context, home, answer.side.task)
        labels = list_labels(project, spec.task_id)
        right = str((given[0] if labels else given[1]) or "").strip()
        if not right:
            raise RunError("chat.empty_answer")
        question = check_label(project, spec.task_id, right)
        if question is not None and not is_new:
            asking = f'<div class="doubt">{esc(word_problem(question))}</div>'
            return {self.question: asking, self.new: gr.update(visible=True)}
        right, origin = match_label(labels, right), f"{CHAT}: {answer.side.vote_label}"
        row = _row(spec, exchange.content)
        done = add_correction_in_child(project, spec.task_id, row, right, origin)
        spec = done.task
        found = Corrected(right, spec.task_id, spec.name, spec.num_train, done.how)
        changed = exchange.with_answer(wanted[1], replace(answer, corrected=found))
        tell(say(f"try.corrected_{found.how}", task=spec.name, rows=word_count(spec.num_train)))
        conversation = [*asked[:index], changed, *asked[index + 1 :]]
        seen = {self.asked: conversation, self.answers: conversation_view(conversation)}
        return {context.selection: selection.touched(), **seen, **self._closed()}

    def _closed(self) -> Shown:
        return {**self._unasked(), self.panel: gr.update(visible=False)}

    def _unasked(self) -> Shown:
        return {self.question: "", self.new: gr.update(visible=False)}


def corrected_task(context: Context, selection: Selection, name: str) -> TaskSpec:
    """The project's task that a task of the run came from, whatever it is called by now.

    Raises:
        WorkspaceError: it was removed.
    """
    known = find_spec(context, selection, name)
    return get_task(context.require_project(selection), known.task_id if known else name)


def _row(spec: TaskSpec, content: str | dict[str, str]) -> dict[str, str]:
    return {spec.inputs[0]: content} if isinstance(content, str) else dict(content)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:160] + " …"
