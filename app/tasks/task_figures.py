"""Figures about a task's rows; pure, drawn by `widgets.plot`."""

from __future__ import annotations

from typing import Any

from app.drawing.figures import BLUE, ORANGE, RED, Figure
from app.texts import say


def lengths_figure(statistics: dict[str, Any]) -> Figure | None:
    """How many rows have how many tokens: inputs and answers, with the length limit where it is in sight and the
    number of rows that do not fit, as the health report counted them."""
    sides = [(name, statistics[name]["histogram"]) for name in ("input_tokens", "answer_tokens")]
    if not any(bins for _, bins in sides):
        return None
    data: list[dict[str, Any]] = []
    for number, ((name, bins), colour) in enumerate(zip(sides, (BLUE, ORANGE), strict=True), start=1):
        data.append({
            "type": "bar", "name": say(f"health.{name}"), "marker": {"color": colour},
            "x": [b["from"] + (b["to"] + 1 - b["from"]) / 2 for b in bins], "y": [b["rows"] for b in bins],
            "width": [b["to"] + 1 - b["from"] for b in bins],
            "customdata": [[b["from"], b["to"]] for b in bins],
            "hovertemplate": "%{customdata[0]}-%{customdata[1]}: %{y}<extra></extra>",
            "xaxis": f"x{number}", "yaxis": f"y{number}",
        })  # fmt: skip
    layout = {
        "height": 250, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)", "bargap": 0,
        "showlegend": False, "margin": {"l": 46, "r": 12, "t": 26, "b": 40},
        "grid": {"rows": 1, "columns": 2, "pattern": "independent"},
        **{f"xaxis{n}": {"title": {"text": say(f"health.{name}")}, "rangemode": "tozero"}
           for n, (name, _) in enumerate(sides, start=1)},
        **{f"yaxis{n}": {"rangemode": "tozero"} for n in (1, 2)},
    }  # fmt: skip
    largest = max((b["to"] for b in sides[0][1]), default=0)
    long = statistics.get("too_long") or {}
    limit, many = long.get("limit", 0), long.get("cut", 0) + long.get("left_out", 0)
    if 0 < limit <= largest:
        line = {"type": "line", "xref": "x1", "yref": "y1 domain", "x0": limit, "x1": limit, "y0": 0, "y1": 1}
        layout["shapes"] = [{**line, "line": {"color": RED, "width": 2, "dash": "dot"}}]
        layout["annotations"] = [{
            "x": limit, "y": 1, "xref": "x1", "yref": "y1 domain", "showarrow": False, "xanchor": "left",
            "text": say("health.limit", n=limit, model=long["model"], rows=many), "font": {"size": 11},
        }]  # fmt: skip
    return {"data": data, "layout": layout}
