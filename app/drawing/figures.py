"""Tables to plotly figures, as plain dictionaries; pure, without Gradio. Colours are safe for colour-blind readers.

A figure is transparent and takes its ink from the page. `layout.meta` tells the page's drawing code what plotly
cannot know: `dark_scale`, the colour scale on a dark page, and `panels`, the number of small multiples to arrange.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.drawing.markup import to_csv
from app.texts import say, word_skills

Figure = dict[str, Any]
BLUE, ORANGE, GREY, RED, GREEN = "#0072B2", "#E69F00", "#8a94a6", "#D55E00", "#009E73"
SHARES = [[0.0, "#f5f9fc"], [0.5, "#6baed6"], [1.0, "#08407e"]]
SHARES_DARK = [[0.0, "#16202c"], [0.5, "#2171b5"], [1.0, "#c6e2ff"]]
SIGNED = [[0.0, "#b35806"], [0.5, "#f4f4f6"], [1.0, "#31459c"]]
SIGNED_DARK = [[0.0, "#fdae61"], [0.5, "#1b2430"], [1.0, "#b3ccff"]]
MOST_NUMBERS = 15  # larger tables get no numbers in the cells
MOST_POINTS = 400  # a curve keeps at most this many points
LEGEND = {"orientation": "h", "traceorder": "normal", "x": 0, "xref": "container", "y": 1, "yref": "container"}
LEGEND |= {"yanchor": "top"}
THIN_BAR = {"thickness": 12, "len": 0.9, "outlinewidth": 0}
LONG_NAME = 20  # letters of a column, from which they lie over each other


def with_csv(figure: Figure, name: str, table: pd.DataFrame, corner: str = "") -> Figure:
    """The figure with its numbers as a file to download (`widgets.plot` offers it): rows and columns of the
    table."""
    rows = [[label, *map(_number, values)] for label, values in zip(table.index, table.to_numpy(), strict=True)]
    text = to_csv([corner, *map(str, table.columns)], rows)
    layout = figure["layout"]
    return {**figure, "layout": {**layout, "meta": {**layout.get("meta", {}), "csv": {"name": name, "text": text}}}}


def _number(value: Any) -> Any:
    return round(float(value), 6) if isinstance(value, int | float) else value


def to_json(figure: Figure | None) -> str:
    """Text for `widgets.plot`; None hides the plot."""
    return "" if figure is None else json.dumps(figure, ensure_ascii=False)


def skill_heatmap(table: pd.DataFrame, even_share: float) -> Figure:
    """Mixing weights, one row a task and one column a skill, on 0..1 with the even share 1/K marked."""
    top = max(1.0, float(table.to_numpy().max(initial=1.0)))
    marks = sorted({0.0, round(even_share, 3), top})
    bar = {
        "tickvals": marks,
        "thickness": 12,
        "len": 0.9,
        "outlinewidth": 0,
        "ticktext": [f"1/K = {v:.2f}" if 0 < v < top else f"{v:g}" for v in marks],
    }
    axis = {"cmin": 0.0, "cmax": top, "colorscale": SHARES, "colorbar": bar}
    hover = say("plot.weight_hover")
    return _heatmap(_named(table), axis, SHARES_DARK, hover)


def similarity_heatmap(table: pd.DataFrame, signed: bool = True) -> Figure:
    """Task by task similarity: correlations on -1..1, centred at 0, or with `signed` off shares on 0..1."""
    lowest, scale, dark = (-1.0, SIGNED, SIGNED_DARK) if signed else (0.0, SHARES, SHARES_DARK)
    axis = {
        "cmin": lowest,
        "cmax": 1.0,
        "colorscale": scale,
        "colorbar": {**THIN_BAR, "tickvals": sorted({lowest, 0.0, 1.0})},
    }
    return _heatmap(table, axis, dark, say("plot.similarity_hover"))


def lean_heatmap(table: pd.DataFrame) -> Figure:
    """How far each weight lies above or below the even share; the scale fits the largest difference."""
    most = max(0.05, float(table.abs().to_numpy().max(initial=0.0)))
    return _signed(_named(table), most, ".2f", say("plot.lean_hover"))


def change_heatmap(points: pd.DataFrame) -> Figure:
    """Change of a score in points of 100: blue is better, brown is worse; empty cells cannot change."""
    return _signed(_named(points), largest(points), "+.1f", say("plot.change_hover"))


def largest(points: pd.DataFrame) -> float:
    """The end of a scale of changes in points of 100, at least 1; of a table with empty cells or no column too."""
    return float(np.fmax.reduce(points.abs().to_numpy(dtype=float), axis=None, initial=1.0))


def count_heatmap(counts: pd.DataFrame) -> Figure:
    """Right label (rows) against given answer (columns): shares of a row in colour, counts in the cells."""
    totals = counts.sum(axis=1).where(lambda t: t > 0, 1)
    shares = counts.div(totals, axis=0)
    bar = {"thickness": 12, "len": 0.9, "outlinewidth": 0, "tickvals": [0, 1], "ticktext": ["0 %", "100 %"]}
    axis = {"cmin": 0.0, "cmax": 1.0, "colorscale": SHARES, "colorbar": bar}
    figure = _heatmap(shares, axis, SHARES_DARK, say("plot.count_hover"))
    figure["data"][0]["text"] = [[str(value) for value in row] for row in counts.to_numpy().astype(int)]
    if figure["data"][0]["texttemplate"]:
        figure["data"][0]["texttemplate"] = "%{text}"
    return figure


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the names of its skills in the user's language."""
    return table.rename(columns=lambda name: word_skills(str(name)))


