"""Train: plan a run, start it, watch it, stop or resume it. The run is a process of its own; this page looks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.context import Context
from app.curves import Curves, new_curves
from app.figures import loss_panels, to_json
from app.markup import empty, log_view, note, part
from app.plan import Plan
from app.run_markup import progress_panel, run_card
from app.selection import Selection
from app.sharing_rules import note_deletion, require_shared_resume
from app.starting import start
from app.texts import say
from app.widgets import cards, plot
from app.words import Key
from core.files import new_id
from core.runs.again import mend_run
from core.runs.creation import delete_run
from core.runs.folder import RunFolder
from core.runs.launching import cancel_run, resume_run, stop_run
from core.runs.liveness import run_state
from core.runs.states import RunStatus
from core.runs.summaries import list_summaries

TITLE = "tab.train"
LOG_LINES = 200
MENDED = ("out_of_memory", "nan_loss", "hardware")  # failures that other settings may cure
BUTTONS = (
    ("stop", "secondary"),
    ("cancel", "stop"),
    ("resume", "primary"),
    ("mend", "primary"),
    ("reuse", "secondary"),
    ("delete", "stop"),
)


class RunPanel:
    """The chosen run: progress, buttons, loss curves, log; and all runs. `seen` is what was last drawn."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.seen, self.curves = gr.State(()), gr.State(Curves())
        self.progress = gr.HTML(elem_id="run-progress")
        with gr.Row():
            self.buttons = {
                name: words(
                    gr.Button, Key(f"run.{name}"), variant=look, visible=False, elem_id=f"run-{name}", min_width=120
                )
                for name, look in BUTTONS
            }
        with gr.Row(visible=False) as self.ask:
            self.yes = words(gr.Button, Key("run.sure_yes"), variant="stop", elem_id="run-yes")
            self.no = words(gr.Button, Key("run.sure_no"), elem_id="run-no")
        self.about = gr.HTML()
        self.plot = plot("loss-plot")
        with words(gr.Accordion, label=Key("run.log"), open=False) as self.fold:
            self.log = gr.HTML(elem_id="run-log")
            self.reload = words(gr.Button, Key("run.log_reload"), size="sm")
        self.title = gr.HTML()
        self.runs = cards("runs", "rows")
        self.wish = gr.State("")
        self.wire(context)

    @property
    def drawn(self) -> list[Any]:
        return [self.seen, self.curves, self.progress, self.about, self.plot, *self.buttons.values(), self.fold]

    def wire(self, context: Context) -> None:
        selection, state = context.selection, [self.seen, self.curves]
        context.on_tick(poll_run, [selection, *state], [*self.drawn, selection])
        context.on_selection(draw_run, self.drawn, [self.curves])
        context.on_selection(draw_runs, [self.title, self.runs, self.log, self.ask])
        context.on(self.runs.click, choose_run, [selection], selection, show_progress="hidden")
        for name in ("stop", "resume", "mend"):
            context.on(self.buttons[name].click, partial(act, name=name), [selection], selection)
        for name in ("cancel", "delete"):
            ask = partial(ask_first, wish=name)
            context.on(self.buttons[name].click, ask, [], [self.wish, self.ask], show_progress="hidden")
        context.on(self.no.click, lambda _: gr.update(visible=False), [], self.ask, show_progress="hidden")
        context.on(self.yes.click, grant, [selection, self.wish], [selection, self.ask])
        for trigger in (self.reload.click, self.fold.expand):
            context.on(trigger, read_log, [selection], self.log)


def build(context: Context) -> None:
    """Plan on the left, the chosen run on the right; on a phone one below the other."""
    intro = gr.HTML()
    with gr.Row():
        with gr.Column(scale=5, min_width=340):
            token = gr.State("")
            plan = Plan(context)
        with gr.Column(scale=6, min_width=340):
            panel = RunPanel(context)
    plan.take_over(context, panel.buttons["reuse"])
    context.on(
        plan.start.click,
        start,
        [context.selection, plan.config, token],
        [context.selection, token],
        show_progress="full",
    )
    context.on_selection(
        lambda _, selection: (note(say(selection.language, "train.lead")), new_id()), [intro, token]
    )


def act(context: Context, selection: Selection, *, name: str) -> Selection:
    """One of ACTS on the chosen run; the screens read it again. What is new becomes the chosen run."""
    run_dir = context.run_dir(selection)
    if run_dir is None:
        return selection.touched()
    if name in ("resume", "mend"):
        require_shared_resume(context, selection, RunFolder(run_dir))
    made = ACTS[name](RunFolder(run_dir))
    return selection.with_run(made.run_id) if isinstance(made, RunFolder) else selection.touched()


