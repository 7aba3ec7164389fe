"""task set | rows | edit | new | delete | move: wording, roles, splits and single rows of a task"""

from __future__ import annotations

import argparse
from typing import Any

from core.base.errors import SettingError
from core.commands.output import Report, Verbs, table, write_file
from core.commands.task_options import (
    add_meaning,
    add_split,
    existing,
    label_names,
    on_task,
    project_of,
    split_settings,
    task_table,
    task_value,
)
from core.messages.plural import counted

_PLAIN = ("name", "instruction", "template", "system", "metric", "kind", "weight")


def add_actions(actions: Verbs) -> None:
    setting = on_task(actions, "set", set_task, "change a task's roles, wording, scoring or split")
    setting.add_argument("--name", help="new name")
    add_meaning(setting)
    more = "a further wording, drawn at random in training; repeat for several; '' takes all away"
    setting.add_argument("--more-template", action="append", metavar="TEXT", help=more)
    setting.add_argument("--system", metavar="TEXT", help="system prompt in front of every question")
    add_split(setting)
    setting.add_argument("--redraw-exam", action="store_true", help="let the new split change the final exam too")
    rows = on_task(actions, "rows", show_rows, "look through a task's rows, or write them all to a csv file")
    rows.add_argument("--split", default="", help="train, validation or test (default: all)")
    rows.add_argument("--find", default="", metavar="TEXT", help="only rows that hold this text")
    rows.add_argument("--start", type=int, default=0, metavar="N", help="rows to skip")
    rows.add_argument("--count", type=int, default=20, metavar="N", help="rows to print (default 20)")
    rows.add_argument("--export", metavar="FILE", help="write all rows of the task there as csv")
    edit = on_task(actions, "edit", edit_row, "change cells of one row")
    edit.add_argument("place", help="SPLIT:LINE as `task rows` prints it, such as train:12")
    edit.add_argument("--set", action="append", required=True, metavar="COL=TEXT", help="repeat for several cells")
    new = on_task(actions, "new", new_row, "add a row")
    new.add_argument("--set", action="append", required=True, metavar="COL=TEXT", help="repeat for several cells")
    new.add_argument("--split", default="train", help="train, validation or test (default train)")
    attach = on_task(actions, "attach", attach_file, "make a file the exam (or the check set) of a task")
    attach.add_argument("file")
    attach.add_argument("--to", default="test", metavar="SPLIT", help="test or validation (default test)")
    delete = on_task(actions, "delete", delete_rows, "delete rows")
    delete.add_argument("place", nargs="+", help="SPLIT:LINE; repeat for several")
    move = on_task(actions, "move", move_rows, "move rows to another split")
    move.add_argument("place", nargs="+", help="SPLIT:LINE; repeat for several")
    move.add_argument("--to", required=True, metavar="SPLIT", help="train, validation or test")


def set_task(args: argparse.Namespace) -> Report:
    from core.tasks.changing.add_task import update_task
    from core.tasks.store import get_task

    project = project_of(args)
    spec = get_task(project, args.task)
    changes: dict[str, Any] = {n: getattr(args, n) for n in _PLAIN if getattr(args, n) is not None}
    changes |= {n + "s": tuple(getattr(args, n)) for n in ("input", "target") if getattr(args, n)}
    if args.more_template is not None:
        changes["templates"] = tuple(text for text in args.more_template if text.strip())
    if args.labels:
        changes["label_names"] = label_names(args)
    split = split_settings(args, spec.split)
    if split != spec.split or args.redraw_exam:
        changes["split"] = split
    if not changes:
        raise SettingError("command.nothing_to_set")
    changed = update_task(project, spec.task_id, changes, redraw_exam=args.redraw_exam)
    value = {**task_value(changed), "version": changed.version, "exam_kept": not args.redraw_exam}
    return Report(value, f"{task_table([changed])}\nversion {changed.version}")


def show_rows(args: argparse.Namespace) -> Report:
    from core.tasks.cell_text import target_text
    from core.tasks.changing.browsing import find_rows, shown_columns
    from core.tasks.changing.exporting import export_rows
    from core.tasks.store import get_task

    project = project_of(args)
    spec = get_task(project, args.task)
    if args.export:
        target = write_file(args.export, export_rows(project, spec.task_id))
        return Report({"file": str(target)}, str(target))
    page = find_rows(project, spec.task_id, args.split, args.find, max(0, args.start), max(0, args.count))
    columns = shown_columns(spec, page.rows)
    value = {
        "total": page.total,
        "start": page.start,
        "rows": [{"split": r.split, "line": r.line, "row": r.row} for r in page.rows],
    }
    cells = [[f"{r.split}:{r.line}", *(target_text(r.row.get(c))[:60] for c in columns)] for r in page.rows]
    return Report(value, f"{table(cells, ['place', *columns])}\n{counted(page.total, 'row fits|rows fit')}.")


def edit_row(args: argparse.Namespace) -> Report:
    from core.tasks.changing.editing import edit_row

    return _done(edit_row(project_of(args), args.task, _place(args.place), _cells(args.set)), 1)


def new_row(args: argparse.Namespace) -> Report:
    from core.tasks.changing.editing import add_rows

    return _done(add_rows(project_of(args), args.task, [_cells(args.set)], args.split), 1)


def attach_file(args: argparse.Namespace) -> Report:
    from core.tasks.changing.in_child import attach_in_child

    done = attach_in_child(project_of(args), args.task, existing(args.file), args.to)
    report = _done(done.task, done.count)
    value = {**report.value, "left_out": done.left_out}
    out = counted(done.left_out, "row that asks the same was|rows that ask the same were")
    return Report(value, f"{report.text}\n{out} left out of practice.")


def delete_rows(args: argparse.Namespace) -> Report:
    from core.tasks.changing.editing import delete_rows

    places = [_place(text) for text in args.place]
    return _done(delete_rows(project_of(args), args.task, places), len(places))


def move_rows(args: argparse.Namespace) -> Report:
    from core.tasks.changing.editing import move_rows

    places = [_place(text) for text in args.place]
    return _done(move_rows(project_of(args), args.task, places, args.to), len(places))


def _done(spec: Any, count: int) -> Report:
    value = {"task": spec.name, "version": spec.version, "rows": count, **spec.num_examples}
    rows = counted(count, "row|rows")
    return Report(value, f"{spec.name}: {rows}; now version {spec.version}. Take it back: task undo.")


def _place(text: str) -> tuple[str, int]:
    split, _, line = text.partition(":")
    if not line.isdigit():
        raise SettingError("command.place", text=text)
    return split, int(line)


def _cells(texts: list[str]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise SettingError("setting.assignment", text=text)
        if cells.setdefault(name, value) != value:
            raise SettingError("setting.twice", name=name, values=", ".join((cells[name], value)))
    return cells
