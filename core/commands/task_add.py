"""task add | preview: files, pasted rows or a data set of the Hub become tasks"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from core.base.errors import SettingError, TaskFileError
from core.commands.output import Report, Verbs, add_verb, said, table
from core.commands.task_options import (
    add_meaning,
    add_reading,
    add_split,
    existing,
    label_names,
    read_options,
    split_settings,
    task_table,
    task_value,
)
from core.messages.plural import counted

# Options that describe one file; domain.json says them already, and several files would share them.
_ONE_FILE = (
    "test",
    "validation_file",
    "name",
    "input",
    "target",
    "instruction",
    "metric",
    "kind",
    "template",
    "labels",
    "weight",
)
_READING = ("sheet", "encoding", "delimiter", "quotes", "header", "raw_numbers", "fill_down")
_SPLIT = ("split_by", "split_column", "validation", "exam", "seed")
PASTED = "-"


def add_actions(actions: Verbs) -> None:
    parser = add_verb(actions, "add", add, "add tasks: files, a domain folder, pasted rows, a data set of the Hub")
    parser.add_argument("project")
    files = "csv, tsv, txt, jsonl, json, xlsx, parquet, also gzip'd; - reads pasted rows from standard input"
    parser.add_argument("file", nargs="*", help=files)
    parser.set_defaults(late="file")
    parser.add_argument("--domain", metavar="FOLDER", help="a folder with a domain.json that describes its files")
    parser.add_argument("--hub", metavar="ID", help="a data set of the Hugging Face Hub, such as PolyAI/banking77")
    parser.add_argument("--config", metavar="NAME", help="configuration of the --hub data set")
    parser.add_argument("--test", metavar="FILE", help="rows of the final exam; else a share is held back")
    parser.add_argument(
        "--validation-file", metavar="FILE", help="rows of the check set; else a share is held back"
    )
    alone = "files called test, dev, ... are tasks of their own"
    parser.add_argument("--alone", action="store_true", help=f"{alone}; else they are asked about")
    parser.add_argument("--name", help="name of the task (default: from the file name)")
    add_meaning(parser)
    add_reading(parser)
    add_split(parser)
    preview = add_verb(actions, "preview", preview_file, "the first rows of a file and what is guessed about it")
    preview.add_argument("file")
    preview.add_argument("--rows", type=int, default=5, metavar="N", help="rows to print (default 5)")
    add_reading(preview)


def add(args: argparse.Namespace) -> Report:
    from core.workspace import Workspace

    project = Workspace(args.workspace).get_project(args.project)
    sources = [bool(args.domain), bool(args.hub), bool(args.file)]
    if not any(sources):
        raise SettingError("command.need_one")
    if sum(sources) > 1:
        raise SettingError("command.only_file", option="FILE")
    several = args.domain or args.hub or len(args.file) > 1
    given = [n for n in (*_ONE_FILE, *_READING, *_SPLIT) if getattr(args, n) is not None]
    if several and given:
        raise SettingError("command.only_file", option=f"--{given[0].replace('_', '-')}")
    return _added(project, args)


def _added(project: Any, args: argparse.Namespace) -> Report:
    from core.tasks.changing.add_task import add_pasted, add_task
    from core.tasks.changing.dataset_folder import add_dataset_folder
    from core.tasks.changing.dataset_library import is_dataset_folder
    from core.tasks.changing.domain import add_domain, add_files, require_partner
    from core.tasks.changing.hub import add_hub_dataset

    if args.domain:
        return import_report(project, add_domain(project, existing(args.domain), isolated=True))
    if args.hub:
        return import_report(project, [add_hub_dataset(project, args.hub, args.config)])
    if args.file == [PASTED]:
        return import_report(project, [add_pasted(project, sys.stdin.read(), _request(args))])
    if len(args.file) == 1 and is_dataset_folder(existing(args.file[0])):
        return import_report(project, [add_dataset_folder(project, existing(args.file[0]), _request(args))])
    if len(args.file) == 1:
        if not (args.alone or args.test or args.validation_file):
            require_partner(existing(args.file[0]))
        return import_report(project, [add_task(project, existing(args.file[0]), _request(args), isolated=True)])
    paths = [existing(path) for path in args.file]
    found = add_files(project, paths, alone=[path.name for path in paths] if args.alone else ())
    failed = [*found.failed, *((item.path.name, item.problem) for item in found.lone)]
    if not found.added:
        file, problem = failed[0]
        raise TaskFileError(problem.key, **{"file": file, **problem.values})
    return import_report(project, found.added, failed)


def import_report(project: Any, added: list[Any], failed: Any = ()) -> Report:
    """The new tasks, and everything that was noticed about their rows: nothing is left out in silence."""
    from core.commands.doubts import doubt_lines, doubt_values
    from core.tasks.store import read_doubts, read_problems

    values, notes = [], []
    for spec in added:
        problems, doubts = read_problems(project, spec.task_id), read_doubts(project, spec.task_id)
        told = {"problems": [problem.as_dict() for problem in problems], "doubts": doubt_values(doubts)}
        values.append({**task_value(spec), **told})
        notes += [f"{spec.name}: {said(problem)}" for problem in problems] + doubt_lines(doubts)
    for file, problem in failed:
        values.append({"file": file, "failed": problem.as_dict()})
        notes.append(f"NOT ADDED {file}: {said(problem)}")
    return Report(values, "\n".join([task_table(added), *([""] if notes else []), *notes]))


def preview_file(args: argparse.Namespace) -> Report:
    from core.commands.doubts import doubt_lines, doubt_values
    from core.messages import english
    from core.tasks.changing.isolation import preview_isolated

    found = preview_isolated(existing(args.file), read_options(args))
    guess = found.guess
    reasons = [english(key, values)[0] for key, values in guess.reasons] if guess else []
    value = {
        "file": found.name,
        "format": found.format,
        "encoding": found.encoding,
        "columns": list(found.columns),
        "sheets": list(found.sheets),
        "has_header": found.has_header,
        "rows": found.num_rows,
        "is_exact": found.is_exact,
        "first": found.rows[: args.rows],
        "reasons": reasons,
        "inputs": list(guess.inputs) if guess else [],
        "targets": list(guess.targets) if guess else [],
        "kind": guess.kind if guess else None,
        "metric": guess.metric if guess else None,
        "problems": [problem.as_dict() for problem in found.problems],
        "doubts": doubt_values(found.doubts),
    }
    about = {"exact": "", "nearly": "about ", "at_least": "at least "}[found.count]
    lines = [f"{found.name}: {found.format}, {found.encoding}, {about}{counted(found.num_rows, 'row|rows')}"]
    lines += [f"sheets: {', '.join(found.sheets)}"] if len(found.sheets) > 1 else []
    cells = [[str(row.get(c, "") or "")[:40] for c in found.columns] for row in found.rows[: args.rows]]
    lines += ["", table(cells, found.columns), "", *reasons]
    lines += [said(p) for p in found.problems] + doubt_lines(found.doubts)
    return Report(value, "\n".join(lines))


def _request(args: argparse.Namespace) -> Any:
    from core.tasks.changing.describing import TaskRequest

    return TaskRequest(
        name=args.name,
        test_path=existing(args.test) if args.test else None,
        validation_path=existing(args.validation_file) if args.validation_file else None,
        inputs=tuple(args.input) if args.input else None,
        targets=tuple(args.target) if args.target else None,
        instruction=args.instruction,
        metric=args.metric,
        kind=args.kind,
        template=args.template,
        options=read_options(args),
        label_names=label_names(args),
        split=split_settings(args),
        weight=args.weight or "",
    )
