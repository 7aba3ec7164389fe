"""The rehearsal of a plan: twenty steps in a worker, then the Ready card says measured time and memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from app.drawing.forms import read_yaml
from app.drawing.markup import bullets
from app.drawing.run_markup import word_message, word_stage
from app.shell.context import Context
from app.shell.permissions import counting, shared_config
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say
from app.texts.words import Key
from core.runs.folder import RunFolder
from core.runs.launching import cancel_run
from core.runs.liveness import run_state
from core.runs.ready import end_rehearsal, start_rehearsal
from core.runs.states import SUCCEEDED


class RehearsalPanel:
    """`config` is the plan's gr.State with the YAML text. `at_work` holds the id of the rehearsal at work."""

    def __init__(self, context: Context, config: Any) -> None:
        words, self.at_work = context.words, gr.State("")
        with gr.Row():
            self.begin = words(gr.Button, Key("rehearsal.begin"), size="sm", elem_id="rehearse")
            self.halt = words(gr.Button, Key("rehearsal.halt"), size="sm", visible=False, elem_id="rehearse-halt")
        self.told = gr.HTML(elem_id="rehearsal")
        selection, shown = context.selection, [self.at_work, self.told, self.begin, self.halt]
        context.on(self.begin.click, self.begin_rehearsal, [selection, config, self.at_work], shown)
        context.on(self.halt.click, self.halt_rehearsal, [selection, self.at_work], shown)
        context.on_tick(self.poll, [selection, self.at_work], [*shown, selection])

    def begin_rehearsal(self, context: Context, selection: Selection, text: str, at_work: str) -> Shown:
        """A second click while one is at work changes nothing."""
        if not at_work:
            project = context.require_project(selection)
            with counting(context, selection):
                at_work = start_rehearsal(project, shared_config(context, selection, read_yaml(text))).run_id
        return {self.at_work: at_work, **self._said(say("rehearsal.waits"), "info", True)}

    def halt_rehearsal(self, context: Context, selection: Selection, at_work: str) -> Shown:
        folder = _folder(context, selection, at_work)
        if folder is not None:
            cancel_run(folder, now=True)
            end_rehearsal(folder)
        return {self.at_work: "", **self._said("", "info", False)}

    def poll(self, context: Context, selection: Selection, at_work: str) -> Shown:
        """While one is at work: its phase. At its end the screens read anew, the Ready card with them."""
        folder = _folder(context, selection, at_work)
        if folder is None:
            return gr.skip()
        status = run_state(folder)
        if status.is_live:
            text = word_stage(status.stage) or word_message(status)
            said = say("rehearsal.works", phase=text, share=f"{status.progress:.0%}")
            return self._said(said, "info", True)
        good = status.state == SUCCEEDED
        said = say("rehearsal.done") if good else word_message(status)
        end_rehearsal(folder)
        told = self._said(said, "ok" if good else "bad", False)
        return {self.at_work: "", **told, context.selection: selection.touched()}

    def _said(self, text: str, tone: str, at_work: bool) -> Shown:
        """A message, and the button that makes sense."""
        return {
            self.told: bullets([(tone, text)]) if text else "",
            self.begin: gr.update(interactive=not at_work),
            self.halt: gr.update(visible=at_work),
        }


def _folder(context: Context, selection: Selection, at_work: str) -> RunFolder | None:
    """The rehearsal, in a project of this visitor only."""
    project = context.project(selection) if at_work else None
    path = project.runs_dir / Path(at_work).name if project else None
    return RunFolder(path) if path is not None and path.is_dir() else None
