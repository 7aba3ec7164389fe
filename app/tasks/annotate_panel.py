"""Annotate next: of rows without an answer those that a run doubts most, settled with one key each."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.doubt_markup import reading_notes
from app.drawing.markup import esc, note, paragraphs, table
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.upload_folders import note_uploads
from app.tasks.health_panel import chosen_task
from app.tasks.payoff_panel import PayoffPanel, run_that_knows
from app.texts import say, word_problem
from app.texts.words import Key
from core.base.errors import Problem, RunError
from core.evaluation.ranking import WAYS
from core.insight.annotation import (
    ASKED,
    BUDGET,
    OPEN,
    Candidate,
    Queue,
    RowId,
    Settled,
    accept,
    correct,
    read_queue,
    skip,
)
from core.runs.folder import RunFolder
from core.tasks.changing.label_check import check_label, list_labels
from core.tasks.reading.files import SUFFIXES

MOST_ASKED, NOTHING = 200, RowId("", 0)

# A letter settles the row while something of it has the focus, a field that is typed into aside.
_KEYS = """
const area = element.closest('#annotate-row');
if (area && !area.keyed) {
  area.keyed = true;
  area.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, select')) return;
    const name = {a: 'accept', c: 'correct', s: 'skip'}[event.key.toLowerCase()];
    if (!name || event.repeat) return;
    event.preventDefault();
    document.getElementById('annotate-' + name)?.click();
  });
}
"""


class AnnotatePanel:
    """A fold: the pool and its button on top, below it one row after the other. `seen` (State) is the row that is
    shown, so that a second click does not settle the next one, nor a click on an old queue a row of the new one."""

    def __init__(self, context: Context) -> None:
        words, self.seen = context.words, gr.State(NOTHING)
        with words(gr.Accordion, label=Key("annotate.title"), open=False, elem_id="task-annotate"):
            self.about = gr.HTML(elem_id="annotate-about")
            with gr.Column(visible=False) as self.asking:
                self._build_asking(context)
            self.report = gr.HTML(elem_id="annotate-report")
            with gr.Column(visible=False, elem_id="annotate-row") as self.row:
                self._build_row(context)
            PayoffPanel(context)
        self._wire(context)

    def _build_asking(self, context: Context) -> None:
        words = context.words
        given = {"label": Key("annotate.drop"), "file_types": list(SUFFIXES), "height": 110}
        self.pool = words(gr.File, **given, elem_id="annotate-pool")
        with gr.Row(elem_classes="bottom"):
            given = {"label": Key("annotate.by"), "info": Key("annotate.by_about"), "value": WAYS[0]}
            choices = [(Key(f"annotate.by_{way}"), way) for way in WAYS]
            by = words(gr.Dropdown, **given, choices=choices, elem_id="annotate-by")
            given = {
                "label": Key("annotate.budget"),
                "minimum": 5,
                "maximum": MOST_ASKED,
                "step": 5,
                "value": BUDGET,
            }
            budget = words(gr.Slider, **given, elem_id="annotate-budget")
        spec = JobSpec("annotate", annotate_words, run_that_knows)
        JobPanel(context, spec, [self.pool, by, budget], "annotate.start", "primary")

    def _build_row(self, context: Context) -> None:
        words = context.words
        self.shown = gr.HTML(elem_id="annotate-shown", js_on_load=_KEYS)
        given = {"label": Key("annotate.answer"), "choices": [], "allow_custom_value": True, "interactive": True}
        self.label = words(gr.Dropdown, **given, visible=False, elem_id="annotate-label")
        given = {"label": Key("annotate.answer"), "lines": 2, "interactive": True}
        self.text = words(gr.Textbox, **given, elem_id="annotate-text")
        self.question = gr.HTML(elem_id="annotate-question")
        with gr.Row():
            given = {"min_width": 110}
            self.accept = words(
                gr.Button, Key("annotate.accept"), variant="primary", elem_id="annotate-accept", **given
            )
            self.correct = words(gr.Button, Key("annotate.correct"), elem_id="annotate-correct", **given)
            self.skip = words(gr.Button, Key("annotate.skip"), elem_id="annotate-skip", **given)
            hidden = {"visible": False, "elem_id": "annotate-new-label"}
            self.new = words(gr.Button, Key("annotate.new_label"), **hidden, **given)

    @property
    def drawn(self) -> list[Any]:
        asked = [self.label, self.text, self.question, self.new, self.seen]
        return [self.about, self.asking, self.report, self.row, self.shown, *asked]

    def _wire(self, context: Context) -> None:
        selection, quiet = context.selection, {"show_progress": "hidden"}
        given, changed = [selection, self.seen, self.label, self.text], [selection, *self.drawn]
        context.on(self.accept.click, self.accept_row, given[:2], changed, **quiet)
        context.on(self.correct.click, self.correct_row, given, changed, **quiet)
        context.on(self.new.click, self.add_label, given, changed, **quiet)
        context.on(self.skip.click, self.skip_row, given[:2], changed, **quiet)
        # What is being typed outlives the redraws of a job at work, but not the row that it was typed for.
        kept = {"kept": [self.label, self.text], "subject": lambda chosen: next_row(context, chosen)}
        context.on_selection(self.draw, self.drawn, **kept)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """The pool's fields with a run that knows the task, and the next row of the queue."""
        queue, knows = chosen_queue(context, selection), run_that_knows(context, selection) is not None
        following = queue.open[0] if queue and queue.open else None
        said = note(say("annotate.note", most=ASKED)) + ("" if knows else note(say("annotate.need_run")))
        return {
            self.about: said,
            self.asking: gr.update(visible=knows),
            self.report: queue_view(queue, run_name(context, selection, queue)) if queue else "",
            self.row: gr.update(visible=following is not None),
            self.shown: row_view(following, queue, run_name(context, selection, queue))
            if queue and following
            else "",
            **self._fields(context, selection, following),
            self.seen: next_row(context, selection),
        }

    def accept_row(self, context: Context, selection: Selection, row: RowId) -> Shown:
        """What the run would answer is right."""
        return self._settled(context, selection, row, accept)

    def skip_row(self, context: Context, selection: Selection, row: RowId) -> Shown:
        """Nobody answers the row."""
        return self._settled(context, selection, row, skip)

    def correct_row(
        self, context: Context, selection: Selection, row: RowId, label: str | None, text: str | None
    ) -> Shown:
        """What stands in the field is right; asks about a label that the task does not have."""
        answer, spec = self._answer(context, selection, label, text), chosen_task(context, selection)
        is_asked = spec is not None and bool(answer) and not self._overtaken(context, selection, row)
        question = check_label(context.require_project(selection), spec.task_id, answer) if is_asked else None
        if question is not None:
            asking = f'<div class="doubt">{esc(word_problem(question))}</div>'
            return {self.question: asking, self.new: gr.update(visible=True)}
        return self._settled(context, selection, row, correct, answer)

    def add_label(
        self, context: Context, selection: Selection, row: RowId, label: str | None, text: str | None
    ) -> Shown:
        """What stands in the field is right, and a new label of the task."""
        answer = self._answer(context, selection, label, text)
        return self._settled(context, selection, row, correct, answer, True)

    def _settled(self, context: Context, selection: Selection, row: RowId, settle: Any, *given: Any) -> Shown:
        """Settles the row that was shown, unless another click has done so or the rows were ranked anew."""
        spec = chosen_task(context, selection)
        if spec is None:
            return gr.skip()
        require_shared_space(context, selection)
        if overtaken := self._overtaken(context, selection, row):
            return overtaken
        queue = chosen_queue(context, selection)
        if queue is None or not any(one.number == row.number and one.state == OPEN for one in queue.candidates):
            return self.draw(context, selection)
        done: Settled = settle(context.require_project(selection), spec.task_id, row, *given)
        touched = selection.touched() if done.correction else selection
        return {context.selection: touched, **self.draw(context, touched)}

    def _overtaken(self, context: Context, selection: Selection, row: RowId) -> Shown:
        """The row that stands there now with a word about it, where the one that was shown is of an older queue."""
        queue, spec = chosen_queue(context, selection), chosen_task(context, selection)
        if queue is None or spec is None or queue.queue_id == row.queue_id:
            return {}
        said = word_problem(Problem("row", "annotate.other_queue", {"task": spec.name, "number": row.number}))
        return {**self.draw(context, selection), self.question: f'<div class="doubt">{esc(said)}</div>'}

    def _answer(self, context: Context, selection: Selection, label: str | None, text: str | None) -> str:
        return str((label if self._labels(context, selection) else text) or "").strip()

    @staticmethod
    def _labels(context: Context, selection: Selection) -> list[str]:
        spec = chosen_task(context, selection)
        return list_labels(context.require_project(selection), spec.task_id) if spec else []

    def _fields(self, context: Context, selection: Selection, row: Candidate | None) -> Shown:
        """The run's answer, to be changed: one of the task's labels, or a text."""
        labels, answer = self._labels(context, selection) if row else [], row.answer if row else ""
        return {
            self.label: gr.update(choices=labels, value=answer if labels else None, visible=bool(labels)),
            self.text: gr.update(value=answer, visible=not labels),
            self.question: "",
            self.new: gr.update(visible=False),
        }


