"""Whoever moves on while something is under way stays where they are.

An event knows the selection of its beginning only. One that takes long (a run begins, a pack is opened, a change is
taken back), or a poll that a click overtakes, would give that place back when it ends. So the selection that an
event gives is put together with the one that is chosen by then: what either of them changed counts, and of two that
chose another place the one that began later.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from app.shell.redraw import spread
from app.shell.selection import Selection
from app.shell.sessions import PageState


def stays_put(handler: Callable[..., Any], outputs: Any, selection: Any, tabs: Any) -> Callable[..., Any]:
    """The handler, which takes nobody back to the place of its beginning. `selection`, `tabs`: the components that
    all screens share; a handler that gives no selection is left as it is."""
    listed = outputs if isinstance(outputs, list) else [outputs]
    if selection is None or not any(one is selection for one in listed):
        return handler

    @functools.wraps(handler)
    def run(*args: Any, **kwargs: Any) -> Any:
        then = next((arg for arg in args if isinstance(arg, Selection)), None)
        begun = time.monotonic()
        outcome = handler(*args, **kwargs)
        page = _page()
        if page is None or outcome == gr.skip():
            return outcome
        given = list(spread(outcome, listed))
        place = next(number for number, one in enumerate(listed) if one is selection)
        now, wanted = page.state_data.get(selection._id), given[place]
        if not isinstance(wanted, Selection):
            return outcome
        if then is not None and isinstance(now, Selection) and now != then:
            has_moved = _where(now) != _where(then) and begun < page.moved
            given[place] = join(then, now, wanted, has_moved)
            if has_moved:
                given = [gr.skip() if one is tabs else value for one, value in zip(listed, given, strict=True)]
        if now is None or _where(given[place]) != _where(now):
            page.moved = begun
        return given if len(given) > 1 else given[0]

    return run


def join(then: Selection, now: Selection, wanted: Selection, now_counts: bool) -> Selection:
    """What `now` and `wanted` have changed since `then`; where both did, `now_counts` or the wanted one does. A
    task and a run are of their project: of two projects one is taken, with what is chosen in it."""
    order = (now, wanted) if now_counts else (wanted, now)
    names = _changed(then, order, "language", "owner", "engine", "tour")
    if now.project_id == wanted.project_id:
        names |= _changed(then, order, "task_id", "run_id", "preset")
    else:
        place = next(one for one in order if one.project_id != then.project_id)
        names |= {name: getattr(place, name) for name in ("project_id", "task_id", "run_id", "preset")}
    version = max(now.version, wanted.version) + (wanted.version != then.version)
    return replace(now, **names, version=version, run_moves=max(now.run_moves, wanted.run_moves))


def _changed(then: Selection, order: tuple[Selection, ...], *names: str) -> dict[str, Any]:
    """Each of these as the first that changed it has it."""
    return {
        name: next(
            (value for one in order if (value := getattr(one, name)) != getattr(then, name)), getattr(then, name)
        )
        for name in names
    }


def _where(selection: Selection) -> tuple[str, ...]:
    return (selection.project_id, selection.task_id, selection.run_id)


def _page() -> PageState | None:
    """What the server keeps of the page whose event this thread answers; None where there is none."""
    blocks, request = LocalContext.blocks.get(None), LocalContext.request.get(None)
    holder = getattr(blocks, "state_holder", None)
    found = holder.session_data.get(getattr(request, "session_hash", None)) if holder is not None else None
    return found if isinstance(found, PageState) else None
