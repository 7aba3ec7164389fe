"""Train: plan a run, start it, watch it, stop or resume it. The run is a process of its own; this page looks."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from app.drawing.curves import Curves, new_curves
from app.drawing.forms import setting_labels
from app.drawing.markup import empty, log_view, note
from app.drawing.run_markup import progress_panel, word_remedy
from app.shell.context import Context
from app.shell.permissions import note_deletion
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_whole
from app.texts.words import Key
from app.train.about_panel import AboutPanel
from app.train.consent_row import ConsentRow, Wish
from app.train.history_panel import HistoryPanel
from app.train.live_views import LiveViews, skills_stamp
from app.train.models_panel import ModelsPanel
from app.train.plan import Plan
from app.train.queue_panel import QueuePanel
from app.train.rehearsal_panel import RehearsalPanel
from app.train.run_actions import act
from app.train.start_run import SHOW_RUN, start
from app.train.where_panel import WherePanel
from core.base.files import new_id
from core.insight.jobs import end_jobs
from core.runs.creation import delete_run, require_ended
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.prediction import read_prediction
from core.runs.rerun import Remedy, find_remedy
from core.runs.states import STARTING, RunStatus
from core.runs.summaries import damaged_files, summarise_run
from core.runs.where import read_log as read_far_log
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
        self.consent = ConsentRow(context)
        self.views = LiveViews()
        with words(gr.Accordion, label=Key("run.log"), open=False) as self.fold:
            self.log = gr.HTML(elem_id="run-log")
            self.reload = words(gr.Button, Key("run.log_reload"), size="sm")
        self.wish = gr.State(("", ""))
        self._wire(context)

    def _wire(self, context: Context) -> None:
        selection, quiet = context.selection, {"show_progress": "hidden"}
        shown = [self.seen, self.curves, self.progress, *self.views.all, *self.buttons.values(), self.fold]
        context.on_tick(self.poll, [selection, self.seen, self.curves], shown)
        context.on_selection(self.draw, shown, [self.curves])
        context.on_selection(self.draw_log, [self.log, self.ask], [self.wish])
        for view in (self.views.losses, self.views.measures):  # a browser that missed a tick asks for the figures
            context.on(view.click, self.draw, [selection, self.curves], shown, **quiet)
        self.consent.wire(context, {name: self.buttons[name] for name in ("stop", "kill", "resume", "mend")})
        for name in ("cancel", "delete"):
            ask = partial(self.ask_first, wish=name)
            context.on(self.buttons[name].click, ask, [selection], [self.wish, self.ask], **quiet)
        context.on(self.no.click, lambda _: gr.update(visible=False), [], self.ask, **quiet)
        context.on(self.yes.click, self.grant, [selection, self.wish], [selection, self.ask])
        for trigger in (self.reload.click, self.fold.expand):
            context.on(trigger, read_log, [selection], self.log)

    def ask_first(self, _: Context, selection: Selection, *, wish: str) -> Shown:
        """What would be lost is confirmed by a second click."""
        return {self.wish: (wish, selection.run_id), self.ask: gr.update(visible=True)}

    def grant(self, context: Context, selection: Selection, wish: Wish) -> Shown:
        """The user has confirmed to cancel or delete the chosen run."""
        run_dir = context.run_dir(selection)
        if wish[0] == "delete" and run_dir is not None:
            note_deletion(context, context.workspace.project_of_run(run_dir), [run_dir.name])
            require_ended(RunFolder(run_dir))
            end_jobs(context.workspace.root, selection.project_id, run_dir.name)
            delete_run(RunFolder(run_dir))
            after = context.open_project(selection, selection.project_id)
        else:
            after = act(context, selection, name="cancel")
        return {context.selection: after, self.ask: gr.update(visible=False)}

    def draw_log(self, context: Context, selection: Selection, wish: Wish) -> Shown:
        """The log as it lies here: for the rest an engine may need seconds, and opening the fold asks it. The
        confirm row goes unless it asks about this run, in a state that still has the button."""
        run_dir = context.run_dir(selection)
        status = run_state(RunFolder(run_dir)) if run_dir else None
        button = buttons_for(status).get(wish[0], {}) if wish[1] == selection.run_id else {}
        stays = button.get("visible", False)
        log = log_view(RunFolder(run_dir).read_log(LOG_LINES)) if run_dir else ""
        return {self.log: log, self.ask: gr.skip() if stays else gr.update(visible=False)}

    def draw(self, context: Context, selection: Selection, curves: Curves) -> Shown:
        """The chosen run, all of it: after a page load, a switch of language, or another choice."""
        run_dir = context.run_dir(selection)
        if run_dir is None:
            hint = empty(say("run.none_title"), say("run.none_text"))
            views = dict.fromkeys(self.views.all, "")
            return {self.seen: (), self.curves: Curves(), self.progress: hint, **views, **self._buttons(None)}
        folder = RunFolder(run_dir)
        if curves.run_id != folder.run_id:
            curves = new_curves(folder.run_id, summarise_run(folder).tasks)
        curves.take(folder.read_events(curves.cursor))
        status = run_state(folder)
        return {
            self.seen: _stamp(folder, status, curves),
            self.curves: curves,
            **self.views.whole(curves, status.total_steps),
            **self.views.skills_of(folder),
            **self._progress(folder, status),
        }

    def poll(self, context: Context, selection: Selection, seen: tuple[Any, ...], curves: Curves) -> Shown:
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
        views: Shown = {}
        if grown and curves.number > 1 and seen and seen[-3:-1] == stamp[-3:-1]:
            views = self.views.grown(curves)
        elif grown:
            views = self.views.whole(curves, status.total_steps)
        if not seen or seen[-1] != stamp[-1]:
            views |= self.views.skills_of(folder)
        return {self.seen: stamp, self.curves: curves, **views, **self._progress(folder, status)}

    def _progress(self, folder: RunFolder, status: RunStatus) -> Shown:
        damaged = damaged_files(folder)
        remedy = None if damaged else find_remedy(folder, status)
        told = word_remedy(remedy, folder.read_config(), setting_labels()) if remedy else ""
        if damaged and status.message_key != "run.damaged":
            told = word_whole("run.damaged", {"name": folder.read_name(), "file": ", ".join(damaged)})
        can_keep = status.state == "interrupted" and bool(list_checkpoints(folder.checkpoints_dir))
        panel = progress_panel(folder.read_name(), status, told, read_prediction(folder))
        return {self.progress: panel, **self._buttons(status, remedy, can_keep)}

    def _buttons(self, status: RunStatus | None, remedy: Remedy | None = None, can_keep: bool = False) -> Shown:
        """The buttons that make sense in this state, and the log of a run."""
        shown = {self.buttons[name]: look for name, look in buttons_for(status, remedy, can_keep).items()}
        return {**shown, self.fold: gr.update(visible=status is not None)}


class Train:
    """Plan on the left, the chosen run on the right; on a phone one below the other."""

    def __init__(self, context: Context) -> None:
        self.intro = gr.HTML()
        with gr.Row():
            with gr.Column(scale=5, min_width=340):
                self.token = gr.State("")
                self.plan = Plan(context)
                self.where = WherePanel(context)
                RehearsalPanel(context, self.plan.config)
                base = next(field.widget for field in self.plan.fields if field.name == "base_model")
                ModelsPanel(context, self.plan.config, base)
            with gr.Column(scale=6, min_width=340):
                panel = RunPanel(context)
                AboutPanel(context)
                QueuePanel(context)
                HistoryPanel(context)
        self.plan.take_over(context, panel.buttons["reuse"])
        self.panel = panel
        self._wire_start(context)
        context.on_selection(self.draw, [self.intro, self.token])

    def _wire_start(self, context: Context) -> None:
        """A click is seen at once: the run's place comes into sight and says that it begins, before the tasks are
        frozen and the worker is launched."""
        selection, panel, click = context.selection, self.panel, self.plan.start.click
        given, shown = [selection, self.plan.config, self.token, self.where.choice], [selection, self.token]
        click(None, js=SHOW_RUN, api_visibility="private")
        begun = context.on(click, self.announce, [], [panel.progress, *panel.views.all], show_progress="hidden")
        started = context.on(begun.success, self.start, given, shown, show_progress="hidden")
        started.success(None, js=SHOW_RUN, api_visibility="private")
        drawn = [panel.seen, panel.curves, panel.progress, *panel.views.all, *panel.buttons.values(), panel.fold]
        context.on(started.failure, panel.draw, [selection, panel.curves], drawn, show_progress="hidden")

    def announce(self, _: Context) -> Shown:
        """What stands in the run's place until there is a run."""
        views = dict.fromkeys(self.panel.views.all, "")
        return {self.panel.progress: progress_panel(say("run.begins"), RunStatus(state=STARTING)), **views}

    def start(self, context: Context, selection: Selection, text: str, token: str, where: str) -> Shown:
        """Starts what the plan says; the next click starts another run."""
        return {context.selection: start(context, selection, text, token, where), self.token: new_id()}

    def draw(self, _: Context, __: Selection) -> Shown:
        return {self.intro: note(say("train.lead")), self.token: new_id()}


def read_log(context: Context, selection: Selection) -> str:
    run_dir = context.run_dir(selection)
    return log_view(read_far_log(RunFolder(run_dir), LOG_LINES)) if run_dir else ""


def buttons_for(status: RunStatus | None, remedy: Remedy | None = None, can_keep: bool = False) -> dict[str, Any]:
    """An update for each of BUTTONS: only what makes sense in a state is there; nothing without a run."""
    if status is None:
        return {name: gr.update(visible=False) for name, _ in BUTTONS}
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
    return updates


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


build = Train
