"""Figures of the Skills screen: tables in, plotly figures as dictionaries out. Pure, like `figures.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from app.drawing.figures import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    SHARES,
    SHARES_DARK,
    SIGNED,
    SIGNED_DARK,
    Figure,
    _layout,
    largest,
    similarity_heatmap,
    skill_heatmap,
)
from app.texts import say, word_skills

# Okabe and Ito's colours, which the colour-blind tell apart; then dashes.
CYCLE = (BLUE, ORANGE, "#009E73", RED, "#CC79A7", "#56B4E9", "#8a6d00", GREY)
DASHES = ("solid", "dash", "dot", "dashdot")
MOST_NAMED = 12  # more curves get no legend, only names on hover
TREE_SHARE = 0.16  # of the height of a similarity plot
_LAYER = re.compile(r"(\d+)\.(?:.*\.)?([A-Za-z0-9_]+)( head \d+)?$")


def short_layer(name: str) -> str:
    """'model.layers.3.self_attn.q_proj' -> '4 q_proj': blocks are counted from 1, as in the plain names."""
    found = _LAYER.search(name)
    stack = "dec " if name.startswith("decoder") else "enc " if name.startswith("encoder") else ""
    return f"{stack}{int(found[1]) + 1} {found[2]}{found[3] or ''}" if found else name


def short_layers(names: Sequence[str]) -> list[str]:
    """Short names where they stay different from each other."""
    short = [short_layer(name) for name in names]
    return short if len(set(short)) == len(short) else list(names)


def with_strip(figure: Figure, strip: pd.DataFrame, scale: Figure, form: str, hover: str) -> Figure:
    """A table with columns of another kind at its right side, behind a line, in colours of their own (`scale`:
    cmin, cmax, colorscale, dark), so that what is measured in other sizes does not flatten the first ones."""
    table = figure["data"][0]
    names = [str(name) for name in strip.columns]
    empty = [None] * len(table["x"])  # plotly puts a heatmap of a single named column in a wrong place
    values = [[*empty, *(None if v != v else round(float(v), 4) for v in row)] for row in strip.to_numpy()]
    trace = {
        **table,
        "x": [*table["x"], *names],
        "z": values,
        "hoverongaps": False,
        "coloraxis": "coloraxis2",
        "hovertemplate": hover + "<extra></extra>",
        "texttemplate": "%{z:" + form + "}" if table["texttemplate"] else "",
    }
    layout = {**figure["layout"], "coloraxis2": {**scale, "showscale": False}}
    dark = layout["coloraxis2"].pop("dark")
    layout["meta"] = {**layout["meta"], "dark_scales": {"coloraxis2": dark}}
    border = len(table["x"]) - 0.5
    if table["x"]:
        place = {"xref": "x", "yref": "paper", "x0": border, "x1": border, "y0": 0, "y1": 1}
        layout["shapes"] = [{"type": "line", **place, "line": {"color": GREY, "width": 2}}]
        layout["xaxis"] = {**layout["xaxis"], "categoryarray": [*table["x"], *names]}
    return {"data": [table, trace], "layout": layout}


def share_strip(figure: Figure, strip: pd.DataFrame) -> Figure:
    """Shares of 0..1 at the side of a table of weights."""
    scale = {"cmin": 0.0, "cmax": 1.0, "colorscale": SHARES, "dark": SHARES_DARK}
    return with_strip(figure, strip, scale, ".0%", "%{y}, %{x}: %{z:.0%}")


def change_strip(figure: Figure, strip: pd.DataFrame) -> Figure:
    """Larger changes, in points of 100, at the side of a table of changes."""
    most = largest(strip)
    scale = {"cmin": -most, "cmax": most, "colorscale": SIGNED, "dark": SIGNED_DARK}
    return with_strip(figure, strip, scale, "+.1f", say("plot.change_hover"))


def clickable(figure: Figure, columns: Mapping[str, str]) -> Figure:
    """A figure whose cells can be clicked: the page sends the row's name and the column's, as core calls it
    (`columns`: shown name -> name)."""
    layout = figure["layout"]
    return {**figure, "layout": {**layout, "meta": {**layout.get("meta", {}), "click": dict(columns)}}}


def layers_heatmap(profile: pd.DataFrame, even_share: float) -> Figure:
    """One task's weights: skills as rows, layers from left to right."""
    turned = profile.T.rename(index=lambda name: word_skills(str(name)))
    turned.columns = short_layers([str(name) for name in turned.columns])
    figure = skill_heatmap(turned, even_share)
    figure["data"][0]["hovertemplate"] = "%{x}, %{y}: %{z:.3f}<extra></extra>"
    figure["layout"]["xaxis"]["tickangle"] = -90 if len(turned.columns) > 8 else 0
    return figure


