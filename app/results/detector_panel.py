"""How well the tasks of a run are told apart by a text alone and by the model's hidden states, and whether the app
may be believed when it says how sure it is: sentences, a small plot and a table. Measured on request, in a process
of its own."""

from __future__ import annotations

import gradio as gr
import pandas as pd

from app.drawing.figures import certainty_curve, to_json, with_csv
from app.drawing.markup import esc, note, paragraphs, part, table
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, find_job, run_place
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_error
from core.base.records import from_record
from core.chat.detecting import DetectorReport, describe_detector
from core.chat.routing import RouterReport, describe_ways, rows_of_ways
from core.runs.folder import RunFolder


def detector_words(context: Context, selection: Selection) -> list[str]:
    """The command that the job runs."""
    return ["detect", context.trained_run(selection).name]  # type: ignore[union-attr]


def learn_words(context: Context, selection: Selection) -> list[str]:
    """The command that learns the other way and compares both."""
    return [*detector_words(context, selection), "--learn"]


WAY_HEADS = ("way", "told", "span", "gap", "strangers", "refused", "time")
NUMBERS = tuple(range(1, len(WAY_HEADS)))
SPEC = JobSpec("detect", detector_words, run_place)
LEARN = JobSpec("router", learn_words, run_place)


class DetectorPanel:
    """Only for runs with several tasks: with one there is nothing to tell apart."""

    def __init__(self, context: Context) -> None:
        with gr.Column(visible=False, elem_id="results-detector") as self.box:
            self.about = gr.HTML()
            self.said, self.plot = gr.HTML(elem_id="detector-says"), plot("detector-plot")
            JobPanel(context, SPEC, [], "detector.start")
            self.ways = gr.HTML(elem_id="detector-ways")
            JobPanel(context, LEARN, [], "detector.learn")
        context.on_selection(self.draw_about, [self.box, self.about])
        context.on_selection(self.draw, [self.said, self.plot])
        context.on_selection(self.draw_ways, [self.ways])

    def draw_about(self, context: Context, selection: Selection) -> Shown:
        run_dir = context.trained_run(selection)
        several = run_dir is not None and len(RunFolder(run_dir).read_run()["tasks"]) > 1
        about = part(say("detector.title")) + note(say("detector.note"))
        return {self.box: gr.update(visible=several), self.about: about}

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Stated certainty against how often it was right; nothing before it has been measured."""
        value = find_job(context, selection, SPEC).value
        known = isinstance(value, dict) and "bins" in value
        report = from_record(DetectorReport, value, "detect") if known else None
        if report is None or not report.bins:
            return {self.said: "", self.plot: ""}
        told = [word_error(s.key, s.values)[0] for s in describe_detector(report)]
        frame = pd.DataFrame(report.bins, columns=["stated", "right", "n"])
        figure = with_csv(certainty_curve(frame), "calibration", frame.set_index("stated"), "stated")
        return {self.said: paragraphs(told), self.plot: to_json(figure)}

    def draw_ways(self, context: Context, selection: Selection) -> Shown:
        """The text alone beside the hidden states; nothing before the run has learned the latter."""
        value = find_job(context, selection, LEARN).value
        if not (isinstance(value, dict) and "ways" in value):
            return {self.ways: ""}
        report = from_record(RouterReport, value["ways"], "detect")
        heads = [say(f"detector.{name}") for name in WAY_HEADS]
        rows = [[esc(say(f"try.way_{way}")), *map(esc, cells)] for way, *cells in rows_of_ways(report)]
        told = [word_error(s.key, s.values)[0] for s in describe_ways(report)]
        return {self.ways: note(say("detector.ways_note")) + table(heads, rows, numeric=NUMBERS) + paragraphs(told)}
