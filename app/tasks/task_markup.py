"""A task's rows as people and as the model see them. Pure: nothing here reads a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.drawing.markup import bullets, download_link, esc, note, part, prompt_view, table
from app.drawing.model_offers import word_known_title
from app.texts import listing, say, word_error, word_problem
from core.base.errors import Problem
from core.models.seeing import SeenRows
from core.tasks.changing.exporting import export_problems
from core.tasks.dataset import SYSTEM_END, Example
from core.tasks.encoding import SeenExample
from core.tasks.guessing.roles import RoleGuess
from core.tasks.spec import TaskSpec

MOST_CHARS = 160  # of a cell in the table of rows
MOST_NOTES = 12
_TONES = {"warning": "warn", "note": "info"}

NumberedRow = tuple[int, dict[str, Any]]


def rows_view(spec: TaskSpec, rows: Sequence[NumberedRow]) -> str:
    """The rows as a table: columns that are read first, then the answer (marked), then those not used."""
    used = (*spec.inputs, *spec.targets)
    columns = [*used, *(name for name in spec.columns if name not in used)]
    return table(columns, [[_cell(row.get(name), name in spec.targets) for name in columns] for _, row in rows])


def prompts_view(examples: Sequence[Example]) -> str:
    """The first prompts as training builds them, the learned part marked; the model's own tokens are not known."""
    head = part(say("tasks.sees")) + note(say("tasks.sees_plain"))
    return head + "".join(prompt_view(e.prompt.replace(SYSTEM_END, "\n\n"), e.target) for e in examples)


def seen_view(seen: SeenRows) -> str:
    """The first prompts with the base model's turn marks, exactly as it reads them, and their tokens."""
    head = part(say("tasks.sees")) + note(f"{say('tasks.sees_note')} {counted_for(seen.model, seen.limit)}")
    return head + "".join(prompt_view(e.read, e.learned) + _tokens(e) for e in seen.examples)


def counted_for(model: str, limit: int) -> str:
    """Which base model and which limit tokens are counted for: those of the plan, wherever they are counted."""
    return say("tasks.counted", model=word_known_title(model), limit=limit)


def _tokens(e: SeenExample) -> str:
    said = say("tasks.tokens", read=e.num_read, learned=e.num_learned, limit=e.limit)
    if e.is_left_out:
        return note(said) + bullets([("warn", say("tasks.tokens_left_out"))])
    cut = say("tasks.tokens_cut", n=e.num_cut, columns=listing(e.cut_columns)) if e.num_cut else ""
    return note(said) + (bullets([("warn", cut)]) if cut else "")


def reasons_view(guess: RoleGuess | None, spec: TaskSpec) -> str:
    """Why these columns and this kind, in sentences: what was guessed, or that a person or the data set's own
    description said otherwise."""
    if guess is None:
        return ""
    said = []
    if set(guess.inputs) == set(spec.inputs) and set(guess.targets) == set(spec.targets):
        kept = [r for r in guess.reasons if guess.kind == spec.kind or not r[0].startswith("guess.kind_")]
        said += [word_error(key, values)[0] for key, values in kept]
    else:
        said.append(say("tasks.why_columns"))
    if guess.kind != spec.kind:
        said.append(say("tasks.why_kind", kind=say(f"kind.{spec.kind}")))
    return bullets(("info", text) for text in said)


def _file_first(problems: Sequence[Problem]) -> list[Problem]:
    """What concerns the whole file stands before what concerns one row."""
    return sorted(problems, key=lambda p: "line" in p.values)


def notes_view(problems: Sequence[Problem]) -> str:
    """What was noted about the file when it was read, and all of it as a file."""
    if not problems:
        return ""
    items: list[tuple[str, ...]] = [
        (_TONES.get(p.severity, "bad"), word_problem(p), p.raw) for p in _file_first(problems)[:MOST_NOTES]
    ]
    if len(problems) > MOST_NOTES:
        items.append(("info", say("tasks.more", n=len(problems) - MOST_NOTES)))
    rows = export_problems(problems, word_error).decode("utf-8-sig")
    link = download_link("problems.csv", rows, say("tasks.problems_file"))
    return part(say("tasks.problems")) + bullets(items) + link


def _cell(value: Any, learned: bool) -> str:
    text = "" if value is None else str(value)
    short = esc(text if len(text) <= MOST_CHARS else text[:MOST_CHARS] + " …")
    return f'<span class="learned">{short}</span>' if learned and short else short
