"""How the allocation came about over the training: how sharp it is, how much is used, by how many skills."""

from __future__ import annotations

import gradio as gr
import pandas as pd

from app.drawing.figures import to_json, with_csv
from app.drawing.markup import note, part
from app.drawing.skill_figures import curves_over_steps
from app.drawing.widgets import plot
from app.shell.context import Context
from app.shell.redraw import Shown
from app.shell.selection import Selection
from app.skills.chosen_run import find_allocation, word_all
from app.texts import say
from core.adapters.skill import COMMON
from core.insight.snapshots import read_snapshots
from core.messages import Sentence

MOVED = 0.05  # a change of sharpness, on a scale of 0 to 1, below this is called none
APART = 0.2  # skills in effect: what is told with one decimal is to differ there


class TimePanel:
    def __init__(self, context: Context) -> None:
        self.said = gr.HTML(elem_id="skills-time-says")
        with gr.Row():
            with gr.Column(min_width=340):
                self.sharp = plot("skills-sharpness")
            with gr.Column(min_width=340):
                self.effective = plot("skills-effective")
        context.on_selection(self.draw, [self.said, self.sharp, self.effective])

    def draw(self, context: Context, selection: Selection) -> Shown:
        """Nothing before the second snapshot, and of one adapter for all."""
        run_dir = context.run_dir(selection)
        curves = read_snapshots(run_dir).curves if run_dir is not None else pd.DataFrame()
        allocation = find_allocation(context, selection)
        if len(curves) < 2 or (allocation is not None and allocation.is_lone):
            return {self.said: "", self.sharp: "", self.effective: ""}
        names = {name: say(f"skills.{name}") for name in ("sharpness", "usage")}
        tasks = [name for name in curves.columns if name not in ("step", "stage", "sharpness", "usage")]
        skills = len(allocation.columns(COMMON)) if allocation else None
        first = curves_over_steps(curves, list(names), names, (0, 1.02))
        second = curves_over_steps(curves, tasks, {}, (0.9, float(skills) + 0.1 if skills else None))
        head = part(say("skills.time_title")) + note(say("skills.time_note"))
        table = curves.set_index("step")
        return {
            self.said: head + word_all(describe_time(curves, tasks, skills or 0)),
            self.sharp: to_json(with_csv(first, "sharpness", table[["stage", *names]], "step")),
            self.effective: to_json(with_csv(second, "effective-skills", table[["stage", *tasks]], "step")),
        }


def describe_time(curves: pd.DataFrame, tasks: list[str], num_skills: int) -> list[Sentence]:
    start, end = float(curves["sharpness"].iloc[0]), float(curves["sharpness"].iloc[-1])
    key = "says.unmoved" if abs(end - start) < MOVED else "says.sharper" if end > start else "says.evener"
    values = {"first": int(curves["step"].iloc[0]), "start": f"{start:.2f}", "end": f"{end:.2f}"}
    told = [Sentence(key, values)]
    last = curves[tasks].iloc[-1]
    if len(tasks) > 1 and last.max() - last.min() >= APART:
        ends = {"task": str(last.idxmax()), "most": f"{last.max():.1f}", "least": f"{last.min():.1f}"}
        told.append(Sentence("says.most_skills", {**ends, "other": str(last.idxmin()), "k": num_skills}))
    return told
