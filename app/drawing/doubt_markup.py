"""Open questions about how a file is meant: both readings side by side, with a button for each; and what was noted
while one was read."""

from __future__ import annotations

from collections.abc import Iterable

from app.drawing.markup import badge, bullets, esc, note, part, table
from app.texts import say, word_problem, word_whole
from core.base.errors import Problem
from core.tasks.reading.readings import Doubt, Reading


def doubts_view(doubts: Iterable[Doubt]) -> str:
    """The buttons have the number of the question as `data-id` and "taken" or "other" as `data-act`."""
    return "".join(_question(number, doubt) for number, doubt in enumerate(doubts))


def reading_notes(notes: Iterable[Problem]) -> str:
    """What was left out or taken otherwise than it stands; "" where there is nothing to say."""
    items = [("info" if one.severity == "note" else "warn", word_problem(one), one.raw) for one in notes]
    return bullets(items) if items else ""


def _question(number: int, doubt: Doubt) -> str:
    sides = _side(number, doubt.taken, "taken") + _side(number, doubt.other, "other")
    said = note(word_whole(doubt.key, doubt.values))
    return f'<section class="doubt">{part(say("doubts.title"))}{said}<div class="sides">{sides}</div></section>'


def _side(number: int, reading: Reading, act: str) -> str:
    heads = [column + _role(reading, column) for column in reading.columns]
    rows = table(heads, [[esc(cell) for cell in row] for row in reading.rows])
    heading = f"<b>{esc(say(f'kind.{reading.kind}'))}</b> " if reading.kind else ""
    likely = heading + badge(say("doubts.likely", share=f"{reading.score:.0%}"), "ok" if act == "taken" else "")
    button = (
        f'<button class="card-act" type="button" data-id="{number}" data-act="{act}">'
        f"{esc(say(f'doubts.{act}'))}</button>"
    )
    return f'<div class="side">{likely}{rows}{button}</div>'


def _role(reading: Reading, column: str) -> str:
    """What a column is for, where that is the question."""
    if column in reading.targets:
        return f" ({say('doubts.answer')})"
    return f" ({say('doubts.input')})" if column in reading.inputs else ""
