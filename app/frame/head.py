"""What stands on every screen: name, project, run, language, glossary, light and dark; below, the job at work."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.drawing.markup import brand, esc
from app.drawing.run_markup import job_bar
from app.frame.file_drops import FILE_DROPS
from app.frame.glossary import glossary_view
from app.shell.context import Context
from app.shell.selection import Selection
from app.shell.visitors import login_offered
from app.texts import LANGUAGE_NAMES, say
from app.texts.language import current_language
from app.texts.words import Key
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.states import LIVE
from core.runs.summaries import list_summaries

TICK_S = 1.5  # while a run is at work
IDLE_TICK_S = 6.0

# The page's language and colours are marks on <html> and <body>; the colours chosen here outlive the page. A dialog
# of the browser's own keeps the keyboard inside, closes on Escape and gives the focus back.
_TOOLS = """
const root = document.documentElement, body = document.body;
const name = () => element.querySelector('[data-language]')?.dataset.language;
// Gradio titles notices and words file fields by itself; the style sheet shows these words instead.
const words = () => JSON.parse(element.querySelector('[data-language]')?.dataset.words || '{}');
const speak = () => {
  if (name()) root.lang = name();
  for (const [key, said] of Object.entries(words())) root.style.setProperty('--said-' + key, JSON.stringify(said));
};
speak(); watch('value', () => setTimeout(speak, 0));
const asked = new URL(location.href).searchParams.get('__theme'), kept = localStorage.getItem('taskloom-theme');
if (kept && !asked) body.classList.toggle('dark', kept === 'dark');
element.addEventListener('click', event => {
  const act = event.target.closest('[data-act]')?.dataset.act, sheet = element.querySelector('dialog');
  if (act === 'theme') localStorage.setItem('taskloom-theme', body.classList.toggle('dark') ? 'dark' : 'light');
  if (act === 'glossary') sheet.showModal();
  if (act === 'close' || event.target === sheet) sheet.close();
});
"""

_JOB_CLICK = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-run]');
  if (button) trigger('click', {id: button.dataset.run});
});"""


def build_head(context: Context) -> None:
    """Name, project, run, language and tools, the same on every screen."""
    words, head = context.words, {}
    with gr.Row(elem_id="head"):
        gr.HTML(brand(say("app.title")), elem_id="brand")
        for name, width in (("project", 160), ("run", 140), ("language", 90)):
            head[name] = words(
                gr.Dropdown,
                label=Key(f"app.{name}"),
                choices=[],
                interactive=True,
                elem_id=f"choose-{name}",
                min_width=width,
                filterable=name != "language",
            )
        if login_offered():
            gr.LoginButton(size="sm", min_width=140, elem_id="login")
        tools = gr.HTML(elem_id="tools", js_on_load=_TOOLS + FILE_DROPS)
    selection, quiet = context.selection, {"show_progress": "hidden"}
    for name, choose in (("project", choose_project), ("run", choose_run), ("language", choose_language)):
        context.on(head[name].input, choose, [selection, head[name]], selection, **quiet)
    context.on_selection(draw_head, [head["project"], head["run"], head["language"], tools])


@dataclass(frozen=True)
class Bar:
    """What the job bar shows, and the (run, state) of each line."""

    text: str
    states: tuple[tuple[str, str], ...]


def build_job_bar(context: Context) -> None:
    """The jobs at work in a bar that floats above the bottom edge, so that its coming and going moves nothing."""
    bar, seen = gr.HTML(elem_id="job-bar", js_on_load=_JOB_CLICK), gr.State(None)
    drawn = [bar, seen, context.clock]
    context.on_tick(poll_job, [context.selection, seen], [*drawn, context.selection])
    context.on_selection(draw_job, drawn, [seen])
    context.on(bar.click, open_job, [context.selection], [context.selection, context.tabs], show_progress="hidden")


def choose_project(context: Context, selection: Selection, project_id: str | None) -> Selection:
    return context.open_project(selection, project_id) if project_id else selection


def choose_run(_: Context, selection: Selection, run_id: str | None) -> Selection:
    return selection.with_run(run_id or "")


def choose_language(_: Context, selection: Selection, language: str) -> Selection:
    return selection.with_language(language)


def open_job(context: Context, selection: Selection, event: gr.EventData) -> tuple[Selection, Any]:
    """A click on the bar leads to the run on the Train screen, from whatever project and screen."""
    run_dir = context.workspace.find_run_dir(str(event.id), selection.owner)
    project = context.workspace.project_of_run(run_dir)
    return selection.with_project(project.project_id, run_dir.name), gr.update(selected="tab.train")


def draw_head(context: Context, selection: Selection) -> list[Any]:
    """-> project, run and language selectors, the tools. A selector with nothing to choose is not there."""
    project = context.project(selection)
    projects = [(p.name, p.project_id) for p in context.projects(selection)]
    runs = [(run.name, run.run_id) for run in list_summaries(project)] if project else []
    languages = [(name, code) for code, name in LANGUAGE_NAMES.items()]
    chosen = selection.run_id if any(run_id == selection.run_id for _, run_id in runs) else None
    return [
        gr.update(choices=projects, value=project.project_id if project else None, visible=bool(projects)),
        gr.update(choices=runs, value=chosen, visible=bool(runs)),
        gr.update(choices=languages, value=selection.language),
        tools_view(),
    ]


def tools_view() -> str:
    """Buttons for the glossary and for light and dark, and the glossary itself in a dialog."""
    keys = ("glossary.title", "app.close", "app.theme", "plot.whole", "app.refused")
    title, close, theme, whole, refused = (esc(say(key)) for key in keys)
    said = {name: say(f"said.{name}") for name in ("error", "done", "drop")}
    return (
        f'<div class="tools" data-language="{current_language()}" data-whole="{whole}" data-refused="{refused}" '
        f'data-words="{esc(json.dumps(said, ensure_ascii=False))}">'
        f'<button type="button" class="tool" data-act="glossary" aria-label="{title}" title="{title}">?</button>'
        f'<button type="button" class="tool" data-act="theme" aria-label="{theme}" title="{theme}">◐</button>'
        f'<dialog aria-label="{title}"><div class="sheet-head"><h2>{title}</h2>'
        f'<button type="button" class="tool" data-act="close" aria-label="{close}" title="{close}">✕</button></div>'
        f'<div class="sheet-body">{glossary_view()}</div></dialog></div>'
    )


def draw_job(context: Context, selection: Selection, seen: Bar | None) -> Any:
    """The running jobs of this owner in one line each, and how often to look; nothing new, nothing sent."""
    lines, states = [], []
    for project in context.projects(selection):
        for run in list_summaries(project):
            if run.state in LIVE:
                status = run_state(RunFolder(project.runs_dir / run.run_id))
                lines.append(job_bar(run.run_id, f"{project.name} · {run.name}", status))
                states.append((run.run_id, status.state))
    now = Bar("".join(lines), tuple(states))
    return gr.skip() if now == seen else [now.text, now, gr.update(value=TICK_S if lines else IDLE_TICK_S)]


def poll_job(context: Context, selection: Selection, seen: Bar | None) -> Any:
    """As `draw_job`; when a run has begun, stopped or ended, the open screen reads anew."""
    drawn = draw_job(context, selection, seen)
    if not isinstance(drawn, list):
        return drawn
    moved = seen is not None and seen.states != drawn[1].states
    return [*drawn, selection.moved() if moved else gr.skip()]
