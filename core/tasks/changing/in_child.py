"""Changes and comparisons of a large task's rows in a process of their own, for the page.

A few hundred thousand rows keep Python busy for seconds, during which nobody else's click is answered, and take
hundreds of megabytes that the page's process would keep. A small task is changed here and now: starting a process
would take longer. What is asked and answered goes through `core.tasks.changing.child` as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.base.records import from_record
from core.tasks.changing.add_task import update_task
from core.tasks.changing.attaching import Attached, attach_part
from core.tasks.changing.browsing import EditedRow, save_table
from core.tasks.changing.editing import CHAT, Correction, Place, add_correction, edit_row, move_rows
from core.tasks.changing.fixes import Outcome, apply_fix
from core.tasks.changing.isolation import CHILD, ParseLimits, ask_child, project_to_dict
from core.tasks.changing.versions import RowDifference, compare_versions, undo_change
from core.tasks.spec import TaskSpec
from core.tasks.store import get_task
from core.workspace import Project

LARGE_ROWS = 20_000  # about 0.2 s of work on one core
MOST_DIFFERENCES = 2_000  # that a comparison sends back; the rest is counted


def fix_in_child(project: Project, name: str, fix: str) -> Outcome:
    """`apply_fix`; raises what it raises."""
    if not is_large(project, name):
        return apply_fix(project, name, fix)
    done = _ask(project, "fix", name, fix=fix)
    return Outcome(_spec(done), done["count"], done["exam"])


def undo_in_child(project: Project, name: str) -> TaskSpec:
    """`undo_change`; raises what it raises."""
    if not is_large(project, name):
        return undo_change(project, name)
    return _spec(_ask(project, "undo", name))


def update_in_child(project: Project, name: str, changes: dict[str, Any], redraw_exam: bool = False) -> TaskSpec:
    """`update_task`; raises what it raises."""
    if not is_large(project, name):
        return update_task(project, name, changes, redraw_exam)
    plain = {k: v if isinstance(v, str | list | tuple | dict) else asdict(v) for k, v in changes.items()}
    return from_record(
        TaskSpec, _ask(project, "update", name, changes=plain, redraw_exam=redraw_exam)["task"], CHILD
    )


def save_table_in_child(
    project: Project, name: str, shown: Sequence[Place], edited: Sequence[EditedRow]
) -> tuple[TaskSpec, int]:
    """`save_table`; raises what it raises."""
    if not is_large(project, name):
        return save_table(project, name, shown, edited)
    done = _ask(project, "save", name, shown=list(shown), edited=[asdict(row) for row in edited])
    return _spec(done), done["count"]


def compare_in_child(project: Project, name: str, number: int) -> tuple[list[RowDifference], int]:
    """The first MOST_DIFFERENCES of `compare_versions`, and how many there are; raises what it raises."""
    if not is_large(project, name):
        found = compare_versions(project, name, number)
        return found[:MOST_DIFFERENCES], len(found)
    done = _ask(project, "compare", name, number=number)
    return from_record(list[RowDifference], done["rows"], CHILD), done["count"]


def add_correction_in_child(
    project: Project, name: str, row: Mapping[str, Any], answer: str, origin: str = CHAT
) -> Correction:
    """`add_correction`; raises what it raises."""
    if not is_large(project, name):
        return add_correction(project, name, row, answer, origin)
    done = _ask(project, "correction", name, row=dict(row), answer=answer, origin=origin)
    return Correction(_spec(done), str(done["how"]))


def edit_row_in_child(project: Project, name: str, place: Place, changes: Mapping[str, Any]) -> TaskSpec:
    """`edit_row`; raises what it raises."""
    if not is_large(project, name):
        return edit_row(project, name, place, changes)
    return from_record(
        TaskSpec, _ask(project, "edit", name, place=list(place), changes=dict(changes))["task"], CHILD
    )


def move_rows_in_child(project: Project, name: str, places: Sequence[Place], split: str) -> TaskSpec:
    """`move_rows`; raises what it raises."""
    if not is_large(project, name):
        return move_rows(project, name, places, split)
    return from_record(
        TaskSpec, _ask(project, "move", name, places=[list(p) for p in places], split=split)["task"], CHILD
    )


def attach_in_child(project: Project, name: str, path: Path, split: str) -> Attached:
    """`attach_part`, always in the child: the file may be anybody's; raises what it raises."""
    done = _ask(project, "attach", name, path=str(path.resolve()), split=split, file_name=path.name)
    return Attached(from_record(TaskSpec, done["task"], CHILD), done["count"], done["left_out"])


def is_large(project: Project, name: str) -> bool:
    return sum(get_task(project, name).num_examples.values()) > LARGE_ROWS


def _spec(done: dict[str, Any]) -> TaskSpec:
    return from_record(TaskSpec, done["task"], CHILD)


def _ask(project: Project, what: str, name: str, **arguments: Any) -> dict[str, Any]:
    request = {"verb": "change", "what": what, "task": name, "arguments": arguments}
    title = get_task(project, name).name
    answer = ask_child({**request, "project": project_to_dict(project)}, title, ParseLimits())
    found: dict[str, Any] = answer["done"]
    return found


def answer_change(project: Project, what: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The child's side: does `what` and tells the outcome."""
    return _DOORS[what](project, name, **arguments)


def _fix(project: Project, name: str, fix: str) -> dict[str, Any]:
    done = apply_fix(project, name, fix)
    return {"task": done.task.as_dict(), "count": done.count, "exam": done.exam}


def _attach(project: Project, name: str, path: str, split: str, file_name: str) -> dict[str, Any]:
    done = attach_part(project, name, path, split, file_name)
    return {"task": done.task.as_dict(), "count": done.count, "left_out": done.left_out}


def _undo(project: Project, name: str) -> dict[str, Any]:
    return {"task": undo_change(project, name).as_dict()}


def _update(project: Project, name: str, changes: dict[str, Any], redraw_exam: bool) -> dict[str, Any]:
    return {"task": update_task(project, name, changes, redraw_exam).as_dict()}


def _save(project: Project, name: str, shown: list[Any], edited: list[dict[str, Any]]) -> dict[str, Any]:
    places = [(split, line) for split, line in shown]
    rows = [EditedRow(tuple(r["place"]) if r["place"] else None, r["split"], r["cells"]) for r in edited]
    task, count = save_table(project, name, places, rows)
    return {"task": task.as_dict(), "count": count}


def _correction(project: Project, name: str, row: dict[str, Any], answer: str, origin: str) -> dict[str, Any]:
    done = add_correction(project, name, row, answer, origin)
    return {"task": done.task.as_dict(), "how": done.how}


def _edit(project: Project, name: str, place: list[Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {"task": edit_row(project, name, (place[0], place[1]), changes).as_dict()}


def _move(project: Project, name: str, places: list[Any], split: str) -> dict[str, Any]:
    return {"task": move_rows(project, name, [(place[0], place[1]) for place in places], split).as_dict()}


def _compare(project: Project, name: str, number: int) -> dict[str, Any]:
    found = compare_versions(project, name, number)
    return {"rows": [asdict(d) for d in found[:MOST_DIFFERENCES]], "count": len(found)}


_DOORS: dict[str, Callable[..., dict[str, Any]]] = {
    "fix": _fix,
    "attach": _attach,
    "undo": _undo,
    "update": _update,
    "save": _save,
    "compare": _compare,
    "correction": _correction,
    "edit": _edit,
    "move": _move,
}
