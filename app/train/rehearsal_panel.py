"""The rehearsal of a plan: twenty steps in a worker, then the Ready card says measured time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.forms import read_yaml
from app.drawing.markup import bullets
from app.drawing.run_markup import word_message, word_stage
from app.shell.context import Context
from app.shell.permissions import shared_config
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from core.runs.folder import RunFolder
from core.runs.launching import cancel_run
from core.runs.liveness import run_state
from core.runs.ready import end_rehearsal, start_rehearsal
from core.runs.states import SUCCEEDED


def build_rehearsal(context: Context, config: Any) -> None:
    """`config` is the plan's gr.State with the YAML text. The state holds the id of the rehearsal at work."""
    words, at_work = context.words, gr.State("")
    with gr.Row():
        begin = words(gr.Button, Key("rehearsal.begin"), size="sm", elem_id="rehearse")
        halt = words(gr.Button, Key("rehearsal.halt"), size="sm", visible=False, elem_id="rehearse-halt")
    told = gr.HTML(elem_id="rehearsal")
    drawn = [at_work, told, begin, halt]
    context.on(begin.click, begin_rehearsal, [context.selection, config, at_work], drawn)
    context.on(halt.click, halt_rehearsal, [context.selection, at_work], drawn)
    context.on_tick(poll_rehearsal, [context.selection, at_work], [*drawn, context.selection])


def begin_rehearsal(context: Context, selection: Selection, text: str, at_work: str) -> list[Any]:
    """A second click while one is at work changes nothing."""
    if not at_work:
        project = context.require_project(selection)
        at_work = start_rehearsal(project, shared_config(context, selection, read_yaml(text))).run_id
    return [at_work, *_shown(say("rehearsal.waits"), "info", True)]


def halt_rehearsal(context: Context, selection: Selection, at_work: str) -> list[Any]:
    folder = _folder(context, selection, at_work)
    if folder is not None:
        cancel_run(folder, now=True)
        end_rehearsal(folder)
    return ["", *_shown("", "info", False)]


def poll_rehearsal(context: Context, selection: Selection, at_work: str) -> Any:
    """While one is at work: its phase. At its end the screens read anew, the Ready card with them."""
    folder = _folder(context, selection, at_work)
    if folder is None:
        return gr.skip()
    status = run_state(folder)
    if status.is_live:
        text = word_stage(status.stage) or word_message(status)
        said = say("rehearsal.works", phase=text, share=f"{status.progress:.0%}")
        return [gr.skip(), *_shown(said, "info", True), gr.skip()]
    good = status.state == SUCCEEDED
    said = say("rehearsal.done") if good else word_message(status)
    end_rehearsal(folder)
    return ["", *_shown(said, "ok" if good else "bad", False), selection.touched()]


def _folder(context: Context, selection: Selection, at_work: str) -> RunFolder | None:
    """The rehearsal, in a project of this visitor only."""
    project = context.project(selection) if at_work else None
    path = project.runs_dir / Path(at_work).name if project else None
    return RunFolder(path) if path is not None and path.is_dir() else None


def _shown(text: str, tone: str, at_work: bool) -> list[Any]:
    """-> message, begin button, halt button."""
    return [bullets([(tone, text)]) if text else "", gr.update(interactive=not at_work), gr.update(visible=at_work)]
