"""task list | show | export | remove; the actions that add, change and check tasks have files of their own"""

from __future__ import annotations

import argparse

from core.commands import task_add, task_change, task_health, task_settle
from core.commands.output import Parser, Report, Verbs, add_verb
from core.commands.task_options import task_table, task_value


def add_parser(verbs: Verbs) -> None:
    topic = verbs.add_parser("task", help="add, check, change, list, show and remove tasks")
    actions = topic.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    task_add.add_actions(actions)
    listing = add_verb(actions, "list", show_all, "list the tasks of a project")
    listing.add_argument("project")
    showing = add_verb(actions, "show", show, "one task: its settings, and examples as the model sees them")
    showing.add_argument("project")
    showing.add_argument("task")
    showing.add_argument("--rows", type=int, default=2, metavar="N", help="examples to print (default 2)")
    saving = add_verb(actions, "export", export, "write a task as a folder for the library datasets (Arrow)")
    saving.add_argument("project")
    saving.add_argument("task")
    saving.add_argument("folder", help="a new folder; datasets.load_from_disk and `task add` open it")
    removing = add_verb(actions, "remove", remove, "remove a task from a project; runs keep their own copy")
    removing.add_argument("project")
    removing.add_argument("task")
    task_change.add_actions(actions)
    task_health.add_actions(actions)
    task_settle.add_actions(actions)


def show_all(args: argparse.Namespace) -> Report:
    from core.tasks.store import read_tasks
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    specs, broken = read_tasks(project)
    none = f"No tasks yet. Add one: python -m core task add {project.name!r} FILE"
    lines = [task_table(specs) if specs else none, *(f"! {task.task_id}: {task.error}" for task in broken)]
    return Report([task_value(spec) for spec in specs], "\n".join(lines))


def show(args: argparse.Namespace) -> Report:
    from dataclasses import asdict

    from core.tasks.dataset import load_dataset_of
    from core.tasks.store import get_task
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    spec = get_task(project, args.task)
    examples = load_dataset_of(project, [spec.name]).examples[(0, "train")][: max(0, args.rows)]
    value = {
        **task_value(spec),
        "template": spec.template,
        "instruction": spec.instruction,
        "templates": list(spec.templates),
        "system": spec.system,
        "weight": spec.weight,
        "split": asdict(spec.split),
        "version": spec.version,
        "label_names": spec.label_names,
        "examples": [{"prompt": e.prompt, "target": e.target, "line": e.line} for e in examples],
    }
    lines = [f"{name}: {shown}" for name, shown in value.items() if name not in ("examples", "labels")]
    lines += [f"\n--- example, line {e.line}\n{e.prompt}\n--- answer\n{e.target}" for e in examples]
    return Report(value, "\n".join(lines))


def export(args: argparse.Namespace) -> Report:
    from pathlib import Path

    from core.tasks.changing.dataset_library import save_folder
    from core.tasks.store import get_task
    from core.workspace import Workspace

    project, folder = Workspace(args.workspace).get_project(args.project), Path(args.folder).expanduser().resolve()
    spec = get_task(project, args.task)
    counts = save_folder(project, spec.name, folder)
    told = ", ".join(f"{count} {split}" for split, count in counts.items())
    return Report({"task": spec.name, "folder": str(folder), **counts}, f"{folder}: {told} rows")


def remove(args: argparse.Namespace) -> Report:
    from core.tasks.store import list_damaged_tasks, remove_damaged_task, remove_task
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    if args.task in [task.task_id for task in list_damaged_tasks(project)]:
        remove_damaged_task(project, args.task)
        name = args.task
    else:
        name = remove_task(project, args.task).name
    return Report({"removed": name}, f"Task {name} was removed.")
