"""Many projects, runs and tasks, staged and never trained: how long a page, a list and the end of a training take.

    python -m tests.benchmarks.scale [--projects 500] [--runs 2000] [--tasks 300] [--weigh] [--write after]

Prints seconds by the clock and of this process's processor time; on a busy machine only the latter compare.
`--write NAME` puts them into assets/docs/scale.json under that name.

    lists: 2,000 ended runs of one project, from the folders alone and from what is remembered of them
    page: Home, the head, the job bar and Try it, with the runs in one project, and spread over all of them
    locked: the same list while somebody holds the database for himself
    saving: what the end of a training does for 300 tasks on the starter model: adapter, measured parts, allocation
    skills: the first look at the Skills screen of such a run, with made-up evidence
    weighing (with --weigh): what each skill does, which tells how far it is and takes minutes
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from app.frame.head import Head
from app.frame.job_bar import JobBar
from app.home.screen import Home
from app.shell.context import Context
from app.shell.selection import Selection
from app.skills.screen import Skills
from app.try_it.screen import TryIt
from core.runs.folder import RunFolder
from core.runs.queue_db import RunQueue
from core.runs.states import RunStatus
from core.runs.summaries import list_summaries
from core.workspace import Project, Workspace
from tests.app.panels import build_panel
from tests.benchmarks.skills_screen import made_up_evidence
from tests.staged_runs import stages, write_stage

PAGE = Path(__file__).resolve().parents[2] / "assets" / "docs" / "scale.json"
PROMPT = "Which of the labels fits this message best? please tell me about the order of last week, number"


def timed(name: str, told: dict[str, Any], act: Callable[[], Any]) -> Any:
    clock, spent = time.perf_counter(), time.process_time()
    found = act()
    told[name] = {"clock_s": round(time.perf_counter() - clock, 2), "here_s": round(time.process_time() - spent, 2)}
    print(json.dumps({name: told[name]}), flush=True)
    return found


def stage_runs(project: Project, count: int, sample: Path) -> None:
    for number in range(count):
        shutil.copytree(sample, project.runs_dir / f"r20260101-000000-{project.project_id[-4:]}{number:04d}")


def stage_sample(place: Path) -> Path:
    """One ended run as all the others are."""
    folder = RunFolder(write_stage(stages()[0], place / "sample"))
    folder.adapter_dir.mkdir()
    folder.write_status(RunStatus(state="succeeded", created=1.0))
    folder.write_done({"state": "succeeded", "ended": 2.0})
    return folder.path


def draw_screen(context: Context, selection: Selection) -> None:
    for redraw in context.redraws[context.screen]:
        values = (getattr(component, "value", None) for component in redraw.inputs[1:])
        with contextlib.suppress(gr.Error):  # a part that needs what the page fills in first
            redraw.handler(selection, *values)


def measure_page(root: Path, told: dict[str, Any], projects: int, runs: int, name: str) -> Context:
    """All runs in one project (`alone`), or each project with its share of them."""
    workspace = Workspace(root / name)
    made = [workspace.create_project(f"{name} {number}") for number in range(projects)]
    sample = stage_sample(root / name)
    first = runs if name == "alone" else runs // projects
    stage_runs(made[0], first, sample)
    if name != "alone":
        for project in made[1:]:
            stage_runs(project, runs // projects, sample)
    context = Context(Workspace(root / name))
    listed = timed(f"{name}: list from the folders", told, lambda: list_summaries(made[0]))
    timed(f"{name}: list again", told, lambda: list_summaries(made[0]))
    selection = Selection(project_id=made[0].project_id, run_id=listed[0].run_id)
    for screen in (Home, Head, JobBar, TryIt):
        build_panel(screen, context)
        timed(f"{name}: {screen.__name__}", told, lambda: draw_screen(context, selection))
        timed(f"{name}: {screen.__name__} again", told, lambda: draw_screen(context, selection))
    return context


def measure_locked(context: Context, told: dict[str, Any]) -> None:
    project = max(context.workspace.list_projects(), key=lambda found: len(list(found.runs_dir.iterdir())))
    db = sqlite3.connect(RunQueue(context.workspace.root).path, isolation_level=None)
    try:
        for words in ("PRAGMA journal_mode=DELETE", "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE"):
            db.execute(words)
        timed("locked: list", told, lambda: list_summaries(project))
    finally:
        db.close()


def measure_saving(root: Path, told: dict[str, Any], tasks: int, weighs: bool) -> None:
    """A run folder of many tasks, as the end of a training leaves it."""
    import torch

    from core.evaluation.contributions import write_contributions
    from core.models.building import build_modular, save_adapter
    from core.models.loading import load_base
    from core.tasks.dataset import Example, TaskDataset
    from core.training.allocation import write_allocation
    from core.training.answer_model import AnswerModel
    from core.training.batches import EncodedSplit
    from core.training.config import RunConfig
    from core.training.evidence import write_evidence
    from core.training.session import build_encoder

    torch.manual_seed(0)
    base = load_base("starter")
    model = build_modular(base, "cpoly", {}, tasks, 0)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    workspace = Workspace(root / "saving")
    project = workspace.create_project("Many")
    folder = RunFolder(write_stage(stages()[0], project.runs_dir / "many"))
    specs = tuple(replace_name(folder.read_tasks()[0], number) for number in range(tasks))
    rows = [Example(f"{PROMPT} {number}", "delivery", number) for number in range(8)]
    of_split = {"train": rows, "validation": rows, "test": []}
    dataset = TaskDataset(specs, {(t, s): kept for t in range(tasks) for s, kept in of_split.items()})
    entries = [
        {"index": n, "task_id": spec.task_id, "name": spec.name, "num_test": 8} for n, spec in enumerate(specs)
    ]
    folder.write_run({**folder.read_run(), "tasks": entries})
    timed("saving: adapter", told, lambda: save_adapter(model, folder.adapter_dir))
    timed("saving: parts", told, lambda: write_contributions(folder.contributions_path, base, model, dataset))
    timed("saving: allocation", told, lambda: write_allocation(model, folder, 10, 2, final=True))
    told["allocation.json"] = {"mb": round(folder.allocation_path.stat().st_size / 2**20, 1)}
    print(json.dumps({"allocation.json": told["allocation.json"]}))
    context, selection = Context(workspace), Selection(project_id=project.project_id, run_id="many")
    names = dataset.names()
    made_up = made_up_evidence(names, np.random.default_rng(0))
    folder.evidence_path.write_text(json.dumps(made_up), encoding="utf-8")
    build_panel(Skills, context)
    timed("skills: first look", told, lambda: draw_screen(context, selection))
    timed("skills: again", told, lambda: draw_screen(context, selection))
    if not weighs:
        return
    split = EncodedSplit(dataset, "validation", build_encoder(base, RunConfig()))
    split.packed = model.adapter.packs(16)
    timed("weighing", told, lambda: write_evidence(folder.evidence_path, AnswerModel(model), split, names))


def replace_name(spec: Any, number: int) -> Any:
    from dataclasses import replace

    return replace(spec, task_id=f"t{number}", name=f"task {number}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("projects", 500), ("runs", 2000), ("tasks", 300)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--weigh", action="store_true")
    parser.add_argument("--write", default="", metavar="NAME")
    asked = parser.parse_args()
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if asked.projects:
            context = measure_page(Path(folder), told, asked.projects, asked.runs, "alone")
            measure_locked(context, told)
            measure_page(Path(folder), told, asked.projects, asked.runs, "spread")
        if asked.tasks:
            measure_saving(Path(folder), told, asked.tasks, asked.weigh)
    if asked.write:
        known = json.loads(PAGE.read_text(encoding="utf-8")) if PAGE.is_file() else {}
        known[asked.write] = {**known.get(asked.write, {}), **told}
        PAGE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
