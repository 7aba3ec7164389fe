"""What every screen needs: the workspace, the mode, the words, and the components that all screens share."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.markup import place_mark
from app.shell.bucket_thread import Copier
from app.shell.handlers import bind_first, guarded
from app.shell.redraw import Page, Redraw, Shown, keep_typed, spread
from app.shell.selection import Selection
from app.shell.staying import stays_put
from app.shell.stream_columns import Stops
from app.shell.visitors import require_visitor
from app.shell.work_list import Work, WorkList
from app.texts.words import Words
from core.base.errors import WorkspaceError
from core.chat.client import ChatClient
from core.runs.folder import RunFolder
from core.runs.quotas import Quota, quota_from_environment
from core.runs.summaries import RunSummary, list_summaries, own_runs
from core.tasks.changing.health_memory import HealthMemory
from core.workspace import Project, Workspace

# With every event the browser visits each component that ever showed the progress of one, and searches the whole
# page for it: with hundreds of outputs, tens of seconds. So what shows no progress says so, the rest shows it once.
SILENT: dict[str, Any] = {
    "api_visibility": "private",
    "show_progress": "hidden",
    "show_progress_on": [],
    "concurrency_limit": None,
}


WORK_SCREENS = {"import": "tasks", "fix": "tasks", "export": "share", "push": "share", "merge": "try_it"}
RUN = attrgetter("run_id")  # what most fields are about


@dataclass(frozen=True)
class Poll:
    """Something that is looked at every few seconds."""

    handler: Callable[..., Any]
    inputs: list[Any]
    outputs: list[Any]
    screen: str = ""  # looked at while this screen is open; "" is always


def run_polls(polls: list[Poll], screen: Any, *values: Any) -> Any:
    """The outcomes of all polls side by side; nothing at all when none has something new."""
    outcomes: list[Any] = []
    given = iter(values)
    for poll in polls:
        mine = [next(given) for _ in poll.inputs]
        found = poll.handler(*mine) if poll.screen in ("", screen) else gr.skip()
        outcomes += spread(found, poll.outputs)
    return gr.skip() if all(value == gr.skip() for value in outcomes) else outcomes


def due_screens(screens: list[str], selection: Selection, opened: Any) -> Any:
    """-> one value a screen: the selection for the open one (the first when none was chosen yet)."""
    shown = opened if opened in screens else screens[0]
    if shown == "tab.tasks":  # shows nothing of runs: what is being typed there outlives the end of one
        selection = dataclasses.replace(selection, run_moves=0)
    values = [selection if screen == shown else gr.skip() for screen in screens]
    return values if len(values) > 1 else values[0]


@dataclass
class Context:
    """Services (workspace, mode) and shared components. Holds no user data: ids live in each tab's `selection`."""

    workspace: Workspace
    shared: bool = False
    words: Words = field(default_factory=Words)
    chat: ChatClient = field(default_factory=ChatClient)
    copies: Copier | None = None
    key: str = ""  # signs what browsers remember and show; set when the page is built
    quota: Quota = field(default_factory=quota_from_environment)
    stops: Stops = field(default_factory=Stops)
    health: HealthMemory = field(default_factory=HealthMemory)
    work: WorkList = field(default_factory=WorkList)
    job_screens: dict[str, str] = field(default_factory=dict)  # kind of a job -> the screen that shows it
    selection: Any = None  # gr.State holding a Selection
    open_screen: Any = None  # gr.BrowserState with the name of the screen that is open, "" before the first choice
    clock: Any = None  # gr.Timer, ticks on every screen: often while a run is at work, else seldom
    polls: list[Poll] = field(default_factory=list)
    screen: str = ""  # the one that is being built
    redraws: dict[str, list[Redraw]] = field(default_factory=dict)
    drawn: dict[str, Any] = field(default_factory=dict)  # per screen: says what it was last drawn for
    presets: dict[str, list[Redraw]] = field(
        default_factory=dict
    )  # drawn last, over what the screen shows by itself
    tabs: Any = None  # gr.Tabs, so that a screen can open another one
    page: Any = None  # gr.Blocks, whose `load` comes when somebody opens the page
    plan: Any = None  # gr.State with the YAML text of the next run
    kept_plan: Any = None  # gr.BrowserState with the same text, for a page that is opened again

    def on(
        self, trigger: Any, handler: Callable[..., Any], inputs: Any = None, outputs: Any = None, **how: Any
    ) -> Any:
        """Wires `handler(context, *inputs)`: errors translated, not offered as a public endpoint. With several
        outputs it gives a `Shown`, {component: value}."""
        how = {"api_visibility": "private", "show_progress": "minimal", **how}
        how["show_progress_on"] = [] if how["show_progress"] == "hidden" else _where_seen(outputs)
        staying = stays_put(self.guarded(handler), outputs, self.selection, self.tabs)
        return trigger(staying, inputs, outputs, **how)

    def guarded(self, handler: Callable[..., Any], quiet: bool = False) -> Callable[..., Any]:
        """`handler(context, *inputs)` as Gradio may call it: visitor checked, errors worded."""
        hide = str(self.workspace.root.resolve()) if self.shared else ""
        return guarded(bind_first(handler, self), quiet, self.require_visitor, hide)

    def require_visitor(self, args: tuple[Any, ...]) -> None:
        """Every handler runs behind this, since hidden endpoints are reachable over HTTP: on a shared page nobody
        acts before the page was opened, and nobody as somebody else."""
        for selection in args:
            if isinstance(selection, Selection):
                require_visitor(selection.owner, self.shared)

    def on_tick(self, handler: Callable[..., Any], inputs: list[Any], outputs: list[Any]) -> None:
        """Polls: `handler(context, *inputs)` gives {component: value}, or gr.skip(). See `wire_ticks`."""
        staying = stays_put(self.guarded(handler, quiet=True), outputs, self.selection, self.tabs)
        self.polls.append(Poll(staying, inputs, outputs, self.screen))

    def wire_ticks(self) -> None:
        """All polls as one event: for the browser an event costs more than what it brings. A screen that is opened
        is looked at at once, since a job of it may have ended while another one was open."""
        inputs = [self.open_screen, *(component for poll in self.polls for component in poll.inputs)]
        outputs = [component for poll in self.polls for component in poll.outputs]
        asked = [self.clock.tick, self.open_screen.change]
        gr.on(asked, partial(run_polls, self.polls), inputs, outputs, **SILENT)

    def on_selection(
        self,
        handler: Callable[..., Any],
        outputs: Any,
        extra: list[Any] | None = None,
        kept: list[Any] | None = None,
        subject: Callable[[Selection], Any] = RUN,
    ) -> None:
        """Redraws part of a screen whenever the selection changes: language, project, task, run or its data.

        `kept`: those of the outputs that a person edits. They are drawn when there is something new to show in them
        or the `subject` is another one, so that no redraw takes away what is being typed.
        """
        inputs = [self.selection, *(extra or [])]
        drawn = outputs if isinstance(outputs, list) else [outputs]
        wired = self.guarded(handler)
        if kept:
            told = gr.State(None)
            wired, inputs, drawn = keep_typed(wired, drawn, kept, subject), [*inputs, told], [*drawn, told]
        self.redraws.setdefault(self.screen, []).append(Redraw(wired, inputs, drawn))

    def on_preset(self, handler: Callable[..., Any], outputs: list[Any], extra: list[Any] | None = None) -> None:
        """Takes what a jump brings for the screen being built: `handler(context, selection, values, *extra)`
        gives a `Shown`, {component: value}, once a jump, after the screen is drawn for it. `values` is a dict."""
        screen, taken = self.screen.removeprefix("tab."), gr.State(0)

        def take(context: Context, selection: Selection, number: int, *given: Any) -> Any:
            preset = selection.preset
            if preset is None or preset.screen != screen or preset.number == number:
                return gr.skip()
            return {**handler(context, selection, dict(preset.values), *given), taken: preset.number}

        inputs = [self.selection, taken, *(extra or [])]
        self.presets.setdefault(self.screen, []).append(Redraw(self.guarded(take), inputs, [*outputs, taken]))

    def wire_redraws(self) -> None:
        """One event a screen, and only for the screen that is open: another one follows when it is opened. `due`
        holds per screen the selection that it was last told to show; what stands on every screen is always told."""
        due = {screen: gr.State(None) for screen in self.redraws if screen}
        asked = [self.selection.change, self.open_screen.change]
        find = partial(due_screens, list(due))
        gr.on(asked, find, [self.selection, self.open_screen], list(due.values()), **SILENT)
        for screen, parts in self.redraws.items():
            told = [Redraw(draw_mark, [self.selection], [self.drawn[screen]])] if screen in self.drawn else []
            page = Page((*parts, *self.presets.get(screen, []), *told))
            changed = due[screen] if screen else self.selection
            changed.change(page.draw, page.inputs, page.outputs, **SILENT)

    def projects(self, selection: Selection) -> list[Project]:
        return self.workspace.list_projects(selection.owner)

    def project(self, selection: Selection) -> Project | None:
        """The open project, or None; only projects of the selection's owner are ever found."""
        return self.workspace.find_project(selection.project_id, selection.owner)

    def require_project(self, selection: Selection) -> Project:
        return self.workspace.get_project(selection.project_id, selection.owner)

    def run_dir(self, selection: Selection) -> Path | None:
        """The folder of the chosen run, or None; only runs of the selection's owner are ever found."""
        if not selection.run_id:
            return None
        project = self.project(selection)  # most often its own, found without a look at hundreds of others
        if project is not None and (own := project.run_dir(selection.run_id)) is not None:
            return own
        try:
            return self.workspace.find_run_dir(selection.run_id, selection.owner)
        except WorkspaceError:
            return None

    def trained_run(self, selection: Selection) -> Path | None:
        """The folder of the chosen run when it has a trained adapter."""
        run_dir = self.run_dir(selection)
        return run_dir if run_dir is not None and RunFolder(run_dir).adapter_dir.is_dir() else None

    def trained_runs(self, selection: Selection) -> list[RunSummary]:
        """The runs of the open project that have a trained adapter, newest first."""
        project = self.project(selection)
        runs = list_summaries(project) if project else []
        return [run for run in runs if os.path.isdir(f"{project.runs_dir}/{run.run_id}/adapter")]  # noqa: PTH112

    def results_seen(self, selection: Selection) -> tuple[Any, ...]:
        """What a file made from the chosen run's results is about: run, results, language."""
        run_dir = self.run_dir(selection)
        results = RunFolder(run_dir).results_path if run_dir else None
        stamp = results.stat().st_mtime_ns if results and results.is_file() else 0
        return (selection.run_id, stamp, selection.language)

    def go_to(self, selection: Selection, screen: str, **preset: Any) -> Shown:
        """Another screen is opened, with this selection. `preset`: what its fields are to hold, see `on_preset`."""
        chosen = selection.with_preset(screen, preset) if preset else selection
        return {self.selection: chosen, self.tabs: gr.update(selected=f"tab.{screen}")}

    def at_work(self, selection: Selection, kind: str) -> AbstractContextManager[None]:
        """While the block runs, the bar of jobs shows it: `with context.at_work(selection, "import"): ...`"""
        screen = WORK_SCREENS.get(kind, "home")
        return self.work.doing(Work(selection.owner, selection.project_id, selection.run_id, kind, screen))

    def open_project(self, selection: Selection, project_id: str) -> Selection:
        """The selection on a project and the newest run that a person asked for.

        Raises:
            WorkspaceError: there is no such project of this owner.
        """
        project = self.workspace.get_project(project_id, selection.owner)
        runs = own_runs(list_summaries(project))
        return selection.with_project(project.project_id, runs[0].run_id if runs else "")


def draw_mark(selection: Selection) -> str:
    """What a screen was drawn for."""
    return place_mark(selection.place)


def _where_seen(outputs: Any) -> list[Any]:
    """The one of an event's outputs that shows its progress: the first that can be seen, also before the event."""
    listed = outputs if isinstance(outputs, list) else [outputs]
    shown = [block for block in listed if block is not None and not isinstance(block, gr.State)]
    return sorted(shown, key=lambda block: getattr(block, "visible", True) is not True)[:1]