def chosen_queue(context: Context, selection: Selection) -> Queue | None:
    """What was ranked for the chosen task."""
    spec = chosen_task(context, selection)
    return read_queue(context.require_project(selection), spec.task_id) if spec else None


def next_row(context: Context, selection: Selection) -> RowId:
    """The row that is asked about; `NOTHING` where none is open."""
    queue = chosen_queue(context, selection)
    return RowId(queue.queue_id, queue.open[0].number) if queue and queue.open else NOTHING


def annotate_words(context: Context, selection: Selection, *chosen: Any) -> list[str]:
    """The command that the job runs.

    Raises:
        RunError: no file was dropped.
    """
    pool, way, budget = chosen
    run_dir, spec = run_that_knows(context, selection), chosen_task(context, selection)
    if not pool or run_dir is None or spec is None:
        raise RunError("annotate.no_pool")
    note_uploads(context.require_project(selection), [str(pool)])
    return [
        "annotate",
        run_dir.name,
        f"--task={spec.task_id}",
        f"--by={way}",
        f"--budget={int(budget)}",
        f"--pool={pool}",
    ]


def run_name(context: Context, selection: Selection, queue: Queue) -> str:
    """What the run that was asked is called; its id where it is gone."""
    folder = RunFolder(context.require_project(selection).runs_dir / queue.run_id)
    return str(folder.read_run()["name"]) if folder.run_path.is_file() else queue.run_id


