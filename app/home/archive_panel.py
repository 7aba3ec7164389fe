"""A whole project as one file: to keep, to hand on, to open elsewhere."""

from __future__ import annotations

import gradio as gr

from app.drawing.markup import note
from app.shell.context import Context
from app.shell.outcomes import Outcomes, Slow, file_view, wire_slow
from app.shell.permissions import counting, require_shared_project, require_shared_space
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.upload_folders import new_export_folder, note_uploads, plain_name
from app.texts import say
from app.texts.words import Key
from core.tasks.changing.archive import export_project, import_project


def open_project(_: Context, selection: Selection) -> str:
    return selection.project_id


class PackPanel:
    """A fold of the Home screen."""

    def __init__(self, context: Context) -> None:
        words, selection = context.words, context.selection
        with words(gr.Accordion, label=Key("pack.title"), open=False, elem_id="project-pack"):
            self.about = gr.HTML()
            with gr.Row(elem_classes="bottom"):
                self.make = words(gr.Button, Key("pack.make"), elem_id="pack-make", min_width=180)
                self.take = words(gr.UploadButton, label=Key("pack.take"), elem_id="pack-take", min_width=180)
            self.file = words(
                gr.File, label=Key("pack.file"), visible=False, interactive=False, elem_id="pack-file"
            )
        moves = [selection, context.tabs]
        slow = Slow(self.make_pack, about=open_project, show=file_view, once=True)
        outcomes = wire_slow(context, self.make.click, slow, [], self.file)
        context.on(self.take.upload, self.take_pack, [selection, self.take], moves, show_progress="full")
        context.on_selection(self.draw, [self.about, self.make, self.file], [outcomes])

    def draw(self, context: Context, selection: Selection, outcomes: Outcomes) -> Shown:
        """What is in it, the export button only with an open project, a file that was packed while another project
        was open."""
        is_open = context.project(selection) is not None
        return {
            self.about: note(say("pack.note")),
            self.make: gr.update(visible=is_open),
            self.file: file_view(outcomes.take(open_project(context, selection))),
        }

    def make_pack(self, context: Context, selection: Selection) -> str:
        """Packs the open project into a file to download."""
        project = context.require_project(selection)
        target = new_export_folder(project.project_id) / f"{plain_name(project.name) or 'project'}.taskloom.zip"
        return str(export_project(project, target))

    def take_pack(self, context: Context, selection: Selection, path: str | None) -> Shown:
        """Opens the project that was packed in a file."""
        if not path:
            return gr.skip()
        with counting(context, selection):
            require_shared_project(context, selection)
            require_shared_space(context, selection)
            project = import_project(context.workspace, path, selection.owner)
        note_uploads(project, [path])
        return context.go_to(selection.with_project(project.project_id), "tasks")
