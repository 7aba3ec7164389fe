"""A task's rows as people and as the model see them. Pure: nothing here reads a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.markup import bullets, esc, note, part, prompt_view, table
from app.texts import say, word_problem
from core.errors import Problem
from core.tasks.dataset import build_example
from core.tasks.spec import TaskSpec

PROMPTS = 3
MOST_CHARS = 160  # of a cell in the table of rows
MOST_NOTES = 12

NumberedRow = tuple[int, dict[str, Any]]


def rows_view(spec: TaskSpec, rows: Sequence[NumberedRow]) -> str:
    """The rows as a table: columns that are read first, then the answer (marked), then those not used."""
    used = (*spec.inputs, *spec.targets)
    columns = [*used, *(name for name in spec.columns if name not in used)]
    return table(columns, [[_cell(row.get(name), name in spec.targets) for name in columns] for _, row in rows])


def prompts_view(spec: TaskSpec, rows: Sequence[NumberedRow], language: str) -> str:
    """The first prompts exactly as training builds them, the learned part marked."""
    examples = [e for e in (build_example(spec, row, line) for line, row in rows) if e is not None][:PROMPTS]
    head = part(say(language, "tasks.sees")) + note(say(language, "tasks.sees_note"))
    return head + "".join(prompt_view(e.prompt, e.target) for e in examples)


def notes_view(problems: Sequence[Problem], language: str) -> str:
    """What was noted about the file when it was read."""
    if not problems:
        return ""
    items = [
        ("warn" if p.severity == "warning" else "bad", word_problem(language, p)) for p in problems[:MOST_NOTES]
    ]
    if len(problems) > MOST_NOTES:
        items.append(("info", say(language, "tasks.more", n=len(problems) - MOST_NOTES)))
    return part(say(language, "tasks.problems")) + bullets(items)


def _cell(value: Any, learned: bool) -> str:
    text = "" if value is None else str(value)
    short = esc(text if len(text) <= MOST_CHARS else text[:MOST_CHARS] + " …")
    return f'<span class="learned">{short}</span>' if learned and short else short
