"""How well the tasks of a run are told apart by a text alone, and whether the app may be believed when it says how
sure it is: a sentence and a small plot. Measured on request, in a process of its own."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.figures import certainty_curve, to_json, with_csv
from app.drawing.markup import note, paragraphs, part
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, find_job, run_place
from app.shell.selection import Selection
from app.texts import say, word_error
from core.base.records import from_record
from core.chat.detecting import DetectorReport, describe_detector
from core.runs.folder import RunFolder


def build_detector(context: Context) -> None:
    """Only for runs with several tasks: with one there is nothing to tell apart."""
    with gr.Column(visible=False, elem_id="results-detector") as box:
        about, drawn = gr.HTML(), [gr.HTML(elem_id="detector-says"), plot("detector-plot")]
        JobPanel(context, SPEC, [], "detector.start")
    context.on_selection(draw_about, [box, about])
    context.on_selection(draw_detector, drawn)


def detector_words(context: Context, selection: Selection) -> list[str]:
    """The command that the job runs."""
    return ["detect", context.trained_run(selection).name]  # type: ignore[union-attr]


SPEC = JobSpec("detect", detector_words, run_place)


def draw_about(context: Context, selection: Selection) -> list[Any]:
    run_dir = context.trained_run(selection)
    several = run_dir is not None and len(RunFolder(run_dir).read_run()["tasks"]) > 1
    about = part(say("detector.title")) + note(say("detector.note"))
    return [gr.update(visible=several), about]


def draw_detector(context: Context, selection: Selection) -> list[str]:
    """-> the sentence, stated certainty against how often it was right; nothing before it has been measured."""
    value = find_job(context, selection, SPEC).value
    report = from_record(DetectorReport, value, "detect") if isinstance(value, dict) and "bins" in value else None
    if report is None or not report.bins:
        return ["", ""]
    told = [word_error(s.key, s.values)[0] for s in describe_detector(report)]
    frame = pd.DataFrame(report.bins, columns=["stated", "right", "n"])
    figure = with_csv(certainty_curve(frame), "calibration", frame.set_index("stated"), "stated")
    return [paragraphs(told), to_json(figure)]