ACTS: dict[str, Callable[[RunFolder], Any]] = {
    "stop": stop_run,
    "cancel": cancel_run,
    "resume": resume_run,
    "mend": mend_run,
}


def ask_first(_: Context, *, wish: str) -> tuple[str, Any]:
    """What would be lost is confirmed by a second click."""
    return wish, gr.update(visible=True)


def grant(context: Context, selection: Selection, wish: str) -> tuple[Selection, Any]:
    """The user has confirmed to cancel or delete the chosen run."""
    run_dir = context.run_dir(selection)
    if wish == "delete" and run_dir is not None:
        note_deletion(context, context.workspace.project_of_run(run_dir), [run_dir.name])
        delete_run(RunFolder(run_dir))
        return context.open_project(selection, selection.project_id), gr.update(visible=False)
    return act(context, selection, name="cancel"), gr.update(visible=False)


def choose_run(context: Context, selection: Selection, event: gr.EventData) -> Selection:
    return selection.with_run(str(event.id))


def read_log(context: Context, selection: Selection) -> str:
    run_dir = context.run_dir(selection)
    return log_view(RunFolder(run_dir).read_log(LOG_LINES)) if run_dir else ""


def draw_run(context: Context, selection: Selection, curves: Curves) -> list[Any]:
    """The chosen run, all of it: after a page load, a switch of language, or another choice."""
    run_dir = context.run_dir(selection)
    if run_dir is None:
        hint = empty(say(selection.language, "run.none_title"), say(selection.language, "run.none_text"))
        return [(), Curves(), hint, "", "", *buttons_for(None)]
    folder, language = RunFolder(run_dir), selection.language
    run = folder.read_run()
    if curves.run_id != folder.run_id:
        curves = new_curves(folder.run_id, [task["name"] for task in run["tasks"]])
    curves.take(folder.read_events(curves.cursor))
    status = run_state(folder)
    seen = _stamp(folder, status)
    return [
        seen,
        curves,
        progress_panel(run["name"], status, language),
        *_loss(curves, status.total_steps, language),
        *buttons_for(status),
    ]


def poll_run(context: Context, selection: Selection, seen: tuple[Any, ...], curves: Curves) -> Any:
    """Looks at the chosen run; nothing new, nothing sent. When the run ends, all screens read anew."""
    run_dir = context.run_dir(selection)
    if run_dir is None or curves.run_id != run_dir.name:
        return gr.skip()
    folder, language = RunFolder(run_dir), selection.language
    status = run_state(folder)
    stamp = _stamp(folder, status)
    if stamp == seen:
        return gr.skip()
    grown = curves.take(folder.read_events(curves.cursor))
    loss = _loss(curves, status.total_steps, language) if grown else (gr.skip(), gr.skip())
    ended = bool(seen) and seen[0] != status.state
    panel = progress_panel(folder.read_run()["name"], status, language)
    return [stamp, curves, panel, *loss, *buttons_for(status), selection.touched() if ended else gr.skip()]


def draw_runs(context: Context, selection: Selection) -> tuple[Any, ...]:
    """-> heading, cards of all runs, log, and the confirm row put away."""
    project, language = context.project(selection), selection.language
    runs = list_summaries(project) if project else []
    shown = [run_card(run, run.run_id == selection.run_id, language) for run in runs]
    heading = part(say(language, "run.history")) if shown else ""
    return heading, shown, read_log(context, selection), gr.update(visible=False)


def buttons_for(status: RunStatus | None) -> list[Any]:
    """Visibility of BUTTONS and of the log: only what makes sense in a state is there."""
    if status is None:
        return [gr.update(visible=False)] * (len(BUTTONS) + 1)
    live = status.is_live and status.state != "stopping"
    shown = {
        "stop": live,
        "cancel": live or status.state == "interrupted",
        "resume": status.state == "interrupted",
        "mend": status.failure in MENDED,
        "reuse": not status.is_live,
        "delete": not status.is_live,
    }
    return [*(gr.update(visible=shown[name]) for name, _ in BUTTONS), gr.update(visible=True)]


def _loss(curves: Curves, last_step: int, language: str) -> tuple[str, str]:
    """Heading with an explanation, and the figure; nothing before the first point."""
    if not any(curves.practice.values()) and not any(curves.checks.values()):
        return "", ""
    about = part(say(language, "train.loss_title")) + note(say(language, "train.loss_note"))
    return about, to_json(loss_panels(curves, last_step, language))


def _stamp(folder: RunFolder, status: RunStatus) -> tuple[Any, ...]:
    """Changes exactly when there is something new to draw."""
    return (
        status.state,
        status.stage,
        status.step,
        status.progress,
        status.eta_s,
        status.message_key,
        status.queue_place,
        str(status.message_values),
        folder.last_event_id(),
    )
