"""Share: hand a trained run on, as standard files with a model card, to the Hub, or as code to copy."""

from __future__ import annotations

import shutil
from typing import Any

import gradio as gr

from app.drawing.markup import bullets, empty, lead, log_view, note, part
from app.share.push_panel import build_push, export_words
from app.share.snippets import LANGUAGE_OF, LOAD, WAYS, snippet_for
from app.shell.context import Context
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.shell.upload_folders import new_export_folder
from app.texts import say
from app.texts.language import current_language
from app.texts.words import Key
from core.export.card import KINDS, OF_ALL_TASKS, CardRequest, build_card
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_tasks

TITLE = "tab.share"
CONSENTED = 2  # practice rows a task


def build(context: Context) -> None:
    """What to make and where to on the left, its model card on the right, code below."""
    words, selection = context.words, context.selection
    head = gr.HTML(elem_id="share-head")
    with gr.Column(visible=False) as body:
        with gr.Row():
            with gr.Column(scale=4, min_width=320):
                kind, about, task, examples = _build_choice(context)
                make = words(gr.Button, Key("share.make"), variant="primary", elem_id="share-make")
                checked = gr.HTML(elem_id="share-checked")
                file = words(
                    gr.File, label=Key("share.file"), visible=False, elem_id="share-file", interactive=False
                )
                build_push(context, kind, task, examples)
            with gr.Column(scale=6, min_width=320):
                title = gr.HTML()
                card = gr.Markdown(elem_id="share-card", max_height=620, container=True)
        way, code = _build_code(context)
    choice = [kind, task, examples]
    shown = [head, body, task, title, checked, file]
    context.on_selection(draw, shown, kept=[task, checked, file], subject=context.results_seen)
    context.on_selection(draw_card, [about, task, card], choice)
    context.on_selection(draw_code, code, [kind, task, way])
    for trigger in (kind.input, task.input, examples.input):
        context.on(trigger, draw_card, [selection, *choice], [about, task, card], show_progress="hidden")
    for trigger in (kind.input, task.input, way.input):
        context.on(trigger, draw_code, [selection, kind, task, way], code, show_progress="hidden")
    context.on(
        make.click, make_files, [selection, *choice], [file, checked], show_progress="full", concurrency_limit=1
    )


def _build_choice(context: Context) -> tuple[Any, Any, Any, Any]:
    """-> kind of export, what it is, task, consent to show rows."""
    words = context.words
    kinds = [(Key(f"share.kind_{kind}"), kind) for kind in KINDS]
    kind = words(gr.Radio, label=Key("share.kind"), choices=kinds, value=KINDS[0], elem_id="share-kind")
    about = gr.HTML(elem_id="share-about")
    label, hint = Key("share.task"), Key("share.task_help")
    task = words(gr.Dropdown, label=label, info=hint, choices=[], elem_id="share-task")
    label, hint = Key("share.examples"), Key("share.examples_help")
    examples = words(gr.Checkbox, label=label, info=hint, value=False, elem_id="share-examples")
    return kind, about, task, examples


def _build_code(context: Context) -> tuple[Any, Any]:
    """-> way of using the model, the code for it. A shared page answers no programs, so it shows loading only."""
    words = context.words
    ways = (LOAD,) if context.shared else WAYS
    choices = [(Key(f"share.way_{way}"), way) for way in ways]
    way = words(gr.Radio, label=Key("share.code"), choices=choices, value=ways[0], elem_id="share-way")
    code = gr.Code(language="python", interactive=False, show_label=False, elem_id="share-code", max_lines=24)
    return way, code


def draw(context: Context, selection: Selection) -> list[Any]:
    """-> introduction, body, tasks, heading of the card, no check and no file yet."""
    run_dir = context.trained_run(selection)
    if run_dir is None:
        hint = empty(say("share.none_title"), say("share.none_text"))
        return [hint, gr.update(visible=False), gr.skip(), "", "", gr.update(visible=False)]
    names = [spec.name for spec in load_saved_tasks(run_dir / "data")]
    return [
        lead(say("share.lead")),
        gr.update(visible=True),
        gr.update(choices=names, value=names[0]),
        part(say("share.card")),
        "",
        gr.update(visible=False),
    ]


def draw_card(context: Context, selection: Selection, kind: str, task: str | None, examples: bool) -> list[Any]:
    """-> what this kind is, the task field (not for all tasks), the model card in the user's language."""
    request = request_for(context, selection, kind, task, examples)
    if request is None:
        return ["", gr.skip(), ""]
    about = note(say(f"share.about_{kind}"))
    return [about, gr.update(visible=kind not in OF_ALL_TASKS), without_head(build_card(request))]


def draw_code(context: Context, selection: Selection, kind: str, task: str | None, way: str) -> Any:
    """The code to copy, for this kind and task."""
    request = request_for(context, selection, kind, task, False)
    if request is None:
        return gr.update(value="")
    tasks = load_saved_tasks(request.run_dir / "data")
    spec = next((spec for spec in tasks if spec.name == (request.task or task)), tasks[0])
    base_model = RunFolder(request.run_dir).read_config().base_model
    return gr.update(value=snippet_for(way, request, base_model, spec), language=LANGUAGE_OF[way])


def request_for(
    context: Context, selection: Selection, kind: str, task: str | None, examples: bool
) -> CardRequest | None:
    """What the screen shows, as a request for a card; None without a trained run."""
    run_dir = context.trained_run(selection)
    if run_dir is None:
        return None
    names = [spec.name for spec in load_saved_tasks(run_dir / "data")]
    chosen = None if kind in OF_ALL_TASKS else task if task in names else names[0]
    return CardRequest(run_dir, kind, chosen, current_language(), CONSENTED if examples else 0)


def make_files(
    context: Context, selection: Selection, kind: str, task: str | None, examples: bool
) -> tuple[Any, str]:
    """Exports in a process of its own, checks the reloaded files, and packs them into one zip to download."""
    run_dir = context.trained_run(selection)
    if run_dir is None:
        return gr.update(visible=False), ""
    folder = new_export_folder(run_dir.name)
    made = run_errand(context.workspace.root, *export_words(run_dir, folder, kind, task, examples))
    packed = shutil.make_archive(str(folder / f"taskloom-{kind}-{run_dir.name}"), "zip", folder / "files")
    shutil.rmtree(folder / "files")
    return gr.update(value=packed, visible=True), checked_view(made)


def checked_view(made: list[dict[str, Any]]) -> str:
    """What the check after reloading found, and the command that is left to the user."""
    items = [("ok", say("share.checked", difference=f"{max(e['difference'] for e in made):.1e}"))]
    todo = next((e["todo"] for e in made if e["todo"]), "")
    if not todo:
        return bullets(items)
    command = todo.replace(made[0]["folder"], "FOLDER")
    return bullets([*items, ("warn", say("share.gguf_todo"))]) + log_view(command)


def without_head(card: str) -> str:
    """The card as people read it: without the block for the Hub between the two lines of dashes."""
    if not card.startswith("---"):
        return card
    return card.split("\n---", 1)[-1].lstrip("-\n ")
