"""What a skill does and who teaches whom, measured: exam questions answered again under other conditions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.durations import asking_time, word_seconds
from app.drawing.figures import Figure, change_heatmap, to_json, with_csv
from app.drawing.markup import note, paragraphs, part
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.job_panel import JobPanel, JobSpec, run_place
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_sentence
from app.texts.words import Key
from core.base.errors import RunError
from core.insight.expecting import expect_probe
from core.insight.probe_table import KINDS, LEAVE_OUT, Probe, describe_probe, probe_path, read_probe
from core.insight.training_again import require_several_tasks
from core.runs.folder import RunFolder
from core.runs.prediction import seconds_at_work


class ProbePanel:
    """One question: what it costs, its button and how far it is, and the outcome when it has been measured."""

    def __init__(self, context: Context, kind: str, rows: Any) -> None:
        self.kind, self.hint = kind, gr.HTML(elem_id=f"probe-{kind}-hint")
        inputs, hints = [] if kind == LEAVE_OUT else [rows], partial(draw_hint, kind=kind)
        context.on_selection(hints, self.hint, [rows])
        if inputs:
            quiet = {"show_progress": "hidden", "trigger_mode": "always_last"}
            context.on(rows.change, hints, [context.selection, rows], self.hint, **quiet)
        with gr.Column() as self.asking:
            JobPanel(context, JobSpec(kind, partial(probe_words, kind=kind), run_place), inputs, f"skills.{kind}")
        self.said, self.plot = gr.HTML(elem_id=f"probe-{kind}-says"), plot(f"probe-{kind}-plot")
        context.on_selection(self.draw, [self.said, self.plot])
        if kind == LEAVE_OUT:
            context.on_selection(self.draw_asking, [self.asking])

    def draw_asking(self, context: Context, selection: Selection) -> Shown:
        """No button for what could only fail; the hint says why."""
        return {self.asking: gr.update(visible=not why_not_left_out(context.trained_run(selection)))}

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Sentences and a heatmap in points; nothing when it has not been measured."""
        run_dir, kind = context.trained_run(selection), self.kind
        if run_dir is None or not probe_path(run_dir, kind).is_file():
            return {self.said: "", self.plot: ""}
        probe = read_probe(run_dir, kind)
        said = [word_sentence(s.key, s.values) for s in describe_probe(probe)]
        figure = with_csv(change_heatmap(probe.change * 100), kind, interval_table(probe), say("word.task"))
        _mark_sure(figure, probe)
        for axis, side in (("xaxis", kind), ("yaxis", "score")):
            figure["layout"][axis]["title"] = {"text": say(f"skills.axis_{side}"), "font": {"size": 12}}
        return {self.said: part(say(f"skills.{kind}_title")) + paragraphs(said), self.plot: to_json(figure)}


class ProbePanels:
    """All questions in one fold. Leaving tasks out trains many runs, which a shared page does not offer."""

    def __init__(self, context: Context) -> None:
        words = context.words
        with words(gr.Accordion, label=Key("skills.probes"), open=False, elem_id="skills-probes"):
            about = gr.HTML()
            context.on_selection(lambda _, selection: note(say("skills.probe_note")), about)
            given = {"label": Key("skills.probe_rows"), "minimum": 10, "maximum": 500, "step": 10, "value": 50}
            rows = words(gr.Slider, **given, elem_id="probe-rows")
            kinds = [kind for kind in KINDS if not (kind == LEAVE_OUT and context.shared)]
            self.panels = {kind: ProbePanel(context, kind, rows) for kind in kinds}


def draw_hint(context: Context, selection: Selection, rows: float | None, *, kind: str) -> str:
    """What a probe does, how much it asks or trains for that, and about how long it takes on this run's measure."""
    run_dir = context.trained_run(selection)
    said = say(f"skills.{kind}_note")
    if run_dir is None:
        return note(said)
    if kind == LEAVE_OUT:
        why = why_not_left_out(run_dir)
        return note(said + _training_time(RunFolder(run_dir))) if not why else note(said) + paragraphs([why])
    try:
        return note(said + asking_time(expect_probe(run_dir, kind, int(rows or 0))))
    except RunError:  # a run without a table of weights
        return note(said)


def why_not_left_out(run_dir: Path | None) -> str:
    """Why no task can be left out of this run; "" where some can, or there is no run."""
    if run_dir is None:
        return ""
    try:
        require_several_tasks(RunFolder(run_dir))
    except RunError as error:
        return word_sentence(error.key, error.values)
    return ""


def _training_time(folder: RunFolder) -> str:
    taken, num_runs = seconds_at_work(folder), len(folder.read_run()["tasks"]) + 1
    if taken is None:
        return say("skills.leaveout_count", n=num_runs)
    return say("skills.leaveout_time", n=num_runs, time=word_seconds(num_runs * taken))


def probe_words(context: Context, selection: Selection, rows: float | None = None, *, kind: str) -> list[str]:
    run_dir = context.trained_run(selection)
    more = [] if rows is None else [f"--rows={int(rows)}"]
    return [kind, run_dir.name, "--again", *more]  # type: ignore[union-attr]


def interval_table(probe: Probe) -> pd.DataFrame:
    """Change, low and high of every column side by side, in points of 100."""
    parts = {"": probe.change, " low": probe.low, " high": probe.high}
    return pd.concat([(table * 100).add_suffix(name) for name, table in parts.items()], axis=1)


def _mark_sure(figure: Figure, probe: Probe) -> None:
    """The interval on hover, and a star at what is larger than chance."""
    trace, sure = figure["data"][0], probe.is_sure.to_numpy()
    lows, highs = (100 * table.to_numpy() for table in (probe.low, probe.high))
    trace["customdata"] = [
        [f"[{low:+.1f}, {high:+.1f}]" if low == low else "" for low, high in zip(*pair, strict=True)]
        for pair in zip(lows, highs, strict=True)
    ]
    trace["hovertemplate"] = trace["hovertemplate"].replace("<extra>", "<br>95 %: %{customdata}<extra>")
    if trace["texttemplate"]:
        trace["text"] = [["*" if mark else "" for mark in row] for row in sure]
        trace["texttemplate"] = trace["texttemplate"] + "%{text}"
