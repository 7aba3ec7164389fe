"""Home: the projects, the sample project, and what to do next in the open one."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.context import Context
from app.glossary import glossary_view
from app.markup import lead, part
from app.selection import Selection
from app.sharing_rules import note_deletion, require_shared_project
from app.temporary import forget_project
from app.texts import say
from app.widgets import card, cards
from app.words import Key
from core.errors import TaskloomError
from core.runs.states import LIVE
from core.runs.summaries import list_summaries
from core.tasks.importing import list_tasks
from core.tasks.sample import load_sample
from core.workspace import Project

TITLE = "tab.home"
STEPS = ("tasks", "train", "results", "skills", "try_it")


def build(context: Context) -> None:
    """Left alone it shows three things: the next step, the projects, a way to make one."""
    words = context.words
    intro = gr.HTML(elem_id="home-intro")
    steps = cards("home-steps", "three")
    projects = cards("home-projects")
    with gr.Row(elem_classes="bottom"):
        name = words(
            gr.Textbox,
            label=Key("home.name"),
            placeholder=Key("home.name_hint"),
            max_length=80,
            scale=3,
            elem_id="project-name",
        )
        create = words(
            gr.Button, Key("home.create"), variant="primary", scale=1, min_width=140, elem_id="project-create"
        )
        sample = words(gr.Button, Key("home.sample"), scale=1, min_width=180, elem_id="project-sample")
    with words(gr.Accordion, label=Key("glossary.title"), open=False, elem_id="glossary"):
        glossary = gr.HTML()
        context.on_selection(lambda _, selection: glossary_view(selection.language), glossary)
    with words(gr.Accordion, label=Key("home.remove_title"), open=False):
        gone = words(gr.Checkbox, label=Key("home.remove_sure"), value=False, elem_id="project-remove-sure")
        remove = words(gr.Button, Key("home.remove"), variant="stop", interactive=False, elem_id="project-remove")
    moves = [context.selection, context.tabs]
    context.on(create.click, create_project, [context.selection, name], [*moves, name])
    context.on(name.submit, create_project, [context.selection, name], [*moves, name])
    context.on(sample.click, open_sample, [context.selection], moves, show_progress="full")
    context.on(projects.click, open_project, [context.selection], moves)
    context.on(steps.click, go_to_step, [], context.tabs)
    context.on(gone.input, lambda _, sure: gr.update(interactive=bool(sure)), [gone], remove)
    context.on(remove.click, remove_project, [context.selection, gone], [context.selection, gone, remove])
    context.on_selection(draw, [intro, steps, projects])


def create_project(context: Context, selection: Selection, name: str) -> tuple[Any, ...]:
    """-> selection on the new project, the Tasks screen, an empty name field."""
    require_shared_project(context, selection)
    project = context.workspace.create_project(name, selection.owner)
    return selection.with_project(project.project_id), gr.update(selected="tab.tasks"), ""


def open_sample(context: Context, selection: Selection) -> tuple[Any, ...]:
    """Opens the sample project, made from the files in assets at the first click; a failed copy leaves nothing."""
    label = say(selection.language, "home.sample_name")
    names = {say(language, "home.sample_name") for language in ("en", "zh")}
    known = next((p for p in context.projects(selection) if p.name in names), None)
    if known is None:
        require_shared_project(context, selection)
        known = context.workspace.create_project(label, selection.owner)
        try:
            load_sample(known)
        except TaskloomError:
            context.workspace.delete_project(known)
            raise
    return context.open_project(selection, known.project_id), gr.update(selected="tab.tasks")


def open_project(context: Context, selection: Selection, event: gr.EventData) -> tuple[Any, ...]:
    return context.open_project(selection, str(event.id)), gr.update(selected="tab.tasks")


def go_to_step(_: Context, event: gr.EventData) -> Any:
    return gr.update(selected=f"tab.{event.id}")


def remove_project(context: Context, selection: Selection, sure: bool) -> tuple[Any, ...]:
    """Deletes the open project with everything in it; its runs must have ended."""
    if sure:
        project = context.require_project(selection)
        if any(run.state in LIVE for run in list_summaries(project)):
            raise gr.Error(
                say(selection.language, "home.remove_busy"), title=say(selection.language, "error.title")
            )
        note_deletion(context, project)
        forget_project(context, project)
    return selection.with_project(""), False, gr.update(interactive=False)


def draw(context: Context, selection: Selection) -> tuple[str, list[Any], list[Any]]:
    """-> introduction, steps of the open project, project cards."""
    language, projects = selection.language, context.projects(selection)
    current = context.project(selection)
    intro = lead(say(language, "home.lead"))
    if projects:
        intro += part(say(language, "home.open", name=current.name) if current else say(language, "home.choose"))
    shown = [_project_card(project, project == current, language) for project in projects]
    return intro, _steps(current, language) if current else [], shown


def _project_card(project: Project, active: bool, language: str) -> dict[str, Any]:
    num_tasks, runs = len(list_tasks(project)), list_summaries(project)
    busy = any(run.state in LIVE for run in runs)
    return card(
        project.project_id,
        project.name,
        active=active,
        meta=say(language, "home.card", tasks=num_tasks, runs=len(runs)),
        badge=say(language, "home.training") if busy else "",
        tone="busy",
    )


def _steps(project: Project, language: str) -> list[dict[str, Any]]:
    """The way through the workbench; the first step that is not done is the active one."""
    tasks, runs = list_tasks(project), list_summaries(project)
    done = {"tasks": bool(tasks), "train": any(run.state == "succeeded" for run in runs)}
    following = next((step for step in STEPS if not done.get(step, False)), "")
    return [
        card(
            step,
            f"{number} · {say(language, f'tab.{step}')}",
            text=say(language, f"home.step_{step}"),
            badge="✓" if done.get(step) else "",
            tone="good" if done.get(step) else "",
            active=step == following,
        )
        for number, step in enumerate(STEPS, start=1)
    ]
