"""Skills: which task uses which skill, how much is common and how much private, which tasks resemble each other."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.context import Context
from app.figures import share_bars, similarity_heatmap, skill_heatmap, to_json
from app.markup import download_link, empty, lead, note, paragraphs, part, to_csv
from app.selection import Selection
from app.texts import say, word_error
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
    task_similarity,
    uniform_weight,
)
from core.insight.sentences import describe_allocation

TITLE = "tab.skills"
CLUSTERED = "clustered"
MOST_SENTENCES = 8


def build(context: Context) -> None:
    """One screen for one run: the heatmap with its layer slider, then shares, then who resembles whom."""
    head = gr.HTML(elem_id="skills-head")
    with gr.Column(visible=False) as body:
        with gr.Row():
            layer, order = _build_controls(context)
        layer_name = gr.HTML(elem_id="skills-layer-name")
        heatmap = plot("skills-heatmap")
        below = gr.HTML(elem_id="skills-says")
        with gr.Row():
            with gr.Column(min_width=340):
                share_title, share_plot = gr.HTML(), plot("skills-share")
            with gr.Column(min_width=340):
                near_title, near_plot = gr.HTML(), plot("skills-similarity")
    outputs = [layer_name, heatmap, below]
    context.on_selection(draw_page, [head, body, layer, share_title, share_plot, near_title, near_plot])
    context.on_selection(draw_heatmap, outputs, [layer, order])
    quiet = {"show_progress": "hidden", "trigger_mode": "always_last"}
    for trigger in (layer.change, order.input):
        context.on(trigger, draw_heatmap, [context.selection, layer, order], outputs, **quiet)


def _build_controls(context: Context) -> tuple[Any, Any]:
    """-> layer slider (0 is the mean), order of the rows."""
    words = context.words
    label, hint = Key("skills.layer"), Key("skills.layer_help")
    layer = words(
        gr.Slider, label=label, info=hint, minimum=0, maximum=1, step=1, value=0, elem_id="skills-layer", scale=2
    )
    orders = [(Key("skills.clustered"), CLUSTERED), (Key("skills.alphabetical"), "alphabetical")]
    label = Key("skills.order")
    order = words(gr.Radio, label=label, value=CLUSTERED, choices=orders, elem_id="skills-order", scale=1)
    return layer, order


def draw_page(context: Context, selection: Selection) -> list[Any]:
    """Everything that does not depend on the layer; without a trained run, what to do to get one."""
    language, allocation = selection.language, find_allocation(context, selection)
    if allocation is None:
        hint = empty(say(language, "skills.none_title"), say(language, "skills.none_text"))
        return [hint, gr.update(visible=False), *[gr.skip()] * 5]
    slider = gr.update(maximum=max(1, len(allocation.layers)), interactive=len(allocation.layers) > 1)
    share = private_share(allocation)
    has_both = bool(share["private"].any() and share["common"].any())
    near = task_similarity(allocation, centred=True)
    order = cluster_order(near)
    near_shown = len(allocation.tasks) > 1
    return [
        lead(say(language, "skills.lead")),
        gr.update(visible=True),
        slider,
        _titled(language, "share") if has_both else "",
        to_json(share_bars(share.loc[order], language)) if has_both else "",
        _titled(language, "near") if near_shown else "",
        to_json(similarity_heatmap(near.loc[order, order], language)) if near_shown else "",
    ]


def draw_heatmap(context: Context, selection: Selection, layer: int, order: str) -> list[Any]:
    """-> name of the layer, heatmap, sentences with the download. Layer 0 is the mean over all layers."""
    language, allocation = selection.language, find_allocation(context, selection)
    if allocation is None:
        return ["", "", ""]
    number = min(int(layer or 0), len(allocation.layers))
    table = (
        layer_allocation(allocation, allocation.layers[number - 1]) if number else average_allocation(allocation)
    )
    rows = cluster_order(task_similarity(allocation, centred=True)) if order == CLUSTERED else sorted(table.index)
    table = table.loc[rows]
    name = (
        say(language, "skills.layer_one", name=allocation.layers[number - 1])
        if number
        else say(language, "skills.layer_mean")
    )
    figure = to_json(skill_heatmap(table, uniform_weight(allocation), language))
    return [part(name), figure, _below(allocation, table, language)]


def find_allocation(context: Context, selection: Selection) -> Allocation | None:
    """The allocation of the chosen run, None while it has none."""
    run_dir = context.run_dir(selection)
    if run_dir is None or not (run_dir / "allocation.json").is_file():
        return None
    return read_allocation(run_dir)


def _below(allocation: Allocation, table: Any, language: str) -> str:
    """Sentences about the averaged table, its numbers, and the shown table as a file."""
    said = [word_error(language, s.key, s.values)[0] for s in describe_allocation(allocation)[:MOST_SENTENCES]]
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