def queue_view(queue: Queue, run: str) -> str:
    """Where the rows come from, what was left out, and how many are settled; at the end what to do next."""
    states = [one.state for one in queue.candidates]
    counts = {state: states.count(state) for state in ("accepted", "corrected", "skipped")}
    said = [say("annotate.from", file=queue.file, asked=queue.asked, run=run)]
    if queue.known:
        said.append(say("annotate.left_out", known=queue.known))
    if queue.answered:
        said.append(say("annotate.answered", answered=queue.answered))
    if sum(counts.values()):
        said.append(say("annotate.counts", **counts, open=len(queue.open)))
    if not queue.open:
        is_richer = counts["accepted"] + counts["corrected"] > 0
        said.append(say("annotate.done") if is_richer else say("annotate.done_none"))
    return paragraphs([" ".join(said)]) + reading_notes(queue.notes)


def row_view(row: Candidate, queue: Queue, run: str) -> str:
    """The row as it stands in the file, and what the run that was asked makes of it; another may be chosen now."""
    cells = [f'<div class="cell">{esc(text)}</div>' for text in row.inputs.values()]
    sure = f"{100 * row.confidence:.0f}"
    told = say("annotate.sure", sure=sure) if queue.is_checked else say("annotate.sure_unchecked", sure=sure)
    if row.disagreement is not None:
        told += " " + say("annotate.hangs", moved=f"{100 * row.disagreement:.0f}")
    if row.is_cut:
        told += " " + say("annotate.is_cut")
    says = f'<p class="say">{esc(say("annotate.would_say", run=run))} <b>{esc(row.answer) or "∅"}</b></p>'
    return table(list(row.inputs), [cells]) + says + note(f"{told} {say('annotate.keys')}")
