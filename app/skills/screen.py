"""Skills: which task uses which skill, by layer, routing head and moment of training, and what the skills do."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pandas as pd

from app.drawing.figures import Figure, lean_heatmap, to_json, with_csv
from app.drawing.markup import empty, lead, paragraphs, part
from app.drawing.skill_figures import split_heatmap
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation
from app.skills.contribution_panel import ContributionPanel
from app.skills.evidence_panel import EvidencePanel
from app.skills.look_panel import LookPanel
from app.skills.other_run_panel import OtherRunPanel
from app.skills.probe_panel import ProbePanels
from app.skills.similarity_panel import SimilarityPanel
from app.skills.task_panel import TaskPanel
from app.skills.time_panel import TimePanel
from app.texts import say, word_sentence
from app.texts.words import Key, Words
from core.insight.allocation import Allocation, allocation_numbers, cluster_order, task_similarity, uniform_weight
from core.insight.allocation_cuts import (
    ALPHA,
    GATE,
    OWN,
    cut_table,
    gate_part,
    has_gate,
    layer_names,
    num_heads,
    used_skills,
)
from core.insight.evidence import read_evidence
from core.insight.sentences import describe_allocation
from core.insight.snapshots import MEAN, Snapshots, read_snapshots
from core.messages import Sentence

TITLE = "tab.skills"
CLUSTERED, LEAN = "clustered", "lean"
MOST_SENTENCES = 8


class Skills:
    """One screen for one run: the evidence first, the heatmap with its controls, then the sections below it."""

    def __init__(self, context: Context) -> None:
        self.head = gr.HTML(elem_id="skills-head")
        with gr.Column(visible=False) as self.body:
            EvidencePanel(context)
            self._build_controls(context.words)
            self.title = gr.HTML(elem_id="skills-layer-name")
            self.heatmap = plot("skills-heatmap")
            self.below = gr.HTML(elem_id="skills-says")
            with gr.Row():
                with gr.Column(min_width=340):
                    ContributionPanel(context)
                with gr.Column(min_width=340):
                    SimilarityPanel(context)
            TaskPanel(context)
            TimePanel(context)
            LookPanel(context)
            ProbePanels(context)
            OtherRunPanel(context)  # last: its field appears with a second run, and would push what is above
        self._wire(context)

    def _build_controls(self, words: Words) -> None:
        """Sliders (layer and head 0 are means, the right end of the moments is the trained model), the order of
        rows, colours, and for the mixture of task adapters which of its two stages."""
        with gr.Row():
            self.layer, self.routing_head, self.moment = (
                self._slider(words, name, value) for name, value in (("layer", 0), ("head", 0), ("moment", 1))
            )
        with gr.Row():
            self.order = self._radio(words, "order", (CLUSTERED, "alphabetical"))
            self.view = self._radio(words, "view", ("weights", LEAN))
            self.gate = self._radio(words, "gate", ("both", ALPHA, GATE))

    @staticmethod
    def _slider(words: Words, name: str, value: int) -> Any:
        given = {"label": Key(f"skills.{name}"), "info": Key(f"skills.{name}_help"), "min_width": 240}
        given |= {"minimum": 0, "maximum": 1, "step": 1, "value": value, "elem_id": f"skills-{name}"}
        return words(gr.Slider, **given, visible=name != "head")

    @staticmethod
    def _radio(words: Words, name: str, names: tuple[str, ...]) -> Any:
        listed = [(Key(f"skills.{n}"), n) for n in names]
        label = Key("skills.stages" if name == "gate" else f"skills.{name}")
        given = {"label": label, "value": names[0], "elem_id": f"skills-{name}", "min_width": 240}
        return words(gr.Radio, choices=listed, visible=name != "gate", **given)

    def _wire(self, context: Context) -> None:
        controls = [self.layer, self.routing_head, self.moment, self.order, self.view, self.gate]
        shown = [self.title, self.heatmap, self.below]
        page = [self.head, self.body, self.layer, self.routing_head, self.moment, self.gate]
        context.on_selection(self.draw, page)
        context.on_selection(self.draw_heatmap, shown, controls)
        moved = [field.change for field in (self.layer, self.routing_head, self.moment)]
        chosen = [field.input for field in (self.order, self.view, self.gate)]
        quiet = {"show_progress": "hidden", "trigger_mode": "always_last"}
        for trigger in (*moved, *chosen):
            context.on(trigger, self.draw_heatmap, [context.selection, *controls], shown, **quiet)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Introduction, the sliders' ends, and whether there are stages to show apart."""
        allocation = find_allocation(context, selection)
        if allocation is None:
            hint = empty(say("skills.none_title"), say("skills.none_text"))
            return {self.head: hint, self.body: gr.update(visible=False)}
        layers, heads = len(layer_names(allocation)), num_heads(allocation)
        moments = len(read_snapshots(context.run_dir(selection)))  # type: ignore[arg-type]
        last = max(1, moments)
        return {
            self.head: lead(say("skills.lead")),
            self.body: gr.update(visible=True),
            self.layer: gr.update(maximum=max(1, layers), interactive=layers > 1),
            self.routing_head: gr.update(maximum=max(1, heads), visible=heads > 1, value=0),
            self.moment: gr.update(maximum=last, value=last, interactive=moments > 1),
            self.gate: gr.update(visible=has_gate(allocation)),
        }

    def draw_heatmap(self, context: Context, selection: Selection, *chosen: Any) -> Shown:
        """`chosen`: layer, head, moment, order, colours, stage. Layer 0 and head 0 are means."""
        layer, head, moment, order, view, gate = chosen
        final = find_allocation(context, selection)
        if final is None:
            return {self.title: "", self.heatmap: "", self.below: ""}
        run_dir = context.run_dir(selection)
        assert run_dir is not None  # its allocation was found
        snapshots = read_snapshots(run_dir)
        shown, when = pick_moment(final, snapshots, int(moment or 0))
        name, table = pick_table(shown, int(layer or 0), int(head or 0))
        rows = cluster_order(task_similarity(final, centred=True)) if order == CLUSTERED else sorted(table.index)
        table = table.loc[rows, [n for n in used_skills(final) if n in table.columns]]
        if gate != "both" and has_gate(shown):
            table = gate_part(table, gate)
        return {
            self.title: part(" · ".join(text for text in (name, when) if text)),
            self.heatmap: to_json(draw_table(shown, table, view == LEAN)),
            self.below: _below(final, table, gate, read_evidence(run_dir) is not None),
        }


