"""Share: hand a trained run on, as standard files with a model card, or by command and address."""

from __future__ import annotations

import shutil
from typing import Any

import gradio as gr

from app.context import Context
from app.errands import run_errand
from app.markup import empty, lead, log_view, note, part
from app.selection import Selection
from app.temporary import new_export_folder
from app.texts import say
from app.words import Key
from core.serving.card import KINDS, WHOLE_RUN, CardRequest, build_card
from core.tasks.dataset import load_saved_tasks

TITLE = "tab.share"


def build(context: Context) -> None:
    """What to make on the left, its model card on the right."""
    words, selection = context.words, context.selection
    head = gr.HTML(elem_id="share-head")
    with gr.Column(visible=False) as body, gr.Row():
        with gr.Column(scale=4, min_width=320):
            kinds = [(Key(f"share.kind_{kind}"), kind) for kind in KINDS]
            kind = words(gr.Radio, label=Key("share.kind"), choices=kinds, value=KINDS[0], elem_id="share-kind")
            about = gr.HTML(elem_id="share-about")
            label, hint = Key("share.task"), Key("share.task_help")
            task = words(gr.Dropdown, label=label, info=hint, choices=[], elem_id="share-task")
            make = words(gr.Button, Key("share.make"), variant="primary", elem_id="share-make")
            file = words(gr.File, label=Key("share.file"), visible=False, elem_id="share-file", interactive=False)
            commands = gr.HTML(elem_id="share-commands")
        with gr.Column(scale=6, min_width=320):
            title = gr.HTML()
            card = gr.Markdown(elem_id="share-card")
    context.on_selection(draw, [head, body, task, title, commands, file])
    context.on_selection(draw_card, [about, task, card], [kind, task])
    for trigger in (kind.change, task.change):
        context.on(trigger, draw_card, [selection, kind, task], [about, task, card], show_progress="hidden")
    context.on(make.click, make_files, [selection, kind, task], file, show_progress="full", concurrency_limit=1)


def draw(context: Context, selection: Selection) -> list[Any]:
    """-> introduction, body, tasks, heading of the card, commands, no file yet."""
    language, run_dir = selection.language, context.trained_run(selection)
    if run_dir is None:
        hint = empty(say(language, "share.none_title"), say(language, "share.none_text"))
        return [hint, gr.update(visible=False), gr.skip(), "", "", gr.update(visible=False)]
    names = [spec.name for spec in load_saved_tasks(run_dir / "data")]
    lines = [f"python -m core {verb} {run_dir.name}" for verb in ("serve", "chat", "export")]
    shown = part(say(language, "share.commands")) + note(say(language, "share.commands_note"))
    shown += log_view("\n".join(lines))
    return [
        lead(say(language, "share.lead")),
        gr.update(visible=True),
        gr.update(choices=names, value=names[0]),
        part(say(language, "share.card")),
        shown,
        gr.update(visible=False),
    ]


def draw_card(context: Context, selection: Selection, kind: str, task: str | None) -> list[Any]:
    """-> what this kind is, the task field (not for a whole run), the model card in the user's language."""
    run_dir = context.trained_run(selection)
    if run_dir is None:
        return ["", gr.skip(), ""]
    names = [spec.name for spec in load_saved_tasks(run_dir / "data")]
    chosen = None if kind == WHOLE_RUN else task if task in names else names[0]
    text = build_card(CardRequest(run_dir, kind, chosen, selection.language))
    about = note(say(selection.language, f"share.about_{kind}"))
    return [about, gr.update(visible=kind != WHOLE_RUN), without_head(text)]


def make_files(context: Context, selection: Selection, kind: str, task: str | None) -> Any:
    """Exports in a process of its own, checks the reloaded files, and packs them into one zip to download."""
    run_dir = context.trained_run(selection)
    if run_dir is None:
        return gr.update(visible=False)
    folder = new_export_folder(run_dir.name)
    chosen = [] if kind == WHOLE_RUN or not task else [f"--task={task}"]
    language = ["--language", selection.language]
    target = folder / "files"
    run_errand(context.workspace.root, "export", run_dir.name, str(target), "--as", kind, *chosen, *language)
    packed = shutil.make_archive(str(folder / f"taskloom-{kind}-{run_dir.name}"), "zip", target)
    shutil.rmtree(target)
    return gr.update(value=packed, visible=True)


def without_head(card: str) -> str:
    """The card as people read it: without the block for the Hub between the two lines of dashes."""
    if not card.startswith("---"):
        return card
    return card.split("\n---", 1)[-1].lstrip("-\n ")
