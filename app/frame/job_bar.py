"""One bar for all that is at work, whatever the screen: trainings, exams and other jobs, imports, exports."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from app.drawing.run_markup import job_bar, work_bar
from app.shell.context import WORK_SCREENS, Context
from app.shell.notices import tell
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, say_or
from core.insight.jobs import live_jobs
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.states import LIVE
from core.runs.summaries import RunSummary, list_all_summaries, list_summaries
from core.workspace import Project

TICK_S = 1.5  # while something is at work
IDLE_TICK_S = 6.0

_CLICK = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-place]');
  if (button) trigger('click', {place: button.dataset.place});
});"""

Runs = dict[str, list[RunSummary]]  # of each project, by its id


@dataclass(frozen=True)
class Bar:
    """What the bar shows, and the (run, state) of each run in it."""

    text: str
    states: tuple[tuple[str, str], ...]


class JobBar:
    """It floats above the bottom edge, so that its coming and going moves nothing."""

    def __init__(self, context: Context) -> None:
        self.bar, self.seen = gr.HTML(elem_id="job-bar", js_on_load=_CLICK), gr.State(None)
        selection, shown = context.selection, [self.bar, self.seen, context.clock]
        context.on_tick(self.poll, [selection, self.seen], [*shown, selection])
        context.on_selection(self.draw, shown, [self.seen])
        context.on(self.bar.click, open_job, [selection], [selection, context.tabs], show_progress="hidden")

    def draw(self, context: Context, selection: Selection, seen: Bar | None) -> Shown:
        """What is at work for this owner in one line each, and how often to look; nothing new, nothing sent."""
        projects = context.projects(selection)
        runs = list_all_summaries(projects)
        lines, states = _run_lines(projects, runs)
        lines += _other_lines(context, selection, projects, runs)
        now = Bar("".join(lines), tuple(states))
        if now == seen:
            return gr.skip()
        often = gr.update(value=TICK_S if lines else IDLE_TICK_S)
        return {self.bar: now.text, self.seen: now, context.clock: often}

    def poll(self, context: Context, selection: Selection, seen: Bar | None) -> Shown:
        """As `draw`; when a run has begun, stopped or ended, the open screen reads anew."""
        shown = self.draw(context, selection, seen)
        if shown != gr.skip() and seen is not None and seen.states != shown[self.seen].states:
            shown[context.selection] = selection.moved()
        return shown


def _run_lines(projects: list[Project], runs: Runs) -> tuple[list[str], list[tuple[str, str]]]:
    lines, states = [], []
    for project in projects:
        for run in runs[project.project_id]:
            if run.state in LIVE:
                status = run_state(RunFolder(project.runs_dir / run.run_id))
                place = f"train/{project.project_id}/{run.run_id}"
                lines.append(job_bar(place, f"{project.name} · {run.name}", status))
                states.append((run.run_id, status.state))
    return lines, states


def _other_lines(context: Context, selection: Selection, projects: list[Project], runs: Runs) -> list[str]:
    """Jobs in processes of their own, and what this process does itself."""
    names = {project.project_id: project.name for project in projects}
    run_names = {run.run_id: run.name for listed in runs.values() for run in listed}
    lines = []
    for place, state in live_jobs(context.workspace.root):
        if place.project_id not in names:
            continue  # another visitor's
        share = state.share if state.total and not state.waiting else None
        screen = context.job_screens.get(place.kind, "results")
        name = " · ".join(n for n in (names[place.project_id], run_names.get(place.run_id, "")) if n)
        where = f"{screen}/{place.project_id}/{place.run_id}"
        lines.append(work_bar(where, name, word_work(place.kind), share, state.eta_s))
    for work in context.work.of(selection.owner):
        if work.project_id in names:
            where = f"{work.screen}/{work.project_id}/{work.run_id}"
            lines.append(work_bar(where, names[work.project_id], word_work(work.kind), None))
    return lines


def word_work(kind: str) -> str:
    """What a job does; one that has no words of its own is a job."""
    return say_or(f"work.{kind}", say("work.other"))


def open_job(context: Context, selection: Selection, event: gr.EventData) -> Shown:
    """A click on the bar leads to the screen of the job, in its project and run."""
    screen, project_id, run_id = [*str(event.place).split("/"), "", ""][:3]
    project = next((p for p in context.projects(selection) if p.project_id == project_id), None)
    if project is None or screen not in {"train", *context.job_screens.values(), *WORK_SCREENS.values()}:
        tell(say("address.no_project"), 8)
        return {context.selection: selection.touched()}
    if not run_id and selection.project_id == project_id:
        return context.go_to(selection, screen)
    known = any(run.run_id == run_id for run in list_summaries(project))
    chosen = selection.with_project(project_id, run_id) if known else context.open_project(selection, project_id)
    return context.go_to(chosen, screen)
