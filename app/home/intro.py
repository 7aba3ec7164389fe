"""What a first visitor sees: one sentence, and a picture of threads from many files woven into one model."""

from __future__ import annotations

from app.drawing.markup import esc
from app.texts import say

FILES = (("#0f766e", ".xlsx"), ("#b45309", ".csv"), ("#1d4ed8", ".json"), ("#9d174d", ".tsv"))
TOP, STEP, LOOM = 34, 44, (196, 44, 136)  # first file, distance of files; loom: left, top, side


def intro_markup(shared: bool) -> str:
    """shared: whether this page is that of several people, whose machine is not the visitor's."""
    private = say("home.private_shared") if shared else say("home.private")
    return (
        f'<div class="hero"><div><h1>{esc(say("home.title"))}</h1>'
        f'<p>{esc(say("home.lead"))}</p><p class="dim">{esc(private)}</p></div>'
        f"{_picture(esc(say('home.picture')))}</div>"
    )


def _picture(title: str) -> str:
    """Files on the left, each with a thread of its colour through the loom, one answer on the right."""
    parts = [_file(number, colour, name) + _thread(number, colour) for number, (colour, name) in enumerate(FILES)]
    return (
        f'<svg viewBox="0 0 470 224" role="img" aria-label="{title}">{"".join(parts)}{_weft()}'
        '<g class="bubble"><path d="M392 82h58a12 12 0 0 1 12 12v30a12 12 0 0 1-12 12h-34l-14 14v-14h-10a12 12 0 0 '
        '1-12-12V94a12 12 0 0 1 12-12z"/><path d="M394 101h52M394 115h34" stroke-linecap="round"/></g></svg>'
    )


def _file(number: int, colour: str, name: str) -> str:
    y = TOP + number * STEP
    return (
        f'<g><rect class="paper" x="6" y="{y - 14}" width="76" height="30" rx="7"/>'
        f'<circle cx="22" cy="{y + 1}" r="5" fill="{colour}"/><text x="34" y="{y + 5.5}">{name}</text></g>'
    )


def _thread(number: int, colour: str) -> str:
    """From the file into the loom, straight through it, and out to the one answer."""
    left, top, side = LOOM
    y, inside = TOP + number * STEP + 1, top + side * (number + 0.5) / len(FILES)
    return (
        f'<path class="thread" stroke="{colour}" d="M84 {y}C140 {y} 140 {inside} {left} {inside}H{left + side}'
        f'C{left + side + 28} {inside} {left + side + 22} 110 380 110"/>'
    )


def _weft() -> str:
    """Upright threads that pass over and under the others: what the tasks share."""
    left, top, side = LOOM
    size = side / len(FILES)
    lines = []
    for column in range(5):
        x = left + side * (column + 0.5) / 5
        for row in range(len(FILES)):
            if (row + column) % 2 == 0:
                lines.append(f'<path class="weft" d="M{x} {top + row * size + 3}v{size - 6}"/>')
    return "".join(lines)