def size_heatmap(table: pd.DataFrame) -> Figure:
    """Sizes or gates with their own scale: rows are skills, columns layers or tokens."""
    turned = table.T.rename(index=lambda name: word_skills(str(name)))
    turned.columns = short_layers([str(name) for name in turned.columns])
    top = max(1e-6, float(turned.to_numpy().max(initial=0.0)))
    figure = skill_heatmap(turned, 0.0)
    figure["layout"]["coloraxis"] |= {"cmin": 0.0, "cmax": top}
    figure["layout"]["coloraxis"]["colorbar"] |= {"tickvals": [0, top], "ticktext": ["0", f"{top:.2g}"]}
    figure["data"][0]["hovertemplate"] = "%{x}, %{y}: %{z:.3f}<extra></extra>"
    figure["layout"]["xaxis"]["tickangle"] = -90 if len(turned.columns) > 8 else 0
    return figure


def similarity_tree(similarity: pd.DataFrame, tree: np.ndarray | None, signed: bool = True) -> Figure:
    """Similarity of tasks, ordered by the tree, with the tree (a dendrogram) above. `tree` is scipy's linkage."""
    if tree is None:
        return similarity_heatmap(similarity, signed)
    from scipy.cluster.hierarchy import dendrogram

    drawn = dendrogram(tree, no_plot=True)
    order = [str(similarity.index[i]) for i in drawn["leaves"]]
    figure = similarity_heatmap(similarity.loc[order, order], signed)
    links = [
        {
            "type": "scatter",
            "mode": "lines",
            "xaxis": "x2",
            "yaxis": "y2",
            "showlegend": False,
            "x": [(x - 5) / 10 for x in xs],
            "y": [round(float(y), 4) for y in ys],
            "line": {"color": GREY, "width": 1.5},
            "hovertemplate": "1 - %{y:.2f}<extra></extra>",
        }
        for xs, ys in zip(drawn["icoord"], drawn["dcoord"], strict=True)
    ]
    layout = figure["layout"]
    ends, hidden = [-0.5, len(order) - 0.5], {"showgrid": False, "zeroline": False, "showticklabels": False}
    layout["xaxis"] |= {"range": ends}
    layout["yaxis"] |= {"domain": [0, 1 - TREE_SHARE - 0.02]}
    layout["xaxis2"] = {**hidden, "range": ends, "matches": None, "anchor": "y2", "fixedrange": True}
    layout["yaxis2"] = {**hidden, "domain": [1 - TREE_SHARE, 1], "anchor": "x2", "fixedrange": True}
    layout["height"] += 70
    return {**figure, "data": [*figure["data"], *links]}


