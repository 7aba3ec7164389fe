"""task add | list | show | remove"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.commands.output import Parser, Report, Verbs, add_verb, table
from core.errors import SettingError, TaskFileError

# Options that say what domain.json says already.
_FILE_ONLY = ("file", "test", "name", "input", "target", "instruction", "metric", "template", "sheet", "encoding")


def add_parser(verbs: Verbs) -> None:
    topic = verbs.add_parser("task", help="add, list, show and remove tasks")
    actions = topic.add_subparsers(metavar="ACTION", required=True, parser_class=Parser)
    _add_options(add_verb(actions, "add", add, "add a task from a file, or all tasks of a domain folder"))
    listing = add_verb(actions, "list", show_all, "list the tasks of a project")
    listing.add_argument("project")
    showing = add_verb(actions, "show", show, "one task: its settings, and examples as the model sees them")
    showing.add_argument("project")
    showing.add_argument("task")
    showing.add_argument("--rows", type=int, default=2, metavar="N", help="examples to print (default 2)")
    removing = add_verb(actions, "remove", remove, "remove a task from a project; runs keep their own copy")
    removing.add_argument("project")
    removing.add_argument("task")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("project")
    parser.add_argument("file", nargs="?", help="csv, tsv, jsonl, json, xlsx, parquet, or a gzip'd text file")
    parser.set_defaults(late="file")
    parser.add_argument("--domain", metavar="FOLDER", help="a folder with a domain.json that describes its files")
    parser.add_argument("--test", metavar="FILE", help="rows of the final exam; else a share is held back")
    parser.add_argument("--name", help="name of the task (default: from the file name)")
    parser.add_argument("--input", action="append", metavar="COL", help="input column; repeat for several")
    parser.add_argument("--target", action="append", metavar="COL", help="answer column; repeat for several")
    parser.add_argument("--instruction", metavar="TEXT", help="what the model is asked to do")
    parser.add_argument("--template", metavar="TEXT", help="prompt with {column} and {instruction} placeholders")
    parser.add_argument("--metric", help="how answers are scored, for example accuracy or token_f1")
    parser.add_argument("--sheet", help="sheet of an xlsx file (default: the first)")
    parser.add_argument("--encoding", help="encoding of a text file (default: detected)")


def add(args: argparse.Namespace) -> Report:
    from core.tasks.domain import add_domain
    from core.tasks.importing import add_task
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    if args.domain:
        given = [name for name in _FILE_ONLY if getattr(args, name)]
        if given:
            raise SettingError("command.only_file", option="FILE" if given[0] == "file" else f"--{given[0]}")
        added = add_domain(project, _existing(args.domain), isolated=True)
    elif args.file:
        added = [add_task(project, _existing(args.file), _request(args), isolated=True)]
    else:
        raise SettingError("command.need_one")
    return import_report(project, added)


def import_report(project: Any, added: list[Any]) -> Report:
    """The new tasks, and everything that was noticed about their rows: nothing is left out in silence."""
    from core.tasks.store import read_problems

    values, notes = [], []
    for spec in added:
        problems = read_problems(project, spec.task_id)
        values.append({**task_value(spec), "problems": [problem.as_dict() for problem in problems]})
        notes += [f"{spec.name}: {problem.message} {problem.hint}".rstrip() for problem in problems]
    return Report(values, "\n".join([task_table(added), *([""] if notes else []), *notes]))


def show_all(args: argparse.Namespace) -> Report:
    from core.tasks.importing import list_tasks
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    specs = list_tasks(project)
    none = f"No tasks yet. Add one: python -m core task add {project.name!r} FILE"
    return Report([task_value(spec) for spec in specs], task_table(specs) if specs else none)


def show(args: argparse.Namespace) -> Report:
    from core.tasks.dataset import load_dataset_of
    from core.tasks.importing import get_task
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    spec = get_task(project, args.task)
    examples = load_dataset_of(project, [spec.name]).examples[(0, "train")][: max(0, args.rows)]
    value = {**task_value(spec), "template": spec.template, "instruction": spec.instruction,
             "examples": [{"prompt": e.prompt, "target": e.target, "line": e.line} for e in examples]}
    lines = [f"{name}: {shown}" for name, shown in value.items() if name not in ("examples", "labels")]
    lines += [f"\n--- example, line {e.line}\n{e.prompt}\n--- answer\n{e.target}" for e in examples]
    return Report(value, "\n".join(lines))


def remove(args: argparse.Namespace) -> Report:
    from core.tasks.importing import get_task, remove_task
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    spec = get_task(project, args.task)
    remove_task(project, spec.name)
    return Report({"removed": spec.name}, f"Task {spec.name} was removed.")


def task_value(spec: Any) -> dict[str, Any]:
    """A task as --json prints it."""
    return {
        "name": spec.name, "task_id": spec.task_id, "kind": spec.kind, "metric": spec.metric,
        "inputs": list(spec.inputs), "targets": list(spec.targets), "train": spec.num_train,
        "validation": spec.num_validation, "test": spec.num_test, "file": spec.source.file,
        "encoding": spec.source.encoding, "labels": list(spec.labels),
    }


def task_table(specs: list[Any]) -> str:
    """Tasks as people read them."""
    rows = [
        [s.name, s.kind, s.metric, " + ".join(s.inputs), " + ".join(s.targets), *s.num_examples.values()]
        for s in specs
    ]
    return table(rows, ["task", "kind", "metric", "input", "answer", "practice", "check", "exam"])


def _existing(path: str) -> Path:
    found = Path(path).expanduser()
    if not found.exists():
        raise TaskFileError("command.no_file", path=path)
    return found


def _request(args: argparse.Namespace) -> Any:
    from core.tasks.files import ReadOptions
    from core.tasks.importing import TaskRequest

    return TaskRequest(
        name=args.name, test_path=_existing(args.test) if args.test else None,
        inputs=tuple(args.input) if args.input else None, targets=tuple(args.target) if args.target else None,
        instruction=args.instruction, metric=args.metric, template=args.template,
        options=ReadOptions(sheet=args.sheet, encoding=args.encoding),
    )
