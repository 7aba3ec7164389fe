"""Curves of a run as small multiples: losses by task, and what the run as a whole reports. Pure, like `figures`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from app.drawing.curves import Curves
from app.drawing.figures import BLUE, GREEN, GREY, ORANGE, RED, Figure, _clean, _layout, _line
from app.texts import say

PANEL_HEIGHT = 190


def loss_panels(curves: Curves, last_step: int) -> Figure:
    """Loss per task as small multiples: practice as a line, checks as points, a line where stage 2 starts.

    The panels and their time axis (up to `last_step`) are there from the first event on, so that nothing jumps.
    """
    practice, check = say("plot.practice"), say("plot.check")
    panels = [
        (
            _clean(name),
            [
                (curves.practice[name], practice, BLUE, "lines"),
                (curves.checks.get(name, ()), check, RED, "lines+markers"),
            ],
        )
        for name in curves.practice
    ]
    return _panels(panels, last_step, curves.stage2_start)


def measure_panels(curves: Curves, last_step: int) -> Figure:
    """What the run as a whole reports: mean check loss, both learning rates, gradient norm, speed; one trace each,
    in the order of `curves.MEASURES`."""
    held = curves.measures
    lines = {
        name: (held.get(name, ()), say(f"plot.{name}"), colour, mode)
        for name, colour, mode in (
            ("mean", RED, "lines+markers"),
            ("lr_skills", BLUE, "lines"),
            ("lr_allocation", ORANGE, "lines"),
            ("gradient_norm", GREY, "lines"),
            ("tokens_per_s", GREEN, "lines"),
        )
    }
    groups = (("mean",), ("lr_skills", "lr_allocation"), ("gradient_norm",), ("tokens_per_s",))
    panels = [
        (say("plot.rates") if len(names) > 1 else lines[names[0]][1], [lines[name] for name in names])
        for names in groups
    ]
    figure = _panels(panels, last_step, curves.stage2_start)
    for trace in figure["data"]:
        trace |= {"showlegend": False, "hovertemplate": "%{x}: %{y:.4g}"}
    return figure


def _panels(panels: Sequence[tuple[str, list[Any]]], last_step: int, mark: int | None) -> Figure:
    """Small multiples of (title, lines), a line being (points, name, colour, mode); the legend names those of the
    first panel."""
    data: list[Figure] = []
    num_rows = math.ceil(len(panels) / 3)
    layout = _layout(height=PANEL_HEIGHT * num_rows + 60, legend=True)
    layout["grid"] = {"rows": num_rows, "columns": min(3, len(panels)), "pattern": "independent"}
    layout["grid"] |= {"xgap": 0.14, "ygap": 0.35}
    layout["meta"] = {"panels": len(panels), "panel_height": PANEL_HEIGHT}
    layout["margin"]["t"] = 64
    layout["annotations"], layout["shapes"] = [], []
    for number, (title, lines) in enumerate(panels, start=1):
        suffix = "" if number == 1 else str(number)
        axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "showlegend": number == 1}
        data += [_line(*line, axes) for line in lines]
        layout[f"xaxis{suffix}"] = {"zeroline": False, "nticks": 4, "range": [0, max(1, last_step)]}
        layout[f"yaxis{suffix}"] = {"zeroline": False, "nticks": 4, "rangemode": "tozero", "automargin": True}
        layout["annotations"].append(_panel_title(title, suffix))
        if mark:
            layout["shapes"].append(_panel_mark(mark, suffix))
    return {"data": data, "layout": layout}


def _panel_title(name: str, suffix: str) -> Figure:
    place = {"xref": f"x{suffix} domain", "yref": f"y{suffix} domain", "x": 0, "y": 1.0, "yshift": 16}
    look = {"xanchor": "left", "yanchor": "middle", "showarrow": False, "font": {"size": 13}}
    return {"text": name, **place, **look}


def _panel_mark(step: int, suffix: str) -> Figure:
    place = {"xref": f"x{suffix}", "yref": f"y{suffix} domain", "x0": step, "x1": step, "y0": 0, "y1": 1}
    return {"type": "line", **place, "line": {"color": GREY, "width": 1, "dash": "dot"}}