def draw_table(allocation: Allocation, table: pd.DataFrame, leans: bool) -> Figure:
    """Weights, common and private apart, or how far the common ones are from the even share."""
    common = [s.name for s in allocation.skills if s.kind == "common" and s.name in table.columns]
    even = 1.0 / max(1, len(common) or table.shape[1])
    if leans and len(common) > 1:
        figure = lean_heatmap(table[common] - even)
    else:
        figure = split_heatmap(table, len(common), even)
    return with_csv(figure, "skills", table, say("word.task"))


def pick_moment(final: Allocation, snapshots: Snapshots, moment: int) -> tuple[Allocation, str]:
    """The trained model, or a snapshot of the training with its stage and step."""
    if 0 <= moment < len(snapshots) - 1:
        then = snapshots[moment]
        return then, say("skills.moment_one", stage=then.stage, step=then.step)
    return final, ""


def pick_table(allocation: Allocation, layer: int, head: int) -> tuple[str, pd.DataFrame]:
    """The table of a layer and routing head (0: the mean over all), with its name."""
    names = layer_names(allocation)
    if allocation.layers == (MEAN,):
        layer, head = 0, 0
    chosen = names[min(layer, len(names)) - 1] if layer > 0 else None
    told = say("skills.layer_one", name=chosen) if chosen else say("skills.layer_mean")
    if head > 0 and num_heads(allocation) > 1:
        told += " · " + say("skills.head_one", n=head)
        return told, cut_table(allocation, chosen, head)
    return told, cut_table(allocation, chosen)


def _below(allocation: Allocation, table: pd.DataFrame, gate: str, has_evidence: bool) -> str:
    """Sentences about the averaged table and its numbers.

    Where it was measured what the skills do, that was said above and weights are no second opinion."""
    told = [] if has_evidence else describe_allocation(allocation)[:MOST_SENTENCES]
    if gate == GATE and OWN in table.columns:
        least = str(table[OWN].idxmin())
        values = {"share": f"{100 * table[OWN].mean():.0f}", "task": least}
        told = [Sentence("says.gate_own", {**values, "least": f"{100 * table[OWN].min():.0f}"})]
    said = [word_sentence(s.key, s.values) for s in told]
    share = f"{uniform_weight(allocation):.2f}"
    said.append(say("skills.even", k=max(1, len(allocation.columns("common"))), share=share))
    numbers = allocation_numbers(allocation)
    if numbers:
        said.append(say("skills.numbers", **{name: f"{value:.2f}" for name, value in numbers.items()}))
    return paragraphs(said)


build = Skills
