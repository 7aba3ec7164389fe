"""Skills: which task uses which skill, by layer, routing head and moment of training, and what the skills do."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
import pandas as pd

from app.drawing.figures import Figure, lean_heatmap, skill_heatmap, to_json, with_csv
from app.drawing.layer_words import technical_name, word_layer
from app.drawing.markup import fold, lead, note, paragraphs, part
from app.drawing.skill_figures import clickable, share_strip
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.shell.way_on import WayOn
from app.skills.chosen_run import find_allocation, find_contributions, find_evidence
from app.skills.contribution_panel import ContributionPanel
from app.skills.evidence_panel import EvidencePanel
from app.skills.look_panel import LookPanel
from app.skills.other_run_panel import OtherRunPanel
from app.skills.probe_panel import ProbePanels
from app.skills.rows_panel import RowsPanel
from app.skills.similarity_panel import SimilarityPanel
from app.skills.task_panel import TaskPanel
from app.skills.time_panel import TimePanel
from app.skills.view_panel import ViewPanel, find_view
from app.skills.what_if_panel import WhatIfPanel
from app.texts import say, word_sentence, word_skills
from app.texts.words import Key, Words
from core.adapters.skill import COMMON, PRIVATE
from core.insight.allocation import Allocation, allocation_numbers, layer_table, uniform_weight
from core.insight.allocation_cuts import ALPHA, GATE, OWN, gate_part, has_gate, layer_names, num_heads, pick_layer
from core.insight.contribution_table import Contributions, output_share
from core.insight.sentences import describe_allocation
from core.insight.snapshots import MEAN, Snapshots, read_snapshots
from core.insight.task_groups import view_rows
from core.messages import Sentence

TITLE = "tab.skills"
LEAN = "lean"
MOST_SENTENCES = 8
GATES_ALIKE = 5.0  # percent; below it no task is named


class Skills:
    """One screen for one run: the evidence first, the weights with their controls, then the sections below them."""

    def __init__(self, context: Context) -> None:
        self.way_on = WayOn(context, "skills-head")
        self.head = self.way_on.head
        with gr.Column(visible=False) as self.body:
            self.shown = ViewPanel(context)
            evidence = EvidencePanel(context, self.shown.fields)
            rows = RowsPanel(context)
            WhatIfPanel(context, rows.task)
            self.weights_title = gr.HTML()
            self._build_controls(context.words)
            self.title = gr.HTML(elem_id="skills-layer-name")
            self.heatmap = plot("skills-heatmap")
            self.below = gr.HTML(elem_id="skills-says")
            with gr.Row():
                with gr.Column(min_width=340):
                    ContributionPanel(context, self.shown.fields)
                with gr.Column(min_width=340):
                    SimilarityPanel(context, self.shown.fields)
            TaskPanel(context, rows.task)
            TimePanel(context)
            LookPanel(context)
            ProbePanels(context)
            OtherRunPanel(context)  # last: its field appears with a second run, and would push what is above
        rows.follow(context, evidence.effects, evidence.pairs, self.heatmap)
        self._wire(context)

    def _build_controls(self, words: Words) -> None:
        """Sliders (layer and head 0 are where the tasks differ most, the right end of the moments is the trained
        model), colours, and for the mixture of task adapters which of its two stages."""
        with gr.Row():
            self.layer, self.routing_head, self.moment = (
                self._slider(words, name, value) for name, value in (("layer", 0), ("head", 0), ("moment", 1))
            )
        with gr.Row():
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
        controls = [self.layer, self.routing_head, self.moment, self.view, self.gate, *self.shown.fields]
        shown = [self.title, self.heatmap, self.below]
        page = [
            self.head,
            self.body,
            self.weights_title,
            self.layer,
            self.routing_head,
            self.moment,
            self.view,
            self.gate,
        ]
        context.on_selection(self.draw, page)
        context.on_selection(self.draw_heatmap, shown, controls)
        moved = [field.change for field in (self.layer, self.routing_head, self.moment, *self.shown.fields)]
        chosen = [field.input for field in (self.view, self.gate)]
        quiet = {"show_progress": "hidden", "trigger_mode": "always_last"}
        for trigger in (*moved, *chosen):
            context.on(trigger, self.draw_heatmap, [context.selection, *controls], shown, **quiet)

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Introduction, the sliders' ends, and whether there are stages to show apart."""
        allocation = find_allocation(context, selection)
        if allocation is None:
            hint = self.way_on.view(context, selection, say("skills.none_title"), say("skills.none_text"))
            return {self.head: hint, self.body: gr.update(visible=False)}
        layers, heads = len(layer_names(allocation)), num_heads(allocation)
        moments = len(read_snapshots(context.run_dir(selection)))  # type: ignore[arg-type]
        last, mixes = max(1, moments), not allocation.is_lone
        return {
            self.head: lead(say("skills.lead")),
            self.weights_title: part(say("skills.weights_title")) if mixes else "",
            self.body: gr.update(visible=True),
            self.layer: gr.update(maximum=max(1, layers), interactive=layers > 1, visible=mixes),
            self.routing_head: gr.update(maximum=max(1, heads), visible=heads > 1, value=0),
            self.moment: gr.update(maximum=last, value=last, interactive=moments > 1, visible=mixes),
            self.view: gr.update(visible=mixes),
            self.gate: gr.update(visible=has_gate(allocation)),
        }

    def draw_heatmap(self, context: Context, selection: Selection, *chosen: Any) -> Shown:
        """`chosen`: layer, head, moment, colours, stage, group, search. Layer 0 and head 0 are those in which the
        tasks differ most; nothing is ever a mean over layers."""
        layer, head, moment, view, gate, group, search = chosen
        final = find_allocation(context, selection)
        if final is None:
            return {self.title: "", self.heatmap: "", self.below: ""}
        if final.is_lone:
            return {self.title: note(say("skills.one_adapter")), self.heatmap: "", self.below: ""}
        run_dir = context.run_dir(selection)
        assert run_dir is not None  # its allocation was found
        shown, when = pick_moment(final, read_snapshots(run_dir), int(moment or 0))
        name, path, table = pick_table(shown, int(layer or 0), int(head or 0))
        if gate != "both" and has_gate(shown):
            table = gate_part(table, gate)
        parts = find_contributions(context, selection) if shown is final else None
        rows = find_view(context, selection, group, search)
        picture = draw_table(shown, view_rows(table, rows), view_rows(own_share(parts), rows), view == LEAN)
        technical = technical_name(path) if path else ""
        told = "skills.map_lean" if view == LEAN else "skills.map_how"
        return {
            self.title: part(" · ".join(text for text in (name, when) if text)) + note(say(told)) + technical,
            self.heatmap: to_json(picture),
            self.below: _below(final, table, gate, find_evidence(context, selection) is not None),
        }


