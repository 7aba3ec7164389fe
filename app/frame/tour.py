"""The guided tour: the sample project through all screens, one click a step. A bar above every screen leads it."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from app.drawing.markup import esc
from app.drawing.run_markup import word_eta
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from app.train.start_run import start
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.states import LIVE, RunStatus
from core.runs.summaries import list_summaries, own_runs


@dataclass(frozen=True)
class Stop:
    """One stop; its words are `tour.<name>_title`, `_text` and `_next` (what the button that leaves it says)."""

    name: str
    screen: str


STOPS = (
    Stop("tasks", "tasks"),
    Stop("plan", "train"),
    Stop("watch", "train"),
    Stop("results", "results"),
    Stop("skills", "skills"),
    Stop("try_it", "try_it"),
    Stop("share", "share"),
)
WATCH = next(number for number, stop in enumerate(STOPS, start=1) if stop.name == "watch")


class Tour:
    """The bar: where the tour is, what is to be seen here, one button onwards."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.seen = gr.State("")
        with gr.Row(visible=False, elem_id="tour") as self.bar:
            self.text = gr.HTML(elem_id="tour-text")
            with gr.Row(elem_id="tour-buttons"):
                self.back = words(gr.Button, Key("tour.back"), elem_id="tour-back", size="sm", min_width=70)
                self.next = gr.Button(variant="primary", elem_id="tour-next", size="sm", min_width=150)
                self.leave = words(gr.Button, Key("tour.leave"), elem_id="tour-leave", size="sm", min_width=90)

    def wire(self, context: Context) -> None:
        """After the screens are built: the tour moves between them and starts what the plan says."""
        selection, quiet = context.selection, {"show_progress": "hidden"}
        moves, drawn = [selection, context.tabs], [self.seen, self.bar, self.text, self.back, self.next]
        context.on(self.next.click, self.go_on, [selection, context.plan], moves)
        context.on(self.back.click, self.go_back, [selection], moves, **quiet)
        context.on(self.leave.click, lambda _, seen: seen.with_tour(0), [selection], selection, **quiet)
        context.on_selection(self.draw, drawn)
        context.on_tick(self.poll, [selection, self.seen], drawn)

    def go_on(self, context: Context, selection: Selection, plan: str) -> Shown:
        """The next stop. On the way out of the plan the training starts, unless the project has a run already."""
        stop = STOPS[selection.tour - 1]
        if stop.name == "plan":
            selection = _with_a_run(context, selection, plan)
        if selection.tour >= len(STOPS):
            return context.go_to(selection.with_tour(0), "home")
        return _at(context, selection, selection.tour + 1)

    def go_back(self, context: Context, selection: Selection) -> Shown:
        return _at(context, selection, max(1, selection.tour - 1))

    def draw(self, context: Context, selection: Selection) -> Shown:
        """The bar with its text and buttons; nothing without a tour."""
        if not 1 <= selection.tour <= len(STOPS) or context.project(selection) is None:
            return {self.seen: "", self.bar: gr.update(visible=False), self.text: ""}
        stop = STOPS[selection.tour - 1]
        status = _watched(context, selection) if stop.name == "watch" else None
        text = tour_text(selection.tour, status)
        ready = status is None or status.state == "succeeded"
        return {
            self.seen: text,
            self.bar: gr.update(visible=True),
            self.text: text,
            self.back: gr.update(interactive=selection.tour > 1),
            self.next: gr.update(value=say(f"tour.{stop.name}_next"), interactive=ready),
        }

    def poll(self, context: Context, selection: Selection, seen: str) -> Shown:
        """While the tour waits for the training it says how far that is; nothing new, nothing sent."""
        if selection.tour != WATCH:
            return gr.skip()
        shown = self.draw(context, selection)
        return gr.skip() if shown[self.seen] == seen else shown


def _at(context: Context, selection: Selection, number: int) -> Shown:
    return context.go_to(selection.with_tour(number), STOPS[number - 1].screen)


def _with_a_run(context: Context, selection: Selection, plan: str) -> Selection:
    project = context.require_project(selection)
    usable = [run for run in list_summaries(project) if run.state in LIVE or run.state == "succeeded"]
    known = next(iter(own_runs(usable)), None)
    return start(context, selection, plan, "") if known is None else selection.with_run(known.run_id)


def tour_text(number: int, status: RunStatus | None) -> str:
    """Where the tour is (as dots and in words), and two sentences about this stop."""
    stop = STOPS[number - 1]
    dots = "".join(f'<i class="{"on" if n <= number else ""}"></i>' for n in range(1, len(STOPS) + 1))
    count = say("tour.count", n=number, all=len(STOPS))
    body = esc(say(f"tour.{stop.name}_text"))
    if status is not None:
        body += f' <b class="n">{esc(_word_wait(status))}</b>'
    return (
        f'<div class="tour-count"><span class="dots" aria-hidden="true">{dots}</span>{esc(count)}</div>'
        f"<b>{esc(say(f'tour.{stop.name}_title'))}</b><p>{body}</p>"
    )


def _watched(context: Context, selection: Selection) -> RunStatus:
    run_dir = context.run_dir(selection)
    return RunStatus() if run_dir is None else run_state(RunFolder(run_dir))


def _word_wait(status: RunStatus) -> str:
    if status.state == "succeeded":
        return say("tour.watch_done")
    if not status.is_live:
        return say("tour.watch_stopped")
    return say("tour.watch_busy", share=f"{status.progress:.0%}", eta=word_eta(status))