def curves_over_steps(
    curves: pd.DataFrame, columns: Sequence[str], names: Mapping[str, str], ends: tuple[float, float | None]
) -> Figure:
    """Lines over the training steps, with a dotted line where stage 2 starts."""
    steps = [int(step) for step in curves["step"]]
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers" if len(steps) < 20 else "lines",
            "x": steps,
            "y": [round(float(v), 4) for v in curves[column]],
            "name": names.get(column, column),
            "line": {"color": CYCLE[i % len(CYCLE)], "width": 2, "dash": DASHES[i // len(CYCLE) % len(DASHES)]},
            "hovertemplate": "%{x}: %{y:.3f}",
        }
        for i, column in enumerate(columns)
    ]
    layout = _layout(height=300, legend=len(columns) <= MOST_NAMED)
    layout["margin"]["t"] = 60 if layout["showlegend"] else 16
    layout["xaxis"] = {"zeroline": False, "rangemode": "tozero"}
    layout["yaxis"] = {"range": list(ends) if ends[1] is not None else None, "zeroline": False, "automargin": True}
    second = [s for s, stage in zip(steps, curves["stage"], strict=True) if stage == 2]
    if second and second[0] != steps[0]:
        place = {"xref": "x", "yref": "paper", "x0": second[0], "x1": second[0], "y0": 0, "y1": 1}
        layout["shapes"] = [{"type": "line", **place, "line": {"color": GREY, "width": 1, "dash": "dot"}}]
    return {"data": data, "layout": layout}


def part_bars(parts: pd.DataFrame) -> Figure:
    """Sizes of the common and of the private part relative to the base layer, layer by layer."""
    layers = short_layers([str(name) for name in parts.index])
    data = [
        {
            "type": "bar",
            "x": layers,
            "y": [round(float(v), 5) for v in parts[kind]],
            "name": say(f"skills.{kind}"),
            "marker": {"color": colour},
            "hovertemplate": "%{x}: %{y:.3f}<extra>" + say(f"skills.{kind}") + "</extra>",
        }
        for kind, colour in (("common", BLUE), ("private", ORANGE))
    ]
    layout = _layout(height=320, legend=True)
    layout |= {"barmode": "group"}
    layout["xaxis"] = {"type": "category", "automargin": True, "showgrid": False, "tickangle": -90}
    layout["yaxis"] = {"rangemode": "tozero", "tickformat": ".0%", "automargin": True}
    return {"data": data, "layout": layout}


def banded_curves(curves: Mapping[str, pd.DataFrame], axis: str, percent: bool = False) -> Figure:
    """Lines with a band, in points of 100: each table has x, mean, low, high (0..1; NaN bands are left out)."""
    data: list[Figure] = []
    for i, (name, table) in enumerate(curves.items()):
        colour = CYCLE[i % len(CYCLE)]
        x = [float(v) for v in table["x"]]
        known = table.dropna(subset=["low", "high"])
        if len(known) > 1:
            around = [*known["high"], *known["low"][::-1]]
            data.append(
                {
                    "type": "scatter",
                    "x": [*known["x"], *known["x"][::-1]],
                    "y": [round(100 * float(v), 2) for v in around],
                    "fill": "toself",
                    "fillcolor": f"{colour}22",
                    "line": {"width": 0},
                    "hoverinfo": "skip",
                    "showlegend": False,
                }
            )
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "x": x,
                "marker": {"size": 7},
                "y": [round(100 * float(v), 2) for v in table["mean"]],
                "hovertemplate": "%{x}: %{y:.1f}",
                "line": {"color": colour, "width": 2, "dash": DASHES[i // len(CYCLE) % len(DASHES)]},
                "error_y": _error_bars(table),
            }
        )
    layout = _layout(height=360, legend=len(curves) > 1)
    layout["margin"]["t"] = 80 if len(curves) > 1 else 16
    layout["xaxis"] = {"title": {"text": axis}, "rangemode": "tozero", "tickformat": ".0%" if percent else ""}
    layout["yaxis"] = {"rangemode": "tozero", "automargin": True}
    return {"data": data, "layout": layout}


def _error_bars(table: pd.DataFrame) -> Figure:
    up, down = (table["high"] - table["mean"]).fillna(0), (table["mean"] - table["low"]).fillna(0)
    return {
        "type": "data",
        "symmetric": False,
        "array": [round(100 * float(v), 2) for v in up],
        "arrayminus": [round(100 * float(v), 2) for v in down],
        "thickness": 1,
        "width": 3,
    }
