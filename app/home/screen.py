"""Home: what this is, the projects, the guided tour of the sample, and what to do next in the open project."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.durations import word_moment, word_score
from app.drawing.markup import bullets, note, part
from app.drawing.widgets import card, cards
from app.home.archive_panel import PackPanel
from app.home.intro import hero
from app.shell.bucket_thread import forgets_at_restart
from app.shell.context import Context
from app.shell.permissions import note_deletion, require_shared_project
from app.shell.selection import Selection
from app.shell.upload_folders import forget_project
from app.texts import say
from app.texts.language import in_language
from app.texts.words import Key
from core.base.errors import TaskloomError
from core.messages.locales import LANGUAGES
from core.runs.states import LIVE
from core.runs.summaries import list_summaries, own_runs
from core.tasks.changing.add_task import list_tasks
from core.tasks.changing.sample import load_sample
from core.workspace import Project

TITLE = "tab.home"
STEPS = ("tasks", "train", "results", "skills", "try_it")


def build(context: Context) -> None:
    """A first visitor sees what this is and two ways to begin; later the next step and the projects come first."""
    words = context.words
    intro = gr.HTML(elem_id="home-intro")
    steps = cards("home-steps", "five")
    with gr.Column(visible=False) as own:
        title = gr.HTML()
        projects = cards("home-projects")
    with gr.Row(elem_id="home-start"):
        with gr.Column(elem_classes="start-card", min_width=280):
            offer = gr.HTML()
            sample = words(gr.Button, Key("home.sample"), variant="primary", elem_id="project-sample")
        with gr.Column(elem_classes="start-card", min_width=280):
            invite = gr.HTML()
            with gr.Row(elem_classes="bottom"):
                name = words(
                    gr.Textbox,
                    label=Key("home.name"),
                    placeholder=Key("home.name_hint"),
                    max_length=80,
                    scale=3,
                    min_width=150,
                    elem_id="project-name",
                )
                create = words(gr.Button, Key("home.create"), scale=2, min_width=120, elem_id="project-create")
    PackPanel(context)
    with words(gr.Accordion, label=Key("home.remove_title"), open=False, elem_id="project-danger") as danger:
        gone = words(gr.Checkbox, label=Key("home.remove_sure"), value=False, elem_id="project-remove-sure")
        remove = words(gr.Button, Key("home.remove"), variant="stop", interactive=False, elem_id="project-remove")
    moves = [context.selection, context.tabs]
    for trigger in (create.click, name.submit):
        context.on(trigger, create_project, [context.selection, name], [*moves, name])
    context.on(sample.click, open_sample, [context.selection], moves, show_progress="full")
    context.on(projects.click, open_project, [context.selection], moves)
    context.on(steps.click, go_to_step, [], context.tabs)
    context.on(gone.input, lambda _, sure: gr.update(interactive=bool(sure)), [gone], remove)
    context.on(remove.click, remove_project, [context.selection, gone], [context.selection, gone, remove])
    context.on_selection(draw, [intro, steps, own, title, projects, danger])
    context.on_selection(draw_start, [offer, invite, create])


def create_project(context: Context, selection: Selection, name: str) -> tuple[Any, ...]:
    """-> selection on the new project, the Tasks screen, an empty name field."""
    require_shared_project(context, selection)
    project = context.workspace.create_project(name, selection.owner)
    return selection.with_project(project.project_id), gr.update(selected="tab.tasks"), ""


def open_sample(context: Context, selection: Selection) -> tuple[Any, ...]:
    """Opens the sample project with the tour. It is made from the files in assets at the first click; a failed copy
    leaves nothing."""
    label = say("home.sample_name")
    names = {in_language(language, say, "home.sample_name") for language in LANGUAGES}
    known = next((p for p in context.projects(selection) if p.name in names), None)
    if known is None:
        require_shared_project(context, selection)
        known = context.workspace.create_project(label, selection.owner)
        try:
            load_sample(known)
        except TaskloomError:
            context.workspace.delete_project(known)
            raise
    return context.open_project(selection.with_tour(1), known.project_id), gr.update(selected="tab.tasks")


def open_project(context: Context, selection: Selection, event: gr.EventData) -> tuple[Any, ...]:
    return context.open_project(selection, str(event.id)), gr.update(selected="tab.tasks")


def go_to_step(_: Context, event: gr.EventData) -> Any:
    return gr.update(selected=f"tab.{event.id}")


def remove_project(context: Context, selection: Selection, sure: bool) -> tuple[Any, ...]:
    """Deletes the open project with everything in it; its runs must have ended."""
    if sure:
        project = context.require_project(selection)
        if any(run.state in LIVE for run in list_summaries(project)):
            raise gr.Error(say("home.remove_busy"), title=say("error.title"))
        note_deletion(context, project)
        forget_project(context, project)
    return selection.with_project("").with_tour(0), False, gr.update(interactive=False)


def draw(context: Context, selection: Selection) -> list[Any]:
    """-> introduction, way through the workbench, block of projects, its heading, project cards, deleting."""
    projects = context.projects(selection)
    current = context.project(selection)
    intro = part(say("home.open", name=current.name)) if current else hero()
    if forgets_at_restart():
        intro = bullets([("warn", say("home.forgets"))]) + intro
    shown = [_project_card(project, project == current) for project in reversed(projects)]
    return [
        intro,
        _steps(current),
        gr.update(visible=bool(projects)),
        part(say("home.choose")),
        shown,
        gr.update(visible=current is not None),
    ]


def draw_start(context: Context, selection: Selection) -> list[Any]:
    """-> the offer of the tour, the invitation to bring files, the button that is the second choice at first."""
    projects = context.projects(selection)
    offer, invite = (part(say(f"home.{name}_title")) + note(say(f"home.{name}_text")) for name in ("tour", "own"))
    return [offer, invite, gr.update(variant="primary" if projects else "secondary")]


def _project_card(project: Project, active: bool) -> dict[str, Any]:
    """Name, how much is in it, the best mean score, when something last happened."""
    num_tasks, runs = len(list_tasks(project)), list_summaries(project)
    busy = any(run.state in LIVE for run in runs)
    last = max([project.created, *(run.created or 0 for run in runs)])
    best = max((run.tuned for run in own_runs(runs) if run.tuned is not None), default=None)
    parts = [say("home.card", tasks=num_tasks, runs=len(runs))]
    if best is not None:
        parts.append(say("home.best", score=word_score(best)))
    parts.append(word_moment(last))
    return card(
        project.project_id,
        project.name,
        active=active,
        meta=" · ".join(parts),
        badge=say("home.training") if busy else "",
        tone="busy",
    )


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
