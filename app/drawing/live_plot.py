"""A plot that grows: the whole figure once, then only new points, so that a tick costs hundreds of bytes.

The value is JSON text: a figure whose `layout.meta.number` says how much of the curves is in it, or news
{number, add: {trace: [[x, ...], [y, ...]]}} that follow it. A browser that missed news asks for the figure again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import gradio as gr

from app.drawing.curves import Curves
from app.drawing.figures import thin
from app.drawing.widgets import DRAW, PLOT_PLACE, PLOTLY_HEAD

MOST_NEWS = 40  # points of one curve in one tick

# `held` is what the browser shows. A resumed run replaces its later steps; a long curve is halved by averaging.
_GROW = """
let held = null, number = -1;
const MOST = 800;
function grow(trace, xs, ys) {
  let x = [...trace.x], y = [...trace.y];
  while (x.length && x[x.length - 1] >= xs[0]) { x.pop(); y.pop(); }
  x.push(...xs); y.push(...ys);
  if (x.length > MOST) {
    const nx = [], ny = [];
    for (let i = 0; i + 1 < x.length; i += 2) { nx.push(x[i + 1]); ny.push((y[i] + y[i + 1]) / 2); }
    if (x.length % 2) { nx.push(x[x.length - 1]); ny.push(y[y.length - 1]); }
    x = nx; y = ny;
  }
  trace.x = x; trace.y = y;
}
function current(dark) {
  const news = JSON.parse(props.value);
  if (news.data) { held = news; number = news.layout.meta.number; }
  else if (held && news.number === number + 1) {
    for (const [trace, [xs, ys]] of Object.entries(news.add)) grow(held.data[trace], xs, ys);
    number = news.number;
  } else if (!held || news.number > number) trigger('click', {id: 'again'});
  if (!held) return null;
  const lighter = line => dark && line?.color === '#0072B2' ? {...line, color: '#56B4E9'} : line;
  return {data: held.data.map(t => ({...t, line: lighter(t.line)})), layout: structuredClone(held.layout)};
}
"""
_WHOLE = "const figure = JSON.parse(text)"
_GROWN = "const figure = current(dark)"


def live_plot(elem_id: str) -> gr.HTML:
    """An empty value hides it; its click event means that the browser wants the whole figure."""
    assert _WHOLE in DRAW  # else the page would draw the news as if they were a figure
    drawing = DRAW.replace(_WHOLE, _GROWN)
    return gr.HTML(
        value="",
        html_template=PLOT_PLACE,
        js_on_load=_GROW + drawing,
        elem_id=elem_id,
        elem_classes="plot",
        head=PLOTLY_HEAD,
    )


def news_json(curves: Curves, traces: Sequence[tuple[str, str]]) -> str:
    """The news of the last `take` for a figure with these traces, in their order."""
    add = {}
    for place, key in enumerate(traces):
        points = thin(curves.news.get(key, ()), MOST_NEWS)
        if points:
            add[place] = [[p[0] for p in points], [float(f"{p[1]:.4g}") for p in points]]
    return json.dumps({"number": curves.number, "add": add}, separators=(",", ":"))
