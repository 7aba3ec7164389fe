"""project create | list | delete | export | import | repair"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.commands.output import Parser, Report, Verbs, add_verb, confirm, table
from core.messages.plural import counted


def add_parser(verbs: Verbs) -> None:
    topic = verbs.add_parser("project", help="create, list and delete projects")
    actions = topic.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    create = add_verb(actions, "create", create_project, "create an empty project")
    create.add_argument("name")
    add_verb(actions, "list", list_projects, "list all projects")
    export = add_verb(actions, "export", export_project, "write a project as one file, without weights")
    export.add_argument("name")
    export.add_argument("file", help="where to write it, such as desk.taskloom.zip")
    packed = add_verb(actions, "import", import_project, "make a project from such a file")
    packed.add_argument("file")
    packed.add_argument("--name", help="name of the new project (default: as it was)")
    repair = add_verb(actions, "repair", repair_project, "give a project whose project.json is damaged a new one")
    repair.add_argument("id", help="its folder, as `python -m core doctor` names it")
    repair.add_argument("--name", default="", help="how to call it (default: its id)")
    delete = add_verb(actions, "delete", delete_project, "delete a project with its tasks and runs")
    delete.add_argument("name")
    delete.add_argument("--yes", action="store_true", help="do not ask")


def export_project(args: argparse.Namespace) -> Report:
    from core.tasks.changing.archive import export_project
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.name)
    target = export_project(project, Path(args.file).expanduser().resolve())
    return Report({"file": str(target), "bytes": target.stat().st_size}, str(target))


def import_project(args: argparse.Namespace) -> Report:
    from core.commands.task_options import existing
    from core.tasks.changing.archive import import_project
    from core.tasks.store import list_tasks
    from core.workspace import LOCAL_OWNER, Workspace

    project = import_project(Workspace(args.workspace), existing(args.file), LOCAL_OWNER, args.name)
    names = [spec.name for spec in list_tasks(project)]
    value = {"project_id": project.project_id, "name": project.name, "tasks": names}
    tasks = counted(len(names), "task|tasks")
    return Report(value, f"Project {project.name} is ready with {tasks}: {', '.join(names)}.")


def create_project(args: argparse.Namespace) -> Report:
    from core.workspace import Workspace

    project = Workspace(args.workspace).create_project(args.name)
    value = {"project_id": project.project_id, "name": project.name, "path": str(project.path)}
    next_step = f"python -m core task add {project.name!r} FILE"
    return Report(value, f"Project {project.name} is ready. Add tasks: {next_step}")


def repair_project(args: argparse.Namespace) -> Report:
    from core.workspace import Workspace

    project = Workspace(args.workspace).repair_project(args.id, args.name)
    value = {"project_id": project.project_id, "name": project.name}
    return Report(value, f"Project {project.name} can be read again; its tasks and runs are as they were.")


def list_projects(args: argparse.Namespace) -> Report:
    from core.runs.creation import list_runs
    from core.tasks.store import list_tasks
    from core.workspace import Workspace

    rows = [
        {"name": p.name, "project_id": p.project_id, "tasks": len(list_tasks(p)), "runs": len(list_runs(p))}
        for p in Workspace(args.workspace).list_projects()
    ]
    text = table([list(row.values()) for row in rows], ["project", "id", "tasks", "runs"])
    return Report(rows, text if rows else "No projects yet. Create one: python -m core project create NAME")


def delete_project(args: argparse.Namespace) -> Report:
    from core.base.errors import RunError
    from core.insight.jobs import end_jobs
    from core.runs.creation import delete_project as delete_whole
    from core.runs.creation import list_runs
    from core.runs.liveness import run_state
    from core.workspace import Workspace

    workspace = Workspace(args.workspace)
    project = workspace.get_project(args.name)
    for folder in list_runs(project):
        status = run_state(folder)
        if status.is_live:
            raise RunError("run.still_live", name=folder.run_id, state=status.state)
    if not args.yes and not confirm(f"Delete project {project.name} with everything in it?"):
        return Report({"deleted": None}, "Nothing was deleted.")
    end_jobs(workspace.root, project.project_id)
    delete_whole(workspace, project)
    return Report({"deleted": project.project_id}, f"Project {project.name} was deleted.")
