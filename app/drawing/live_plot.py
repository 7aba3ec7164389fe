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
from app.drawing.widgets import plot_place

MOST_NEWS = 40  # points of one curve in one tick


def live_plot(elem_id: str) -> gr.HTML:
    """An empty value hides it; its click event means that the browser wants the whole figure."""
    return plot_place(elem_id, "taskloomLivePlot")


def news_json(curves: Curves, traces: Sequence[tuple[str, str]]) -> str:
    """The news of the last `take` for a figure with these traces, in their order."""
    add = {}
    for place, key in enumerate(traces):
        points = thin(curves.news.get(key, ()), MOST_NEWS)
        if points:
            add[place] = [[p[0] for p in points], [float(f"{p[1]:.4g}") for p in points]]
    return json.dumps({"number": curves.number, "add": add}, separators=(",", ":"))
