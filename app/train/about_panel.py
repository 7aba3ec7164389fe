"""What a person writes on a run, in which settings it differs, and its record: prediction against what happened."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.durations import word_memory, word_range, word_seconds
from app.drawing.forms import setting_labels
from app.drawing.markup import esc, facts, note, part, table
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.texts import say, word_value
from app.texts.words import Key
from core.base.files import read_json
from core.runs.creation import update_run
from core.runs.folder import RunFolder
from core.runs.rerun import config_difference
from core.runs.summaries import list_summaries
from core.training.config import RunConfig, change_config

MOST_OTHERS = 200


class AboutPanel:
    """Folded away; name, notes and star are saved together."""

    def __init__(self, context: Context) -> None:
        words, selection = context.words, context.selection
        label = Key("about.title")
        with words(gr.Accordion, label=label, open=False, visible=False, elem_id="run-about") as self.fold:
            with gr.Row():
                given = {"label": Key("about.name"), "max_length": 80, "scale": 3}
                self.name = words(gr.Textbox, **given, elem_id="run-name")
                given = {"label": Key("about.star"), "scale": 1, "min_width": 120}
                self.star = words(gr.Checkbox, **given, elem_id="run-star")
            given = {"label": Key("about.notes"), "max_length": 2000, "lines": 2}
            self.notes = words(gr.Textbox, **given, elem_id="run-notes")
            self.save = words(gr.Button, Key("about.save"), size="sm", elem_id="run-save")
            given = {"label": Key("about.compare"), "choices": [], "value": None}
            self.other = words(gr.Dropdown, **given, elem_id="run-diff-with")
            self.differs, self.record = gr.HTML(elem_id="run-diff"), gr.HTML(elem_id="run-record")
        typed = [self.name, self.star, self.notes]
        shown = [self.fold, *typed, self.other, self.differs, self.record]
        context.on_selection(self.draw, shown, [self.other], kept=typed)
        context.on(self.save.click, save_about, [selection, *typed], selection)
        context.on(self.other.input, draw_difference, [selection, self.other], self.differs, show_progress="hidden")

    def draw(self, context: Context, selection: Selection, other_id: str | None) -> Shown:
        """What was written on the chosen run, the runs to compare it with, and its record."""
        run_dir = context.run_dir(selection)
        if run_dir is None:
            blank = {self.name: "", self.star: False, self.notes: "", self.differs: "", self.record: ""}
            return {self.fold: gr.update(visible=False), **blank}
        folder = RunFolder(run_dir)
        run = folder.read_run()
        project = context.workspace.project_of_run(run_dir)
        others = [r for r in list_summaries(project) if r.run_id != folder.run_id][:MOST_OTHERS]
        choices = [(say("about.defaults"), ""), *((r.name, r.run_id) for r in others)]
        stays = other_id if other_id in {r.run_id for r in others} else ""
        return {
            self.fold: gr.update(visible=True),
            self.name: run["name"],
            self.star: run.get("starred", False),
            self.notes: run.get("notes", ""),
            self.other: gr.update(choices=choices, value=stays),
            self.differs: draw_difference(context, selection, stays),
            self.record: record_view(folder),
        }


def save_about(context: Context, selection: Selection, name: str, star: bool, notes: str) -> Selection:
    """Raises WorkspaceError for a name that is empty or too long."""
    run_dir = context.run_dir(selection)
    if run_dir is not None:
        update_run(RunFolder(run_dir), name=name or "", starred=bool(star), notes=(notes or "").strip())
    return selection.touched()


def draw_difference(context: Context, selection: Selection, other_id: str | None) -> str:
    """Settings in which the chosen run differs from another one, or from the defaults of its method."""
    run_dir = context.run_dir(selection)
    if run_dir is None:
        return ""
    config = RunFolder(run_dir).read_config()
    other_dir = context.run_dir(selection.with_run(other_id)) if other_id else None
    if other_dir is None:
        other, title = change_config(RunConfig(), {"method": config.method}), say("about.defaults")
    else:
        other, title = RunFolder(other_dir).read_config(), RunFolder(other_dir).read_run()["name"]
    found = config_difference(config, other)
    if not found:
        return note(say("about.same"))
    label = setting_labels()
    rows = [[esc(label(name)), *(esc(word_value(name, v)) for v in pair)] for name, pair in found.items()]
    heads = [say("about.setting"), say("about.this"), title]
    return part(say("about.differs")) + table(heads, rows)


def record_view(folder: RunFolder) -> str:
    """Where it ran, how to repeat it, and prediction against what happened."""
    if not folder.record_path.exists():
        return ""
    record = read_json(folder.record_path)
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    pairs = [
        (say("about.seed"), str(record["config"]["seed"])),
        (say("about.device"), f"{record['device']['device']}, {record['hardware']['processor']}"),
        (say("about.versions"), versions),
    ]
    command = f'<p class="note">{esc(say("about.repeat"))} <code>{esc(record["command"])}</code></p>'
    head = part(say("about.record"))
    return head + facts(pairs) + command + _prediction_table(record)


def _prediction_table(record: dict[str, Any]) -> str:
    actual, error, predicted = (record.get(name) for name in ("actual", "prediction_error", "prediction"))
    if not actual or not error or not predicted:
        return ""
    took = actual["training_s" if predicted.get("covers") == "training" else "seconds"]
    low, _, high = predicted["seconds"]
    least, _, most = predicted["memory_mb"]
    time_key = "about.training_time" if predicted.get("covers") == "training" else "about.whole_time"
    rows = [
        [esc(say(time_key)), esc(word_range(low, high)), esc(word_seconds(took)), _off(error.get("seconds"))],
        [
            esc(say("about.memory")),
            esc(f"{word_memory(least)} – {word_memory(most)}"),
            esc(word_memory(actual["memory_mb"])),
            _off(error.get("memory_mb")),
        ],
    ]
    source = say(f"about.by_{predicted.get('source', 'formula')}")
    heads = ["", source, say("about.happened"), say("about.off")]
    return table(heads, rows, numeric=(3,))


def _off(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.0f} %"