def own_share(found: Contributions | None) -> pd.DataFrame:
    """How much of what is added for each task comes from its own skill, as one column; no column where it was not
    measured."""
    share = output_share(found) if found else None
    return pd.DataFrame() if share is None else share[[PRIVATE]].rename(columns={PRIVATE: say("skills.own_share")})


def draw_table(allocation: Allocation, table: pd.DataFrame, share: pd.DataFrame, leans: bool) -> Figure | None:
    """Weights of the common skills, or how far they are from the even share; beside them what the tasks' own add.
    Weights of private skills are 1 and 0 by construction unless they are learned, and only then are shown."""
    common = [s.name for s in allocation.skills if s.kind == COMMON and s.name in table.columns]
    names = [c for c in table.columns if c in common or c not in allocation_names(allocation)]
    names += learned_private(allocation, table)
    even = 1.0 / max(1, len(common) or len(names))
    weights = table[names]
    if weights.empty and share.empty:
        return None
    if leans and len(common) > 1:
        figure = lean_heatmap(table[common] - even)
    else:
        figure = skill_heatmap(weights, even)
    if not share.empty:
        figure = share_strip(figure, share)
    shown = {word_skills(str(name)): str(name) for name in names} | dict.fromkeys(map(str, share.columns), PRIVATE)
    return clickable(with_csv(figure, "skills", weights.join(share), say("word.task")), shown)


def allocation_names(allocation: Allocation) -> set[str]:
    return {skill.name for skill in allocation.skills}


def learned_private(allocation: Allocation, table: pd.DataFrame) -> list[str]:
    """Private columns whose weights are something else than 1 for the owner and 0 for the others."""
    names = [s.name for s in allocation.skills if s.kind == PRIVATE and s.name in table.columns]
    values = table[names].to_numpy()
    return [] if bool(np.isin(values, (0.0, 1.0)).all()) or len(table) < len(allocation.tasks) else names


def pick_moment(final: Allocation, snapshots: Snapshots, moment: int) -> tuple[Allocation, str]:
    """The trained model, or a snapshot of the training with its stage and step."""
    if 0 <= moment < len(snapshots) - 1:
        then = snapshots[moment]
        return then, say("skills.moment_one", stage=then.stage, step=then.step)
    return final, ""


def pick_table(allocation: Allocation, layer: int, head: int) -> tuple[str, str, pd.DataFrame]:
    """The table of a layer and routing head (0: in which the tasks differ most), after its plain name and its path
    in the model (empty where it stands for all layers)."""
    if allocation.layers == (MEAN,):  # of an older version, which kept no layers of its snapshots
        return say("skills.layer_mean"), "", layer_table(allocation, 0)
    names = layer_names(allocation)
    chosen = names[min(layer, len(names)) - 1] if layer > 0 else None
    place = pick_layer(allocation, chosen, head if head > 0 and num_heads(allocation) > 1 else None)
    if len(allocation.layers) == 1:
        return say("skills.layer_all"), "", layer_table(allocation, place)
    told = "skills.layer_one" if layer > 0 else "skills.layer_telling"
    path = allocation.layers[place]
    return say(told, name=word_layer(path, allocation.layers)), path, layer_table(allocation, place)


def _below(allocation: Allocation, table: pd.DataFrame, gate: str, has_evidence: bool) -> str:
    """Sentences about the weights, and folded their numbers.

    Where it was measured what the skills do, that was said above and weights are no second opinion."""
    told = [] if has_evidence else describe_allocation(allocation)[:MOST_SENTENCES]
    if gate == GATE and OWN in table.columns:
        told = [describe_gate(100 * table[OWN])]
    said = [word_sentence(s.key, s.values) for s in told]
    if allocation.columns(COMMON):
        share = f"{uniform_weight(allocation):.2f}"
        said.append(say("skills.even", k=len(allocation.columns(COMMON)), share=share))
    numbers = {name: f"{value:.2f}" for name, value in (allocation_numbers(allocation) or {}).items()}
    folded = fold(say("skills.numbers_title"), note(say("skills.numbers", **numbers))) if numbers else ""
    return paragraphs(said) + folded


def describe_gate(own: pd.Series) -> Sentence:
    """How much the tasks' own adapters carry after stage 2, in percent; of which task least, if that differs."""
    values = {"share": f"{own.mean():.0f}"}
    if own.max() - own.min() < GATES_ALIKE:
        return Sentence("says.gate_own_alike", values)
    return Sentence("says.gate_own", {**values, "task": str(own.idxmin()), "least": f"{own.min():.0f}"})


build = Skills
