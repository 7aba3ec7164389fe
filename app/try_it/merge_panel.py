"""Merging on the Try it screen: the tasks of one or several runs as one adapter, and the table that explains it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.drawing.markup import esc, note, paragraphs, part, table
from app.shell.context import Context
from app.shell.making import Making, wire_making
from app.shell.permissions import require_shared_space
from app.shell.redraw import Shown
from app.shell.run_command import run_errand
from app.shell.selection import Selection
from app.texts import listing, say, word_error
from app.texts.words import Key, Words
from core.adapters.registry import METHODS
from core.merge.groups import FEWEST, group_tasks
from core.merge.table import WAYS, MergeTable, read_merge
from core.runs.folder import RunFolder

NUMBERS = ("scale", "density", "rank", "top")
WHOLE = ("rank", "top")


class MergePanel:
    def __init__(self, context: Context) -> None:
        words = context.words
        with words(gr.Accordion, label=Key("merge.title"), open=False, elem_id="merge-panel"):
            self.about = gr.HTML()
            given = {"label": Key("merge.runs"), "info": Key("merge.runs_help"), "choices": []}
            self.runs = words(gr.Dropdown, **given, multiselect=True, elem_id="merge-runs")
            ways = [(Key(f"merge.{way}"), way) for way in WAYS]
            self.way = words(gr.Radio, label=Key("merge.way"), choices=ways, value=WAYS[0], elem_id="merge-way")
            with gr.Row():
                self.numbers = {name: self._number(words, name) for name in NUMBERS}
            go = words(gr.Button, Key("merge.go"), variant="primary", elem_id="merge-go")
            self.outcome = gr.HTML(elem_id="merge-outcome")
            self.train = words(gr.Button, Key("merge.groups_go"), visible=False, elem_id="merge-groups-go")
        numbers = list(self.numbers.values())
        shown, kept = [self.about, self.runs, self.outcome, self.train, *numbers], [self.runs, *numbers]
        context.on_selection(self.draw, shown, [self.runs], kept=kept)
        how = {"show_progress": "full", "concurrency_limit": 1, "concurrency_id": "probe"}
        wired = [self.runs, self.way, *numbers], [context.selection, self.outcome]
        onward = [context.selection, context.tabs]
        context.on(self.train.click, self.train_groups, [context.selection], onward, show_progress="hidden")
        wire_making(context, go.click, Making(self.merge), wired, **how)

    @staticmethod
    def _number(words: Words, name: str) -> Any:
        given = {"label": Key(f"merge.{name}"), "info": Key(f"merge.{name}_help"), "value": None}
        places = 0 if name in WHOLE else None
        return words(gr.Number, **given, min_width=160, precision=places, elem_id=f"merge-{name}")

    def draw(self, context: Context, selection: Selection, picked: list[str] | None) -> Shown:
        """Runs to choose from, the table when the chosen run is a merged one, empty numbers."""
        known = [
            (run.name, run.run_id)
            for run in context.trained_runs(selection)
            if run.method in METHODS and METHODS.get(run.method).exports_lora
        ]
        chosen = [run_id for _, run_id in known if run_id in (picked or [selection.run_id])]
        run_dir = context.trained_run(selection)
        table = read_merge(run_dir) if run_dir and RunFolder(run_dir).merge_path.is_file() else None
        return {
            self.about: note(say("merge.note")),
            self.runs: gr.update(choices=known, value=chosen),
            self.outcome: "" if table is None else merge_view(table),
            self.train: gr.update(visible=table is not None and can_train_groups(table)),
            **dict.fromkeys(self.numbers.values()),
        }

    def merge(
        self, context: Context, selection: Selection, runs: list[str] | None, way: str, *numbers: float | None
    ) -> Shown:
        """Merges and examines in a process of its own; the merged run joins the list and is chosen."""
        require_shared_space(context, selection)
        own = [found.name for run_id in runs or [] if (found := context.trained_run(selection.with_run(run_id)))]
        if not own:
            return {self.outcome: note(say("merge.choose"))}
        options = [
            word
            for name, value in zip(NUMBERS, numbers, strict=True)
            if value  # an empty field counts as 0 in the browser; 0 is no sensible value of any of them
            for word in (f"--{name}", str(value))
        ]
        made = run_errand(context.workspace.root, "merge", *own, "--way", way, *options)
        changed = selection.with_run(made["run_id"])
        run_dir = context.run_dir(changed)
        return {context.selection: changed, self.outcome: merge_view(read_merge(run_dir)) if run_dir else ""}

    def train_groups(self, context: Context, selection: Selection) -> Shown:
        """The Train screen, with the settings of one adapter for each group of the merged tasks."""
        run_dir = context.trained_run(selection)
        if run_dir is None or not RunFolder(run_dir).merge_path.is_file():
            return {context.selection: selection.touched()}
        table = read_merge(run_dir)
        changes = group_tasks(table.tasks, table.cosines).settings()
        return context.go_to(selection, "train", changes=changes)


def can_train_groups(found: MergeTable) -> bool:
    """Only where groups stand apart: an adapter for each of others would be one for chance."""
    return len(found.tasks) >= FEWEST and group_tasks(found.tasks, found.cosines).is_clear


def merge_view(found: MergeTable) -> str:
    """Norm, factor and cosines of every task, a sentence, and which tasks learned alike."""
    heads = [say(f"merge.{name}") for name in ("task", "norm", "factor")] + found.tasks
    rows = [
        [f"<b>{esc(task)}</b>", f"{norm:.3f}", f"{factor:.4f}", *(_cosine(cosine) for cosine in row)]
        for task, norm, factor, row in zip(found.tasks, found.norms, found.factors, found.cosines, strict=True)
    ]
    said = say("merge.said", way=say(f"merge.{found.way}"), rank=found.rank, kept=f"{100 * found.kept:.1f}")
    if found.top is not None:
        said = say("merge.said_arrow", top=found.top)
    numeric = tuple(range(1, len(heads)))
    return part(say("merge.table")) + table(heads, rows, numeric) + paragraphs([said]) + groups_view(found)


def groups_view(found: MergeTable) -> str:
    """The tasks whose changes point the same way; nothing of too few tasks."""
    if len(found.tasks) < FEWEST:
        return ""
    grouped = group_tasks(found.tasks, found.cosines)
    names = [listing(members) for members in grouped.groups]
    told = [word_error(key, values)[0] for key, values in grouped.told()[:1]]
    return part(say("merge.groups_title")) + paragraphs(
        [*(f"{i}. {name}" for i, name in enumerate(names, 1)), *told]
    )


def _cosine(value: float) -> str:
    """Two places; a zero has no sign."""
    return f"{round(value, 2) + 0.0:.2f}"
