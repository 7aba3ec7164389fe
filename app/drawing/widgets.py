"""Two components that Gradio lacks, built on gr.HTML: a plot that never flickers, and a list of cards to click."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import gradio as gr

_PLOTLY_DIR = Path(importlib.util.find_spec("plotly").origin).parent  # type: ignore[union-attr,arg-type]
PLOTLY_JS = _PLOTLY_DIR / "package_data" / "plotly.min.js"
PLOT_PLACE = "<div class='plot-place'></div><div class='plot-files'></div>"
PLOTLY_HEAD = f'<script src="/gradio_api/file={PLOTLY_JS}"></script>'

# Gradio fills a template's {{value}} and then runs the result as a JavaScript template text: "$", "`" and "\\" in a
# user's name would be read as code. So texts of cards are escaped here, and stand in {{{...}}}.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
_ESCAPES = str.maketrans({c: f"&#{ord(c)};" for c in "&<>\"'$`\\"})

# Plotly.react updates in place (nothing remounted; `uirevision` keeps a zoom while the traces are the same); text
# takes the page's colour in light and dark. The figure is drawn again when the place becomes visible, since a
# hidden tab has no width. Plotly's own bar of buttons would lie over the legend: what is needed of it stands below.
DRAW = """
const place = element.querySelector('.plot-place'), files = element.querySelector('.plot-files');
let offered = null, whole = null, views = 0;
function offer(label, act) {
  const button = document.createElement('button');
  button.type = 'button'; button.textContent = label; button.onclick = act;
  files.appendChild(button);
  return button;
}
function zoomed(is) {
  whole.textContent = document.querySelector('#tools [data-whole]')?.dataset.whole || '1:1';
  whole.style.display = is ? '' : 'none';
}
function fitPhone(figure) {
  const layout = figure.layout, scale = layout.coloraxis?.colorbar;
  layout.dragmode = false;  // a finger scrolls the page
  if (scale) {  // above the cells, which need the width
    const above = {orientation: 'h', x: 0.5, xanchor: 'center', y: 1, yanchor: 'bottom', len: 1, thickness: 8};
    Object.assign(scale, above);
    layout.margin.t += 22; layout.height += 22;
  }
  for (const trace of figure.data) if (trace.type === 'heatmap' && trace.x.length > 10)
    Object.assign(trace, {xgap: 0.5, texttemplate: ''});
  for (const trace of figure.data) if (trace.type === 'heatmap' && trace.x.length > 2 && !layout.xaxis.tickangle)
    layout.xaxis.tickangle = -45;  // names of columns lie over each other else
}
// Plotly writes numbers in white or dark grey, too pale on cells between light and dark. Black or white, whichever
// differs more from the cell (WCAG's relative luminance), is 4.5 to 1 or better on every colour.
function luminance(axis, z) {
  const at = Math.min(1, Math.max(0, (z - axis.cmin) / (axis.cmax - axis.cmin))), scale = axis.colorscale;
  const i = Math.max(1, scale.findIndex(stop => stop[0] >= at));
  const [[from, low], [to, high]] = scale.slice(i - 1, i + 1);
  return [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => {
    const [a, b] = [low, high].map(hex => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16));
    const c = (a + (b - a) * (at - from) / (to - from)) / 255;
    return sum + weight * (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  }, 0);
}
function inkNumbers() {
  for (const number of place.querySelectorAll('.heatmap-label text')) {
    const z = number.__data__?.z, trace = number.closest('.hm')?.__data__?.[0]?.trace;
    const axis = place._fullLayout?.[trace?.coloraxis];
    if (axis && Number.isFinite(z)) number.style.fill = luminance(axis, z) > 0.179 ? '#000' : '#fff';
  }
}
function watchZoom() {
  if (place.watched) return;
  place.watched = true;
  place.on('plotly_afterplot', inkNumbers); inkNumbers();
  place.on('plotly_relayout', change => {
    if (Object.keys(change).some(key => /^[xy]axis\\d*\\.range/.test(key))) zoomed(true);
  });
  place.on('plotly_click', event => {
    const point = event.points[0];
    if (place.clicks && point) trigger('click', {row: point.y, column: place.clicks[point.x] ?? point.x});
  });
  place.on('plotly_doubleclick', () => setTimeout(() => zoomed(false), 0));
}
function offerFiles(csv) {
  const wanted = JSON.stringify(csv || null);
  if (wanted === offered) return;
  offered = wanted;
  files.replaceChildren();
  whole = offer('', () => { views++; zoomed(false); draw(); });
  zoomed(false);
  const name = (csv && csv.name) || 'taskloom';
  for (const format of ['png', 'svg'])
    offer(format.toUpperCase(), () => Plotly.downloadImage(place, {format, filename: name, scale: 2}));
  if (!csv) return;
  offer('CSV', () => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob(['\ufeff' + csv.text], {type: 'text/csv'}));
    link.download = name + '.csv'; link.click(); URL.revokeObjectURL(link.href);
  });
}
async function draw() {
  files.style.display = props.value ? '' : 'none';
  if (!props.value) { place.style.display = 'none'; return; }
  place.style.display = '';
  for (let i = 0; i < 100 && !window.Plotly; i++) await new Promise(r => setTimeout(r, 100));
  if (!window.Plotly) return;
  const dark = document.body.classList.contains('dark'), style = getComputedStyle(element);
  const text = dark ? props.value.replaceAll('#0072B2', '#56B4E9') : props.value;  // lighter on dark
  const figure = JSON.parse(text);
  if (!figure) return;
  const ink = style.getPropertyValue('--body-text-color').trim() || '#444';
  const line = style.getPropertyValue('--border-color-primary').trim() || '#ccc';
  figure.layout.font = {...(figure.layout.font || {}), color: ink, family: style.fontFamily};
  for (const key of Object.keys(figure.layout)) if (/^[xy]axis/.test(key)) {
    figure.layout[key] = {gridcolor: line, zerolinecolor: line, linecolor: line, ...figure.layout[key]};
  }
  for (const trace of figure.data) for (const bars of [trace.error_x, trace.error_y]) if (bars) bars.color = ink;
  const meta = figure.layout.meta || {};
  if (meta.panels) {
    const columns = Math.max(1, Math.min(4, meta.panels, Math.floor((element.offsetWidth || 900) / 270)));
    const rows = Math.ceil(meta.panels / columns);
    figure.layout.grid = {...figure.layout.grid, columns, rows};
    figure.layout.height = 70 + rows * meta.panel_height;
  }
  if (dark && meta.dark_scale) figure.layout.coloraxis.colorscale = meta.dark_scale;
  for (const [axis, scale] of Object.entries(meta.dark_scales || {}))
    if (dark) figure.layout[axis].colorscale = scale;
  place.clicks = meta.click;
  place.classList.toggle('can-click', !!meta.click);
  if ((element.offsetWidth || 900) < 560) fitPhone(figure);
  figure.layout.uirevision = views + figure.data.map(trace => trace.name || trace.type).join('|');
  place.style.height = (figure.layout.height || 320) + 'px';
  offerFiles(meta.csv);
  await Plotly.react(place, figure.data, figure.layout, {responsive: true, displayModeBar: false});
  watchZoom();
}
draw(); watch('value', draw);
let wasDark = document.body.classList.contains('dark');
new MutationObserver(() => {
  const dark = document.body.classList.contains('dark');
  if (dark !== wasDark) { wasDark = dark; draw(); }
}).observe(document.body, {attributes: true, attributeFilter: ['class']});
new ResizeObserver(() => {
  if (place.offsetWidth && window.Plotly && place.data) Plotly.Plots.resize(place);
}).observe(element);
"""

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
    return gr.HTML(
        value="", html_template=PLOT_PLACE, js_on_load=DRAW, elem_id=elem_id, elem_classes="plot", head=PLOTLY_HEAD
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
