"""What a skill does, measured: exam questions answered again with a skill off, or with another task's row."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from app.context import Context
from app.errands import run_errand
from app.figures import change_heatmap, to_json
from app.markup import note, paragraphs, part
from app.selection import Selection
from app.texts import say, word_sentence
from app.widgets import plot
from app.words import Key
from core.insight.probes import KINDS, describe_probe, probe_path, read_probe

ROWS = "30"  # questions a task: enough for large effects, minutes on a CPU


def build_probes(context: Context) -> None:
    """Two buttons, and the outcome of whatever has been measured for the chosen run."""
    words = context.words
    with words(gr.Accordion, label=Key("skills.probes"), open=False, elem_id="skills-probes"):
        about = gr.HTML()
        context.on_selection(lambda _, selection: note(say(selection.language, "skills.probe_note")), about)
        for kind in KINDS:
            button = words(gr.Button, Key(f"skills.{kind}"), elem_id=f"probe-{kind}")
            outcome = [gr.HTML(), plot(f"probe-{kind}-plot"), gr.HTML()]
            draw = partial(draw_probe, kind=kind)
            context.on_selection(draw, outcome)
            context.on(
                button.click,
                partial(measure, kind=kind),
                [context.selection],
                outcome,
                show_progress="full",
                concurrency_limit=1,
                concurrency_id="probe",
            )


def draw_probe(context: Context, selection: Selection, *, kind: str) -> list[str]:
    """-> heading, heatmap in points, sentences; nothing when it has not been measured."""
    run_dir, language = context.trained_run(selection), selection.language
    if run_dir is None or not probe_path(run_dir, kind).is_file():
        return ["", "", ""]
    probe = read_probe(run_dir, kind)
    said = [word_sentence(language, s.key, s.values) for s in describe_probe(probe)]
    figure = change_heatmap(probe.change * 100, language)
    return [part(say(language, f"skills.{kind}_title")), to_json(figure), paragraphs(said)]


def measure(context: Context, selection: Selection, *, kind: str) -> list[Any]:
    """Asks the model in a process of its own; an outcome that is there already is shown at once."""
    run_dir = context.trained_run(selection)
    if run_dir is None:
        return ["", "", ""]
    run_errand(context.workspace.root, kind, run_dir.name, "--rows", ROWS)
    return draw_probe(context, selection, kind=kind)
