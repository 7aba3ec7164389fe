"""Another exam of the trained model: more rows, or answers that can only be labels."""

from __future__ import annotations

import gradio as gr

from app.drawing.durations import asking_time
from app.drawing.markup import note
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, run_place
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from core.chat.protocol import FREE, LABELS
from core.insight.expecting import expect_exam


class ExamPanel:
    def __init__(self, context: Context) -> None:
        words, quiet = context.words, {"show_progress": "hidden", "trigger_mode": "always_last"}
        with words(gr.Accordion, label=Key("exam.title"), open=False, elem_id="results-exam") as self.fold:
            self.about = gr.HTML(elem_id="exam-about")
            with gr.Row():
                given = {"label": Key("exam.rows"), "info": Key("exam.rows_help"), "value": 200}
                self.rows = words(gr.Number, **given, precision=0, minimum=0, elem_id="exam-rows")
                self.base = words(gr.Checkbox, label=Key("exam.base"), value=True, elem_id="exam-base")
                given = {"label": Key("exam.labels"), "info": Key("exam.labels_help"), "value": True}
                self.labels = words(gr.Checkbox, **given, elem_id="exam-labels")
            asked = [self.rows, self.base, self.labels]
            JobPanel(context, JobSpec("exam", exam_words, run_place), asked, "exam.start")
        context.on_selection(draw_exam_note, self.about, asked[:2])
        for field in asked[:2]:
            context.on(field.input, draw_exam_note, [context.selection, *asked[:2]], self.about, **quiet)


def draw_exam_note(context: Context, selection: Selection, rows: float | None, with_base: bool) -> str:
    """What another exam does, how many answers that is and about how long they take."""
    run_dir, said = context.trained_run(selection), say("exam.note")
    if run_dir is None:
        return note(said)
    return note(said + asking_time(expect_exam(run_dir, int(rows or 0), with_base)))


def exam_words(
    context: Context, selection: Selection, rows: float | None, with_base: bool, only_labels: bool
) -> list[str]:
    run_dir = context.trained_run(selection)
    found = ["evaluate", run_dir.name, "--again", f"--rows={int(rows or 0)}"]  # type: ignore[union-attr]
    return found + ([] if with_base else ["--no-base"]) + [f"--answers={LABELS if only_labels else FREE}"]
