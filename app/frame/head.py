"""What stands on every screen: name, project, run, language, glossary, light and dark."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from app.drawing.markup import brand, esc
from app.frame.address import AWAIT
from app.frame.file_drops import FILE_DROPS
from app.frame.glossary import glossary_view
from app.shell.context import Context
from app.shell.page_token import visitor_token
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.visitors import login_offered
from app.texts import LANGUAGE_NAMES, say
from app.texts.language import current_language
from app.texts.words import Key
from core.runs.summaries import list_summaries

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


class Head:
    """Name, project, run, language and tools, the same on every screen."""

    def __init__(self, context: Context) -> None:
        with gr.Row(elem_id="head"):
            gr.HTML(brand(say("app.title")), elem_id="brand")
            self.project = self._choice(context, "project", 160)
            self.run = self._choice(context, "run", 140)
            self.language = self._choice(context, "language", 90, filterable=False)
            if login_offered():
                gr.LoginButton(size="sm", min_width=140, elem_id="login")
            self.tools = gr.HTML(elem_id="tools", js_on_load=_TOOLS + FILE_DROPS)
        selection, quiet = context.selection, {"show_progress": "hidden"}
        for field, choose in ((self.project, choose_project), (self.run, choose_run)):
            context.on(field.input, choose, [selection, field], selection, **quiet, js=AWAIT)
        context.on(self.language.input, choose_language, [selection, self.language], selection, **quiet)
        context.on_selection(self.draw, [self.project, self.run, self.language, self.tools])

    @staticmethod
    def _choice(context: Context, name: str, width: int, filterable: bool = True) -> Any:
        given = {"choices": [], "interactive": True, "filterable": filterable, "min_width": width}
        return context.words(gr.Dropdown, label=Key(f"app.{name}"), elem_id=f"choose-{name}", **given)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """A selector with nothing to choose is not there."""
        project = context.project(selection)
        projects = [(p.name, p.project_id) for p in context.projects(selection)]
        runs = [(run.name, run.run_id) for run in list_summaries(project)] if project else []
        languages = [(name, code) for code, name in LANGUAGE_NAMES.items()]
        chosen = selection.run_id if any(run_id == selection.run_id for _, run_id in runs) else None
        opened = project.project_id if project else None
        return {
            self.project: gr.update(choices=projects, value=opened, visible=bool(projects)),
            self.run: gr.update(choices=runs, value=chosen, visible=bool(runs)),
            self.language: gr.update(choices=languages, value=selection.language),
            self.tools: tools_view(visitor_token(context.key, selection.owner)),
        }


def choose_project(context: Context, selection: Selection, project_id: str | None) -> Selection:
    return context.open_project(selection, project_id) if project_id else selection


def choose_run(_: Context, selection: Selection, run_id: str | None) -> Selection:
    return selection.with_run(run_id or "")


def choose_language(_: Context, selection: Selection, language: str) -> Selection:
    return selection.with_language(language)


def tools_view(visitor: str) -> str:
    """Buttons for the glossary and for light and dark, and the glossary itself in a dialog. `visitor`: the word
    that the page gives to what it posts from now on."""
    keys = ("glossary.title", "app.close", "app.theme", "plot.whole", "app.refused")
    title, close, theme, whole, refused = (esc(say(key)) for key in keys)
    said = {name: say(f"said.{name}") for name in ("error", "done", "drop")}
    return (
        f'<div class="tools" data-language="{current_language()}" data-whole="{whole}" data-refused="{refused}" '
        f'data-visitor="{esc(visitor)}" '
        f'data-words="{esc(json.dumps(said, ensure_ascii=False))}">'
        f'<button type="button" class="tool" data-act="glossary" aria-label="{title}" title="{title}">?</button>'
        f'<button type="button" class="tool" data-act="theme" aria-label="{theme}" title="{theme}">◐</button>'
        f'<dialog aria-label="{title}"><div class="sheet-head"><h2>{title}</h2>'
        f'<button type="button" class="tool" data-act="close" aria-label="{close}" title="{close}">✕</button></div>'
        f'<div class="sheet-body">{glossary_view()}</div></dialog></div>'
    )
