"""Home: what this is, the projects, the guided tour of the sample, and what to do next in the open project."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.durations import word_moment
from app.drawing.markup import bullets, note, part
from app.drawing.run_markup import word_mean
from app.drawing.widgets import card, cards
from app.home.archive_panel import PackPanel
from app.home.intro import intro_markup
from app.shell.bucket_thread import forgets_at_restart
from app.shell.context import Context
from app.shell.permissions import counting, note_deletion, require_shared_project
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.upload_folders import forget_project
from app.texts import say, word_error
from app.texts.language import in_language
from app.texts.words import Key, Words
from core.base.errors import TaskloomError
from core.messages.locales import LANGUAGES
from core.runs.states import LIVE
from core.runs.summaries import FEW_ROWS, RunSummary, list_all_summaries, list_summaries, own_runs
from core.tasks.changing.sample import load_sample
from core.tasks.store import list_tasks
from core.workspace import DamagedProject, Project

TITLE = "tab.home"
STEPS = ("tasks", "train", "results", "skills", "try_it")


class Home:
    """A first visitor sees what this is and two ways to begin; later the next step and the projects come first."""

    def __init__(self, context: Context) -> None:
        words = context.words
        self.intro = gr.HTML(elem_id="home-intro")
        self.steps = cards("home-steps", "five")
        with gr.Column(visible=False) as self.own:
            self.title = gr.HTML()
            self.projects = cards("home-projects")
        with gr.Row(elem_id="home-start"):
            with gr.Column(elem_classes="start-card", min_width=280):
                self.offer = gr.HTML()
                self.sample = words(gr.Button, Key("home.sample"), variant="primary", elem_id="project-sample")
            with gr.Column(elem_classes="start-card", min_width=280):
                self.invite = gr.HTML()
                self._build_name(words)
        PackPanel(context)
        with words(
            gr.Accordion, label=Key("home.remove_title"), open=False, elem_id="project-danger"
        ) as self.danger:
            self.sure = words(
                gr.Checkbox, label=Key("home.remove_sure"), value=False, elem_id="project-remove-sure"
            )
            self.remove = words(
                gr.Button, Key("home.remove"), variant="stop", interactive=False, elem_id="project-remove"
            )
        self._wire(context)

    def _build_name(self, words: Words) -> None:
        given = {"label": Key("home.name"), "placeholder": Key("home.name_hint"), "max_length": 80}
        with gr.Row(elem_classes="bottom"):
            self.name = words(gr.Textbox, **given, scale=3, min_width=150, elem_id="project-name")
            self.create = words(gr.Button, Key("home.create"), scale=2, min_width=120, elem_id="project-create")

    def _wire(self, context: Context) -> None:
        selection, moves = context.selection, [context.selection, context.tabs]
        for trigger in (self.create.click, self.name.submit):
            context.on(trigger, self.create_project, [selection, self.name], [*moves, self.name])
        context.on(self.sample.click, self.open_sample, [selection], moves, show_progress="full")
        context.on(self.projects.click, self.open_project, [selection], moves)
        context.on(self.steps.click, self.go_to_step, [], context.tabs)
        context.on(self.sure.input, lambda _, sure: gr.update(interactive=bool(sure)), [self.sure], self.remove)
        context.on(
            self.remove.click, self.remove_project, [selection, self.sure], [selection, self.sure, self.remove]
        )
        shown = [self.intro, self.steps, self.own, self.title, self.projects, self.danger]
        context.on_selection(self.draw, shown)
        context.on_selection(self.draw_start, [self.offer, self.invite, self.create])

    def create_project(self, context: Context, selection: Selection, name: str) -> Shown:
        """A new project, and the Tasks screen to fill it."""
        with counting(context, selection):
            require_shared_project(context, selection)
            project = context.workspace.create_project(name, selection.owner)
        return {**context.go_to(selection.with_project(project.project_id), "tasks"), self.name: ""}

    def open_sample(self, context: Context, selection: Selection) -> Shown:
        """Opens the sample project with the tour."""
        project = _find_sample(context, selection) or _make_sample(context, selection)
        return context.go_to(context.open_project(selection.with_tour(1), project.project_id), "tasks")

    def open_project(self, context: Context, selection: Selection, event: gr.EventData) -> Shown:
        """A click opens a project; the only button of a damaged one gives it a new record first."""
        if event.act == "act" and not context.shared:
            context.workspace.repair_project(str(event.id), owner=selection.owner)
        return context.go_to(context.open_project(selection, str(event.id)), "tasks")

    def go_to_step(self, _: Context, event: gr.EventData) -> Any:
        return gr.update(selected=f"tab.{event.id}")

    def remove_project(self, context: Context, selection: Selection, sure: bool) -> Shown:
        """Deletes the open project with everything in it; its runs must have ended."""
        if sure:
            project = context.require_project(selection)
            if any(run.state in LIVE for run in list_summaries(project)):
                raise gr.Error(say("home.remove_busy"), title=say("error.title"))
            note_deletion(context, project)
            forget_project(context, project)
        gone = selection.with_project("").with_tour(0)
        return {context.selection: gone, self.sure: False, self.remove: gr.update(interactive=False)}

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Introduction, the way through the workbench, the projects."""
        projects, current = context.projects(selection), context.project(selection)
        listed = list_all_summaries(projects)
        # Whose a damaged one is nobody knows: on a shared page it is shown to nobody, and `doctor` names it.
        damaged = [] if context.shared else context.workspace.list_damaged_projects()
        intro = part(say("home.open", name=current.name)) if current else intro_markup(context.shared)
        if forgets_at_restart():
            intro = bullets([("warn", say("home.forgets"))]) + intro
        return {
            self.intro: intro,
            self.steps: _steps(current),
            self.own: gr.update(visible=bool(projects or damaged)),
            self.title: part(say("home.choose")),
            self.projects: [
                *(_damaged_card(project) for project in damaged),
                *(_project_card(p, listed[p.project_id], p == current) for p in reversed(projects)),
            ],
            self.danger: gr.update(visible=current is not None),
        }

    def draw_start(self, context: Context, selection: Selection) -> Shown:
        """The offer of the tour, and the invitation to bring files, whose button is the second choice at first."""
        offer, invite = (
            part(say(f"home.{name}_title")) + note(say(f"home.{name}_text")) for name in ("tour", "own")
        )
        main = "primary" if context.projects(selection) else "secondary"
        return {self.offer: offer, self.invite: invite, self.create: gr.update(variant=main)}


