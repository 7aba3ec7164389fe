"""sample: a ready project with small real tasks"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.base.errors import TaskFileError
from core.commands.output import Report, Verbs, add_verb
from core.commands.task_options import task_table, task_value

SAMPLE_DIR = Path(__file__).resolve().parents[2] / "assets" / "sample"


def add_parser(verbs: Verbs) -> None:
    parser = add_verb(verbs, "sample", sample, "create a project with small real tasks to try everything on")
    parser.add_argument("--name", default="Sample", help="name of the project (default: Sample)")


def sample(args: argparse.Namespace) -> Report:
    from core.base.folders import undone_on_error
    from core.tasks.changing.sample import load_sample
    from core.workspace import Workspace

    if not SAMPLE_DIR.is_dir():
        raise TaskFileError("command.no_file", path=str(SAMPLE_DIR))
    workspace = Workspace(args.workspace)
    project = workspace.create_project(args.name)
    # A half-made sample would stand in the way of the next try.
    with undone_on_error(lambda: workspace.delete_project(project)):
        specs = load_sample(project)
    value = {"project_id": project.project_id, "name": project.name, "tasks": [task_value(spec) for spec in specs]}
    start = f"python -m core train {project.name!r}"
    return Report(value, f"{task_table(specs)}\n\nProject {project.name} is ready. Train it: {start}")
