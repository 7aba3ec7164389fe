"""Train: plan a run, start it, watch it, stop or resume it. The run is a process of its own; this page looks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from app.drawing.curves import Curves, new_curves
from app.drawing.forms import setting_labels
from app.drawing.live_plot import live_plot
from app.drawing.markup import empty, log_view, note
from app.drawing.run_markup import progress_panel, word_remedy
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.permissions import note_deletion, require_shared_resume
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from app.train.about_panel import build_about
from app.train.history_panel import build_history
from app.train.live_views import grown_curves, live_skills, skills_stamp, whole_curves
from app.train.plan import Plan
from app.train.queue_panel import build_queue
from app.train.rehearsal_panel import build_rehearsal
from app.train.start_run import start
from core.base.files import new_id
from core.runs.creation import delete_run
from core.runs.folder import RunFolder
from core.runs.launching import cancel_run, kill_run, resume_run, stop_run
from core.runs.liveness import run_state
from core.runs.rerun import Remedy, find_remedy, mend_run
from core.runs.states import RunStatus
from core.training.manifest import list_checkpoints

TITLE = "tab.train"
LOG_LINES = 200
BUTTONS = (
    ("stop", "secondary"),
    ("cancel", "stop"),
    ("kill", "stop"),
    ("resume", "primary"),
    ("mend", "primary"),
    ("reuse", "secondary"),
    ("delete", "stop"),
)
Wish = tuple[str, str]  # what was asked for, of which run


class RunPanel:
    """The chosen run: progress, buttons, curves, skills, log. `seen` is what was last drawn."""

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
        self.views = [
            gr.HTML(),
            live_plot("loss-plot"),
            gr.HTML(),
            live_plot("measure-plot"),
            gr.HTML(),
            plot("live-skills"),
        ]
        with words(gr.Accordion, label=Key("run.log"), open=False) as self.fold:
            self.log = gr.HTML(elem_id="run-log")
            self.reload = words(gr.Button, Key("run.log_reload"), size="sm")
        self.wish = gr.State(("", ""))
        self.wire(context)

    @property
    def drawn(self) -> list[Any]:
        return [self.seen, self.curves, self.progress, *self.views, *self.buttons.values(), self.fold]

    def wire(self, context: Context) -> None:
        selection, state = context.selection, [self.seen, self.curves]
        context.on_tick(poll_run, [selection, *state], self.drawn)
        context.on_selection(draw_run, self.drawn, [self.curves])
        context.on_selection(draw_log, [self.log, self.ask], [self.wish])
        for view in self.views[1:4:2]:  # a browser that missed a tick asks for the whole figures
            context.on(view.click, draw_run, [selection, self.curves], self.drawn, show_progress="hidden")
        for name in ("stop", "kill", "resume", "mend"):
            context.on(self.buttons[name].click, partial(act, name=name), [selection], selection)
        for name in ("cancel", "delete"):
            ask = partial(ask_first, wish=name)
            context.on(self.buttons[name].click, ask, [selection], [self.wish, self.ask], show_progress="hidden")
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
            build_rehearsal(context, plan.config)
        with gr.Column(scale=6, min_width=340):
            panel = RunPanel(context)
            build_about(context)
            build_queue(context)
            build_history(context)
    plan.take_over(context, panel.buttons["reuse"])
    context.on(
        plan.start.click,
        start,
        [context.selection, plan.config, token],
        [context.selection, token],
        show_progress="full",
    )
    context.on_selection(lambda _, selection: (note(say("train.lead")), new_id()), [intro, token])


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
    "kill": kill_run,
    "cancel": cancel_run,
    "resume": resume_run,
    "mend": mend_run,
}


def ask_first(_: Context, selection: Selection, *, wish: str) -> tuple[Wish, Any]:
    """What would be lost is confirmed by a second click."""
    return (wish, selection.run_id), gr.update(visible=True)


def grant(context: Context, selection: Selection, wish: Wish) -> tuple[Selection, Any]:
    """The user has confirmed to cancel or delete the chosen run."""
    run_dir = context.run_dir(selection)
    if wish[0] == "delete" and run_dir is not None:
        note_deletion(context, context.workspace.project_of_run(run_dir), [run_dir.name])
        delete_run(RunFolder(run_dir))
        return context.open_project(selection, selection.project_id), gr.update(visible=False)
    return act(context, selection, name="cancel"), gr.update(visible=False)


def read_log(context: Context, selection: Selection) -> str:
    run_dir = context.run_dir(selection)
    return log_view(RunFolder(run_dir).read_log(LOG_LINES)) if run_dir else ""


def draw_log(context: Context, selection: Selection, wish: Wish) -> tuple[str, Any]:
    """-> log, and the confirm row, put away unless it asks about this run in a state that still has the button."""
    run_dir = context.run_dir(selection)
    status = run_state(RunFolder(run_dir)) if run_dir else None
    shown = dict(zip((name for name, _ in BUTTONS), buttons_for(status), strict=False))
    stays = wish[1] == selection.run_id and wish[0] in shown and shown[wish[0]]["visible"]
    return read_log(context, selection), gr.skip() if stays else gr.update(visible=False)


def draw_run(context: Context, selection: Selection, curves: Curves) -> list[Any]:
    """The chosen run, all of it: after a page load, a switch of language, or another choice."""
    run_dir = context.run_dir(selection)
    if run_dir is None:
        hint = empty(say("run.none_title"), say("run.none_text"))
        return [(), Curves(), hint, *[""] * 6, *buttons_for(None)]
    folder = RunFolder(run_dir)
    if curves.run_id != folder.run_id:
        curves = new_curves(folder.run_id, [task["name"] for task in folder.read_run()["tasks"]])
    curves.take(folder.read_events(curves.cursor))
    status = run_state(folder)
    views = [*whole_curves(curves, status.total_steps), *live_skills(folder)]
    return [_stamp(folder, status, curves), curves, *_panel(folder, status, views)]


def poll_run(context: Context, selection: Selection, seen: tuple[Any, ...], curves: Curves) -> Any:
    """Looks at the chosen run; nothing new, nothing sent, and of curves only what is new. That a run
    ends, the job bar sees."""
    run_dir = context.run_dir(selection)
    if run_dir is None or curves.run_id != run_dir.name:
        return gr.skip()
    folder = RunFolder(run_dir)
    status = run_state(folder)
    grown = folder.last_event_id() > curves.cursor and curves.take(folder.read_events(curves.cursor))
    stamp = _stamp(folder, status, curves)
    if stamp == seen:
        return gr.skip()
    views: list[Any] = [gr.skip()] * 4
    if grown and curves.number > 1 and seen and seen[-3:-1] == stamp[-3:-1]:
        views = grown_curves(curves)
    elif grown:
        views = whole_curves(curves, status.total_steps)
    skills = [gr.skip()] * 2 if seen and seen[-1] == stamp[-1] else live_skills(folder)
    drawn = _panel(folder, status, [*views, *skills])
    return [stamp, curves, *drawn]


def _panel(folder: RunFolder, status: RunStatus, views: list[Any]) -> list[Any]:
    """-> progress, views, buttons, log fold."""
    remedy = find_remedy(folder, status)
    told = word_remedy(remedy, folder.read_config(), setting_labels()) if remedy else ""
    can_keep = status.state == "interrupted" and bool(list_checkpoints(folder.checkpoints_dir))
    panel = progress_panel(folder.read_run()["name"], status, told)
    return [panel, *views, *buttons_for(status, remedy, can_keep)]


def buttons_for(status: RunStatus | None, remedy: Remedy | None = None, can_keep: bool = False) -> list[Any]:
    """Visibility of BUTTONS and of the log: only what makes sense in a state is there."""
    if status is None:
        return [gr.update(visible=False)] * (len(BUTTONS) + 1)
    live = status.is_live and status.state != "stopping"
    shown = {
        "stop": live or can_keep,
        "cancel": live or status.state == "interrupted",
        "kill": status.state in ("stalled", "stopping"),
        "resume": status.state == "interrupted",
        "mend": remedy is not None,
        "reuse": not status.is_live,
        "delete": not status.is_live,
    }
    updates = {name: gr.update(visible=shown[name]) for name, _ in BUTTONS}
    if remedy is not None:
        key = "run.mend" if remedy.changes else "run.mend_again"
        updates["mend"] = gr.update(visible=True, value=say(key))
    return [*updates.values(), gr.update(visible=True)]


def _stamp(folder: RunFolder, status: RunStatus, curves: Curves) -> tuple[Any, ...]:
    """Changes exactly when there is something new to draw. While the last three stay the same, curves only grow and
    the skills are as they were."""
    return (
        status.state,
        status.stage,
        status.step,
        status.progress,
        status.eta_s,
        status.message_key,
        status.queue_place,
        str(status.message_values),
        status.stalled_s,
        curves.number,
        status.total_steps,
        curves.stage2_start,
        skills_stamp(folder),
    )