def _find_sample(context: Context, selection: Selection) -> Project | None:
    names = {in_language(language, say, "home.sample_name") for language in LANGUAGES}
    return next((p for p in context.projects(selection) if p.name in names), None)


def _make_sample(context: Context, selection: Selection) -> Project:
    """Made from the files in assets at the first click; a failed copy leaves nothing."""
    with counting(context, selection):
        require_shared_project(context, selection)
        project = context.workspace.create_project(say("home.sample_name"), selection.owner)
    try:
        load_sample(project)
    except TaskloomError:
        context.workspace.delete_project(project)
        raise
    return project


def _damaged_card(project: DamagedProject) -> dict[str, Any]:
    message, _ = word_error(project.error.key, project.error.values)
    said = {"text": f"{message} {say('damage.project')}", "action": say("damage.repair"), "still": True}
    return card(project.path.name, project.path.name, badge=say("damage.badge"), tone="bad", **said)


def _project_card(project: Project, runs: list[RunSummary], active: bool) -> dict[str, Any]:
    """Name, how much is in it, the best mean score beside what guessing gets, when something last happened."""
    num_tasks = len(list_tasks(project))
    busy = any(run.state in LIVE for run in runs)
    last = max([project.created, *(run.created or 0 for run in runs)])
    best = max((run for run in own_runs(runs) if run.tuned is not None), key=_rank_of, default=None)
    parts = [say("home.card", tasks=num_tasks, runs=len(runs))]
    if best is not None:
        parts.append(say("home.best", mean=word_mean(best)))
    parts.append(word_moment(last))
    return card(
        project.project_id,
        project.name,
        active=active,
        meta=" · ".join(parts),
        badge=say("home.training") if busy else "",
        tone="busy",
    )


def _rank_of(run: RunSummary) -> tuple[bool, float]:
    """A high mean of a few exam rows is no reason to be called the best."""
    return run.standing != FEW_ROWS, run.tuned or 0.0


def _steps(project: Project | None) -> list[dict[str, Any]]:
    """The way through the workbench; the first step that is not done is the active one. Without a project the way
    is only shown."""
    tasks, runs = (list_tasks(project), list_summaries(project)) if project else ([], [])
    trained = any(run.state == "succeeded" for run in runs)
    done = {"tasks": bool(tasks), "train": trained}
    following = next((step for step in STEPS if not done.get(step, False)), "") if project else ""
    return [
        card(
            step,
            f"{number} · {say(f'tab.{step}')}",
            text=say(f"home.step_{step}"),
            badge=say("home.next") if step == following else "✓" if done.get(step) else "",
            tone="" if step == following else "good",
            active=step == following,
            still=project is None,
        )
        for number, step in enumerate(STEPS, start=1)
    ]


build = Home
