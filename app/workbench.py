"""Assembles the workbench: head, job bar, a tab a screen. A new screen is one file in `tabs` and one line here."""

from __future__ import annotations

import secrets
from typing import Any

import gradio as gr

from app.api import build_api
from app.context import Context
from app.markup import brand
from app.run_markup import job_bar
from app.selection import Selection, selection_from_prefs, selection_to_prefs
from app.tabs import home, results, share, skills, tasks, train, try_it
from app.temporary import KEPT_S, LOOK_EVERY_S
from app.texts import LANGUAGE_NAMES, LANGUAGES, say
from app.visitors import login_offered, owner_of_visit, take_along
from app.widgets import PLOTLY_JS
from app.words import Key
from core.files import write_text_atomic
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.states import LIVE
from core.runs.summaries import list_summaries

TABS = (home, tasks, train, results, skills, try_it, share)
TICK_S = 1.5  # while a run is at work
IDLE_TICK_S = 6.0


def build_workbench(context: Context) -> gr.Blocks:
    """The whole interface over one workspace.

    Nothing in it belongs to one user: what a visitor looks at lives in the session's Selection, what the browser
    remembers in BrowserState.
    """
    gr.set_static_paths([str(PLOTLY_JS)])
    title, cleaning = say("en", "app.title"), (LOOK_EVERY_S, KEPT_S)
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=cleaning) as demo:
        context.selection = gr.State(Selection())
        context.clock = gr.Timer(IDLE_TICK_S)
        prefs = gr.BrowserState({}, storage_key="taskloom", secret=browser_secret(context))
        head = _build_head(context)
        with gr.Tabs(selected=TABS[0].TITLE) as context.tabs:
            for tab in TABS:
                context.screen = tab.TITLE
                with context.words(gr.Tab, Key(tab.TITLE), id=tab.TITLE, elem_id=tab.TITLE.replace(".", "-")):
                    tab.build(context)
        context.wire_ticks()
        context.screen = ""
        # Two steps, since an event with many outputs costs the browser time even when it changes nothing.
        spoken = gr.State(LANGUAGES[0])
        context.on_selection(lambda _, selection: selection.language, spoken)
        context.on(spoken.change, speak, [spoken], context.words.components, show_progress="hidden")
        context.on_selection(lambda _, selection: selection_to_prefs(selection), prefs)
        context.on_selection(draw_head, [head["project"], head["run"], head["language"]])
        context.wire_redraws()
        build_api(context)
        context.on(demo.load, open_page, [prefs], context.selection, show_progress="hidden", concurrency_limit=None)
    return demo


def _build_head(context: Context) -> dict[str, Any]:
    """Name, project, run and language, the same on every screen; below it the job that is at work."""
    words, head = context.words, {}
    with gr.Row(elem_id="head"):
        gr.HTML(brand(say("en", "app.title")), elem_id="brand")
        for name, width in (("project", 200), ("run", 200), ("language", 110)):
            head[name] = words(
                gr.Dropdown,
                label=Key(f"app.{name}"),
                choices=[],
                interactive=True,
                elem_id=f"choose-{name}",
                min_width=width,
                scale=1 if name == "language" else 2,
                filterable=name != "language",
            )
        if login_offered():
            gr.LoginButton(size="sm", min_width=140, elem_id="login")
    bar, seen = gr.HTML(elem_id="job-bar"), gr.State("")
    selection = context.selection
    context.on(
        head["project"].input, choose_project, [selection, head["project"]], selection, show_progress="hidden"
    )
    context.on(
        head["run"].input,
        lambda _, s, run_id: s.with_run(run_id or ""),
        [selection, head["run"]],
        selection,
        show_progress="hidden",
    )
    context.on(
        head["language"].input,
        lambda _, s, language: s.with_language(language),
        [selection, head["language"]],
        selection,
        show_progress="hidden",
    )
    context.on_tick(draw_job, [selection, seen], [bar, seen, context.clock])
    context.on_selection(draw_job, [bar, seen, context.clock], [seen])
    return head


def open_page(context: Context, prefs: Any, request: gr.Request) -> Selection:
    """A page was opened or reloaded: back to where this browser was, or the newest project."""
    selection = selection_from_prefs(prefs, request.headers.get("accept-language", ""), context.shared)
    owner = owner_of_visit(selection.owner, request, context.shared)
    take_along(context.workspace, selection.owner, owner)
    selection = selection.with_owner(owner)
    projects = context.projects(selection)
    known = next((p for p in projects if p.project_id == selection.project_id), projects[-1] if projects else None)
    if known is None:
        return selection.with_project("")
    if known.project_id != selection.project_id or context.run_dir(selection) is None:
        return context.open_project(selection, known.project_id)
    return selection.touched()


def choose_project(context: Context, selection: Selection, project_id: str | None) -> Selection:
    return context.open_project(selection, project_id) if project_id else selection


def speak(context: Context, language: str) -> list[Any]:
    """Words every component anew: the language has changed."""
    return context.words.updates(language)


def draw_head(context: Context, selection: Selection) -> list[Any]:
    """-> choices of the project, run and language selectors."""
    language, project = selection.language, context.project(selection)
    projects = [(p.name, p.project_id) for p in context.projects(selection)]
    runs = [(run.name, run.run_id) for run in list_summaries(project)] if project else []
    languages = [(name, code) for code, name in LANGUAGE_NAMES.items()]
    chosen = selection.run_id if any(run_id == selection.run_id for _, run_id in runs) else None
    return [
        gr.update(choices=projects, value=project.project_id if project else None, interactive=bool(projects)),
        gr.update(choices=runs, value=chosen, interactive=bool(runs)),
        gr.update(choices=languages, value=language),
    ]


def draw_job(context: Context, selection: Selection, seen: str) -> Any:
    """The running jobs of this owner in one line each, and how often to look; nothing new, nothing sent."""
    lines = []
    for project in context.projects(selection):
        for run in list_summaries(project):
            if run.state in LIVE:
                status = run_state(RunFolder(project.runs_dir / run.run_id))
                lines.append(job_bar(run.name, project.name, status, selection.language))
    text = "".join(lines)
    return gr.skip() if text == seen else [text, text, gr.update(value=TICK_S if lines else IDLE_TICK_S)]


def browser_secret(context: Context) -> str:
    """Encrypts what browsers remember; kept in the workspace, so that a restart of the app forgets nobody."""
    path = context.workspace.root / "browser.key"
    if not path.is_file():
        write_text_atomic(path, secrets.token_hex(32))
        path.chmod(0o600)
    return path.read_text(encoding="ascii")
