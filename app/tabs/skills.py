"""Skills: which task uses which skill, how much is common and how much private, which tasks resemble each other."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pandas as pd

from app.context import Context
from app.figures import lean_heatmap, share_bars, similarity_heatmap, skill_heatmap, to_json
from app.markup import download_link, empty, lead, note, paragraphs, part, to_csv
from app.probe_panel import build_probes
from app.selection import Selection
from app.texts import say, word_sentence
from app.widgets import plot
from app.words import Key
from core.insight.allocation import (
    Allocation,
    allocation_numbers,
    average_allocation,
    cluster_order,
    layer_allocation,
    private_share,
    read_allocation,
    read_history,
    task_similarity,
    uniform_weight,
)
from core.insight.sentences import describe_allocation

TITLE = "tab.skills"
CLUSTERED, LEAN = "clustered", "lean"
MOST_SENTENCES = 8


def build(context: Context) -> None:
    """One screen for one run: the heatmap with its controls, shares, who resembles whom, what a skill does."""
    head = gr.HTML(elem_id="skills-head")
    with gr.Column(visible=False) as body:
        layer, moment, order, look = controls = _build_controls(context)
        layer_name = gr.HTML(elem_id="skills-layer-name")
        heatmap = plot("skills-heatmap")
        below = gr.HTML(elem_id="skills-says")
        with gr.Row():
            with gr.Column(min_width=340):
                share_title, share_plot = gr.HTML(), plot("skills-share")
            with gr.Column(min_width=340):
                near_title, near_plot = gr.HTML(), plot("skills-similarity")
        build_probes(context)
    outputs = [layer_name, heatmap, below]
    context.on_selection(draw_page, [head, body, layer, moment, share_title, share_plot, near_title, near_plot])
    context.on_selection(draw_heatmap, outputs, controls)
    quiet = {"show_progress": "hidden", "trigger_mode": "always_last"}
    for trigger in (layer.change, moment.change, order.input, look.input):
        context.on(trigger, draw_heatmap, [context.selection, *controls], outputs, **quiet)


def _build_controls(context: Context) -> list[Any]:
    """-> layer slider (0 is the mean), moment slider (right end is the trained model), order of rows, colours."""
    words = context.words
    with gr.Row():
        layer, moment = (
            words(
                gr.Slider,
                label=Key(f"skills.{name}"),
                info=Key(f"skills.{name}_help"),
                minimum=0,
                maximum=1,
                step=1,
                value=value,
                elem_id=f"skills-{name}",
                min_width=240,
            )
            for name, value in (("layer", 0), ("moment", 1))
        )
    with gr.Row():
        order, look = (
            words(
                gr.Radio,
                label=Key(f"skills.{name}"),
                value=names[0],
                elem_id=f"skills-{name}",
                min_width=240,
                choices=[(Key(f"skills.{n}"), n) for n in names],
            )
            for name, names in (("order", (CLUSTERED, "alphabetical")), ("view", ("weights", LEAN)))
        )
    return [layer, moment, order, look]


def draw_page(context: Context, selection: Selection) -> list[Any]:
    """Everything that does not depend on the layer; without a trained run, what to do to get one."""
    language, allocation = selection.language, find_allocation(context, selection)
    if allocation is None:
        hint = empty(say(language, "skills.none_title"), say(language, "skills.none_text"))
        return [hint, gr.update(visible=False), *[gr.skip()] * 6]
    slider = gr.update(maximum=max(1, len(allocation.layers)), interactive=len(allocation.layers) > 1)
    moments = len(read_history(context.run_dir(selection)))
    times = gr.update(maximum=max(1, moments), value=max(1, moments), interactive=moments > 1)
    share = private_share(allocation)
    has_both = bool(share["private"].any() and share["common"].any())
    near = task_similarity(allocation, centred=True)
    order = cluster_order(near)
    near_shown = len(allocation.tasks) > 1
    return [
        lead(say(language, "skills.lead")),
        gr.update(visible=True),
        slider,
        times,
        _titled(language, "share") if has_both else "",
        to_json(share_bars(share.loc[order], language)) if has_both else "",
        _titled(language, "near") if near_shown else "",
        to_json(similarity_heatmap(near.loc[order, order], language)) if near_shown else "",
    ]


def draw_heatmap(
    context: Context, selection: Selection, layer: int, moment: int, order: str, look: str
) -> list[Any]:
    """-> what is shown, heatmap, sentences with the download. Layer 0 is the mean over all layers."""
    language, allocation = selection.language, find_allocation(context, selection)
    if allocation is None:
        return ["", "", ""]
    history = read_history(context.run_dir(selection))
    name, table = pick_table(allocation, history, int(layer or 0), int(moment or 0), language)
    rows = cluster_order(task_similarity(allocation, centred=True)) if order == CLUSTERED else sorted(table.index)
    table = table.loc[rows]
    even = uniform_weight(allocation)
    common = [allocation.skills[i].name for i in allocation.columns("common")]
    leans = look == LEAN and len(common) > 1
    figure = lean_heatmap(table[common] - even, language) if leans else skill_heatmap(table, even, language)
    return [part(name), to_json(figure), _below(allocation, table, language)]


def pick_table(
    allocation: Allocation, history: list[Allocation], layer: int, moment: int, language: str
) -> tuple[str, pd.DataFrame]:
    """The table of a layer of the trained model, or of all layers at an earlier moment, with its name."""
    if 0 <= moment < len(history) - 1:
        then = history[moment]
        return say(language, "skills.moment_one", stage=then.stage, step=then.step), average_allocation(then)
    if layer <= 0:
        return say(language, "skills.layer_mean"), average_allocation(allocation)
    name = allocation.layers[min(layer, len(allocation.layers)) - 1]
    return say(language, "skills.layer_one", name=name), layer_allocation(allocation, name)


def find_allocation(context: Context, selection: Selection) -> Allocation | None:
    """The allocation of the chosen run, None while it has none."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not (run_dir / "allocation.json").is_file():
        return None
    return read_allocation(run_dir)


def _below(allocation: Allocation, table: Any, language: str) -> str:
    """Sentences about the averaged table, its numbers, and the shown table as a file."""
    said = [word_sentence(language, s.key, s.values) for s in describe_allocation(allocation)[:MOST_SENTENCES]]
    said.append(
        say(
            language,
            "skills.even",
            k=max(1, len(allocation.columns("common"))),
            share=f"{uniform_weight(allocation):.2f}",
        )
    )
    numbers = allocation_numbers(allocation)
    if numbers:
        said.append(say(language, "skills.numbers", **{name: f"{value:.2f}" for name, value in numbers.items()}))
    rows = [
        [task, *(round(float(v), 6) for v in values)]
        for task, values in zip(table.index, table.to_numpy(), strict=True)
    ]
    text = to_csv([say(language, "word.task"), *table.columns], rows)
    return paragraphs(said) + download_link("skills.csv", text, say(language, "skills.download"))


def _titled(language: str, name: str) -> str:
    return part(say(language, f"skills.{name}_title")) + note(say(language, f"skills.{name}_note"))
