"""Scores of tasks as bars with their intervals, beside what a guess would score; see `figures`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.drawing.figures import BLUE, GREY, ORANGE, RED, Figure, _layout
from app.texts import say


def score_bars(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Base and tuned score of each task with intervals, in points of 100, and a mark at the best guess; `base`,
    `tuned` and `guess` have value, low, high (0..1), or are None. Bars that are surely below the mark, as `below`
    says, are red and named so."""
    tasks = [str(row["task"]) for row in rows]
    worse = [{"task": row["task"], "tuned": row.get("tuned") if row.get("below") else None} for row in rows]
    other = [{**row, "tuned": None} if row.get("below") else row for row in rows]
    data = [_score_bar(other, "base", "base", GREY), _score_bar(other, "tuned", "tuned", BLUE)]
    data += [_score_bar(worse, "tuned", "below", RED)] if any(row["tuned"] for row in worse) else []
    data += _guess_marks(rows, tasks)
    layout = _layout(height=110 + 46 * len(tasks), legend=True)
    layout |= {
        "barmode": "group",
        "xaxis": {"range": [0, 102], "fixedrange": True},
        "yaxis": {
            "type": "category",
            "automargin": True,
            "autorange": "reversed",
            "showgrid": False,
            "categoryorder": "array",
            "categoryarray": tasks,
        },
    }
    return {"data": data, "layout": layout}


def _score_bar(rows: Sequence[Mapping[str, Any]], side: str, name: str, colour: str) -> Figure:
    """The bars of one side; those of equal sides stand in one place."""
    scores, named = [row.get(side) for row in rows], say(f"results.{name}")
    return {
        "type": "bar",
        "orientation": "h",
        "offsetgroup": side,
        "y": [str(row["task"]) for row in rows],
        "name": named,
        "x": [100 * s["value"] if s else None for s in scores],
        "marker": {"color": colour},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "thickness": 1.2,
            "width": 3,
            "array": [100 * (s["high"] - s["value"]) if s else 0 for s in scores],
            "arrayminus": [100 * (s["value"] - s["low"]) if s else 0 for s in scores],
        },
        "hovertemplate": "%{y}: %{x:.1f}<extra>" + named + "</extra>",
    }


def _guess_marks(rows: Sequence[Mapping[str, Any]], tasks: list[str]) -> list[Figure]:
    """An upright stroke across both bars of a task; [] where nothing could be guessed."""
    guesses = [row.get("guess") for row in rows]
    if not any(guesses):
        return []
    name = say("results.guess")
    stroke = {"symbol": "line-ns", "size": 32, "line": {"width": 3, "color": ORANGE}}
    hover = "%{y}: %{x:.1f}<extra>" + name + "</extra>"
    places = [100 * guess["value"] if guess else None for guess in guesses]
    mark = {"type": "scatter", "mode": "markers", "name": name, "x": places, "y": tasks, "marker": stroke}
    return [{**mark, "hovertemplate": hover}]
