"""Two components that Gradio lacks, built on gr.HTML: a plot that never flickers, and a list of cards to click."""

from __future__ import annotations

import importlib.util
import re
import zlib
from pathlib import Path
from typing import Any

import gradio as gr

_PLOTLY_DIR = Path(importlib.util.find_spec("plotly").origin).parent  # type: ignore[union-attr,arg-type]
PLOTLY_JS = _PLOTLY_DIR / "package_data" / "plotly.min.js"
PLOT_PLACE = "<div class='plot-place'></div><div class='plot-files'></div>"

# Gradio fills a template's {{value}} and then runs the result as a JavaScript template text: "$", "`" and "\\" in a
# user's name would be read as code. So texts of cards are escaped here, and stand in {{{...}}}.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
_ESCAPES = str.maketrans({c: f"&#{ord(c)};" for c in "&<>\"'$`\\"})

# A page has about 25 places for a plot. What draws them is one file, kept by the browser; a changed one has another
# name. A place may be built before the file is there.
_PLOT_JS = Path(__file__).with_name("plot.js")
_VERSION = f"{zlib.crc32(_PLOT_JS.read_bytes()):08x}"
PLOT_FILES = (PLOTLY_JS, _PLOT_JS)
PLOT_HEAD = "".join(
    f'<script src="/gradio_api/file={source}"></script>' for source in (f"{_PLOT_JS}?v={_VERSION}", PLOTLY_JS)
)
_BEGIN = """
const begin = left => window.%s ? %s({element, props, watch, trigger}) : left && setTimeout(begin, 100, left - 1);
begin(600);"""

_CARDS = """
<div class="cards {{look}}" role="group">{{#each value}}
 <div class="card{{#if this.active}} active{{/if}}">
  <{{#if this.still}}div class="card-main still"{{else}}button class="card-main" type="button"
    data-id="{{{this.id}}}" data-act="open" aria-pressed="{{#if this.active}}true{{else}}false{{/if}}"{{/if}}>
   <span class="card-title">{{{this.title}}}</span>
   {{#if this.badge}}<span class="badge {{{this.tone}}}">{{{this.badge}}}</span>{{/if}}
   {{#if this.text}}<span class="card-text">{{{this.text}}}</span>{{/if}}
   {{#if this.meta}}<span class="card-meta">{{{this.meta}}}</span>{{/if}}
  </{{#if this.still}}div{{else}}button{{/if}}>
  {{#if this.actions}}<span class="card-actions">{{#each this.actions}}<button class="card-act" type="button"
    data-id="{{{this.id}}}" data-act="{{{this.act}}}" title="{{{this.hint}}}"
    aria-label="{{{this.hint}}}">{{{this.label}}}</button>{{/each}}</span>{{/if}}
  {{#if this.action}}<button class="card-act" type="button" data-id="{{{this.id}}}"
    data-act="act">{{{this.action}}}</button>{{/if}}
 </div>{{/each}}
</div>"""

_CLICK = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-id]');
  if (button) trigger('click', {id: button.dataset.id, act: button.dataset.act});
});"""


# What is drawn meanwhile moves the place, so it is brought into sight again a little later.
_SHOW = """
const seen = window.taskloomSeen ??= {};  // the screen may be built only after the value has come
function show() {
  if (!props.value || seen['%s'] === props.value) return;
  seen['%s'] = props.value;
  const go = () => document.getElementById('%s')?.scrollIntoView({block: 'start'});
  go(); setTimeout(go, 700); setTimeout(go, 1800);
}
show(); watch('value', show);"""


def way_to(elem_id: str) -> gr.HTML:
    """Nothing to be seen: each new value (a text) brings a part of the page into sight. A script of a State's
    change would run when the page opens, too."""
    return gr.HTML(value="", html_template="<span></span>", js_on_load=_SHOW.replace("%s", elem_id))


def plot(elem_id: str) -> gr.HTML:
    """A plotly figure given as JSON text (`figures.to_json`); an empty value hides it. Where `layout.meta.click`
    stands, a click on a cell is an event with its `row` and `column`."""
    return plot_place(elem_id, "taskloomPlot")


def plot_place(elem_id: str, drawn_by: str) -> gr.HTML:
    """A place that a function of `plot.js` fills."""
    return gr.HTML(
        value="",
        html_template=PLOT_PLACE,
        js_on_load=_BEGIN.replace("%s", drawn_by),
        elem_id=elem_id,
        elem_classes="plot",
        head=PLOT_HEAD,
    )


def buttons_in(elem_id: str) -> gr.HTML:
    """Ready HTML whose buttons with `data-id` and `data-act` send a click event with both."""
    return gr.HTML(value="", js_on_load=_CLICK, elem_id=elem_id, elem_classes="with-buttons")


def cards(elem_id: str, look: str = "") -> gr.HTML:
    """Clickable cards from a list of dicts as `card` makes them. `actions` of a card are small buttons
    {id, act, label, hint} with acts of their own.

    A click sends an event with the card's `id` and `act`: "open", or "act" for the card's own small button. A card
    that is `still` has only that button.
    """
    return gr.HTML(
        value=[], html_template=_CARDS, js_on_load=_CLICK, look=look, elem_id=elem_id, elem_classes="card-list"
    )


def card(card_id: str, title: str, **parts: Any) -> dict[str, Any]:
    """What `cards` shows as one card, every text escaped."""
    blank = {"text": "", "meta": "", "badge": "", "tone": "", "action": "", "active": False, "still": False}
    given = {**blank, "actions": [], "id": card_id, "title": title, **parts}
    shown = {k: v.translate(_ESCAPES) if isinstance(v, str) else v for k, v in given.items()}
    shown["meta"] = _MOMENT.sub(r'<span class="when">\g<0></span>', shown["meta"])  # a date does not break in two
    shown["actions"] = [{k: v.translate(_ESCAPES) for k, v in action.items()} for action in given["actions"]]
    return shown
