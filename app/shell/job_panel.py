"""A long question as a button with its progress: started in a process of its own, followed by polling.

The process outlives the page and the app; after a reload the panel is drawn from the job's folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.durations import word_seconds
from app.drawing.markup import bar, bullets, esc
from app.shell.context import Context
from app.shell.device_user import word_holder
from app.shell.permissions import counting, shared_job_seconds
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_whole
from app.texts.words import Key
from core.insight.jobs import DONE, FAILED, NONE, STOPPED, JobState, job_dir, read_job, start_job, stop_job

Words = Callable[..., list[str]]  # (context, selection, *values) -> words of the command line


@dataclass(frozen=True)
class JobSpec:
    """`place`: the folder that the job belongs to, None when there is nothing to ask."""

    kind: str
    words: Words
    place: Callable[[Context, Selection], Path | None]


def run_place(context: Context, selection: Selection) -> Path | None:
    return context.trained_run(selection)


class JobPanel:
    """Start and stop buttons and a line that says how far it is. When the job ends, the screens read anew.

    `before`: wires what the start button does first, and gives its last event; nothing starts when that fails.
    """

    def __init__(
        self, context: Context, spec: JobSpec, inputs: list[Any], label: str, variant: str = "secondary",
        before: Callable[[Any], Any] | None = None,
    ):  # fmt: skip
        self.spec = spec
        context.job_screens.setdefault(spec.kind, context.screen.removeprefix("tab."))
        with gr.Row(elem_classes="job-row"):
            self.start = context.words(
                gr.Button, Key(label), variant=variant, elem_id=f"job-{spec.kind}", min_width=180
            )
            self.stop = context.words(
                gr.Button, Key("job.stop"), visible=False, elem_id=f"job-{spec.kind}-stop", min_width=100
            )
        self.line, self.seen = gr.HTML(elem_id=f"job-{spec.kind}-line"), gr.State("")
        selection, outputs = context.selection, [self.line, self.stop, self.start, self.seen]
        clicked = before(self.start.click).success if before else self.start.click
        context.on(clicked, self.begin, [selection, *inputs], outputs)
        context.on(self.stop.click, self.halt, [selection], outputs)
        context.on_selection(self.draw, outputs)
        context.on_tick(self.poll, [selection, self.seen], [*outputs, selection])

    def begin(self, context: Context, selection: Selection, *values: Any) -> Shown:
        """Starts the job for the chosen run or project; a second click shows the one that is running."""
        place, spec = self.spec.place(context, selection), self.spec
        if place is None or find_job(context, selection, spec).is_live:
            return self.draw(context, selection)
        folder, words = job_dir(place, spec.kind), spec.words(context, selection, *values)
        with counting(context, selection):
            seconds = shared_job_seconds(context, selection, place, folder)
            start_job(folder, context.workspace.root, words, seconds)
        return self.draw(context, selection)

    def halt(self, context: Context, selection: Selection) -> Shown:
        place = self.spec.place(context, selection)
        if place is not None:
            stop_job(job_dir(place, self.spec.kind))
        return self.draw(context, selection)

    def draw(self, context: Context, selection: Selection) -> Shown:
        state = find_job(context, selection, self.spec)
        place = self.spec.place(context, selection)
        return {
            self.line: job_line(state, word_holder(context, selection) if state.waiting else ""),
            self.stop: gr.update(visible=state.is_live),
            self.start: gr.update(interactive=place is not None and not state.is_live),
            self.seen: stamp(state),
        }

    def poll(self, context: Context, selection: Selection, seen: str) -> Shown:
        """Nothing new, nothing sent; when the job has ended the screens read again."""
        state = find_job(context, selection, self.spec)
        if stamp(state) == seen:
            return gr.skip()
        ended = seen.startswith("running") and not state.is_live
        return self.draw(context, selection) | ({context.selection: selection.touched()} if ended else {})


def find_job(context: Context, selection: Selection, spec: JobSpec) -> JobState:
    place = spec.place(context, selection)
    return read_job(job_dir(place, spec.kind)) if place is not None else JobState()


def stamp(state: JobState) -> str:
    eta = "" if state.eta_s is None else str(round(state.eta_s / 5))
    return f"{state.state} {state.done}/{state.total} {state.waiting} {eta if state.is_live else ''}"


def job_line(state: JobState, holder: str = "") -> str:
    """How far it is and how long it takes, or why it ended; nothing for a job that is done or was never started.
    `holder`: who has the device that it waits for."""
    if state.state in (NONE, DONE):
        return ""
    if state.state == FAILED:
        text = word_whole(state.key, state.values)
        return bullets([("bad", text)])
    if state.state == STOPPED:
        return bullets([("info", say("job.stopped"))])
    if state.waiting:
        held = holder or say("device.other")
        return bullets([("info", say("job.waiting", holder=held))])
    if not state.total:
        return bullets([("info", say("job.starting"))])
    left = "" if state.eta_s is None else say("job.eta", time=word_seconds(state.eta_s))
    shown, told = f"{state.share:.0%} {esc(left)}", say("run.progress")
    return f'<div class="errand">{bar(state.share, "busy", told)}<span>{shown}</span></div>'
