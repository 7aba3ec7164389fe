"""Figures of the Skills screen: tables in, plotly figures as dictionaries out. Pure, like `figures.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from app.drawing.figures import BLUE, GREY, ORANGE, RED, Figure, _layout, similarity_heatmap, skill_heatmap
from app.texts import say, word_skills

# Okabe and Ito's colours, which the colour-blind tell apart; then dashes.
CYCLE = (BLUE, ORANGE, "#009E73", RED, "#CC79A7", "#56B4E9", "#8a6d00", GREY)
DASHES = ("solid", "dash", "dot", "dashdot")
MOST_NAMED = 12  # more curves get no legend, only names on hover
TREE_SHARE = 0.16  # of the height of a similarity plot
_LAYER = re.compile(r"(\d+)\.(?:.*\.)?([A-Za-z0-9_]+)( head \d+)?$")


def short_layer(name: str) -> str:
    """'model.layers.3.self_attn.q_proj' -> '3 q_proj'."""
    found = _LAYER.search(name)
    stack = "dec " if name.startswith("decoder") else "enc " if name.startswith("encoder") else ""
    return f"{stack}{found[1]} {found[2]}{found[3] or ''}" if found else name


def short_layers(names: Sequence[str]) -> list[str]:
    """Short names where they stay different from each other."""
    short = [short_layer(name) for name in names]
    return short if len(set(short)) == len(short) else list(names)


def split_heatmap(table: pd.DataFrame, num_common: int, even_share: float) -> Figure:
    """The skill heatmap with a line between common and private skills."""
    figure = skill_heatmap(table, even_share)
    if 0 < num_common < table.shape[1]:
        place = {"xref": "x", "yref": "paper", "x0": num_common - 0.5, "x1": num_common - 0.5, "y0": 0, "y1": 1}
        figure["layout"]["shapes"] = [{"type": "line", **place, "line": {"color": GREY, "width": 2}}]
    return figure


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


def similarity_tree(similarity: pd.DataFrame, tree: np.ndarray | None) -> Figure:
    """Similarity of tasks, ordered by the tree, with the tree (a dendrogram) above. `tree` is scipy's linkage."""
    if tree is None:
        return similarity_heatmap(similarity)
    from scipy.cluster.hierarchy import dendrogram

    drawn = dendrogram(tree, no_plot=True)
    order = [str(similarity.index[i]) for i in drawn["leaves"]]
    figure = similarity_heatmap(similarity.loc[order, order])
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