def _signed(table: pd.DataFrame, most: float, form: str, hover: str) -> Figure:
    """A heatmap on -most..most, centred at 0."""
    bar = {"thickness": 12, "len": 0.9, "outlinewidth": 0, "tickvals": [-most, 0, most], "tickformat": form}
    axis = {"cmin": -most, "cmax": most, "colorscale": SIGNED, "colorbar": bar}
    figure = _heatmap(table, axis, SIGNED_DARK, hover)
    if figure["data"][0]["texttemplate"]:
        figure["data"][0]["texttemplate"] = "%{z:" + form + "}"
    return figure


def _heatmap(table: pd.DataFrame, coloraxis: Figure, dark_scale: list[list[Any]], hover: str) -> Figure:
    rows, columns = [str(n) for n in table.index], [str(n) for n in table.columns]
    numbers = max(len(rows), len(columns)) <= MOST_NUMBERS
    is_long = max(map(len, columns), default=0) > LONG_NAME
    trace = {
        "type": "heatmap",
        "x": columns,
        "y": rows,
        "z": [[None if v != v else round(float(v), 4) for v in row] for row in table.to_numpy()],
        "coloraxis": "coloraxis",
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": hover + "<extra></extra>",
        "texttemplate": "%{z:.2f}" if numbers else "",
    }
    layout = _layout(
        height=(180 if is_long else 110) + max(20, min(38, 1000 // max(1, len(rows)))) * len(rows),
        meta={"dark_scale": dark_scale},
    )
    layout |= {
        "coloraxis": coloraxis,
        "xaxis": {
            "type": "category",
            "automargin": True,
            "showgrid": False,
            "tickangle": -35 if len(columns) > 4 or is_long else 0,
        },
        "yaxis": {"type": "category", "automargin": True, "showgrid": False, "autorange": "reversed"},
    }
    return {"data": [trace], "layout": layout}


def share_bars(share: pd.DataFrame) -> Figure:
    """Common against private share of each task's weight, one stacked bar a task."""
    colours = {"common": BLUE, "private": ORANGE}
    tasks = [str(n) for n in share.index]
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "y": tasks,
            "x": [round(float(v), 4) for v in share[kind]],
            "name": say(f"skills.{kind}"),
            "marker": {"color": colours[kind]},
            "hovertemplate": "%{y}: %{x:.0%}<extra>" + say(f"skills.{kind}") + "</extra>",
        }
        for kind in colours
    ]
    layout = _layout(height=100 + 30 * len(tasks), legend=True)
    layout |= {
        "barmode": "stack",
        "xaxis": {"range": [0, 1], "tickformat": ".0%", "fixedrange": True},
        "yaxis": {"type": "category", "automargin": True, "autorange": "reversed", "showgrid": False},
    }
    return {"data": data, "layout": layout}


def certainty_curve(frame: pd.DataFrame) -> Figure:
    """Stated certainty against how often it was right: columns stated, right (0..1), n (texts, the size of a
    point). On the dashed line both are the same."""
    most = max(1, int(frame["n"].max()))
    ideal = {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 1],
        "hoverinfo": "skip",
        "name": say("detector.ideal"),
        "line": {"color": GREY, "dash": "dash", "width": 1.5},
    }
    found = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": say("detector.right"),
        "x": [round(float(v), 4) for v in frame["stated"]],
        "y": [round(float(v), 4) for v in frame["right"]],
        "marker": {"color": BLUE, "size": [8 + 14 * (int(n) / most) ** 0.5 for n in frame["n"]]},
        "line": {"color": BLUE, "width": 2},
        "customdata": [int(n) for n in frame["n"]],
        "hovertemplate": "%{x:.0%} → %{y:.0%} (%{customdata})<extra></extra>",
    }
    layout = _layout(height=300, legend=True)
    layout["xaxis"] = {"title": {"text": say("detector.stated")}, "range": [0, 1.03], "tickformat": ".0%"}
    layout["yaxis"] = {"range": [0, 1.05], "tickformat": ".0%", "automargin": True}
    return {"data": [ideal, found], "layout": layout}


def thin(points: Sequence[tuple[int, float]], most: int = MOST_POINTS) -> list[tuple[int, float]]:
    """At most `most` points: means of neighbours, so that a long run draws as fast as a short one."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(g[-1][0], sum(v for _, v in g) / len(g)) for g in groups]


def _line(points: Sequence[tuple[int, float]], name: str, colour: str, mode: str, axes: Figure) -> Figure:
    kept = thin(points)
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": [p[0] for p in kept],
        "y": [float(f"{p[1]:.4g}") for p in kept],
        "line": {"color": colour, "width": 2},
        "marker": {"size": 6},
        "hovertemplate": "%{x}: %{y:.3f}",
        **axes,
    }


def _layout(height: int, legend: bool = False, meta: Figure | None = None) -> Figure:
    return {
        "height": height,
        "margin": {"l": 10, "r": 10, "t": 40 if legend else 16, "b": 40},
        "meta": meta or {},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": legend,
        "hovermode": "closest",
        "legend": {**LEGEND},
    }


def _clean(name: str) -> str:
    """Plotly reads a few HTML tags in texts; a name is text."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
