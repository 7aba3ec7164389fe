"""What is asked about a guess: which column is the answer, and what kind of task it makes."""

from __future__ import annotations

from core.tasks.guessing.roles import RoleGuess
from core.tasks.reading.readings import Doubt, Reading, ReadOptions, shown_rows
from core.tasks.reading.table import Table


def open_doubts(table: Table, guess: RoleGuess, options: ReadOptions | None = None) -> tuple[Doubt, ...]:
    """The question about roles; where they are sure, that about the kind of task: it hangs on them."""
    roles = role_doubt(table, guess, options)
    if roles is not None:
        return (roles,)
    kinds = kind_doubt(table, guess, options)
    return () if kinds is None else (kinds,)


def role_doubt(table: Table, guess: RoleGuess, options: ReadOptions | None = None) -> Doubt | None:
    """The question which column is the answer, with both readings; None where the guess is sure."""
    if guess.other is None:
        return None
    options = options or ReadOptions()
    rows = shown_rows(table.columns, table.rows)
    taken, other = (
        Reading(options, score, table.columns, rows, inputs, targets)
        for inputs, targets, score in (
            (guess.inputs, guess.targets, guess.score),
            (guess.other.inputs, guess.other.targets, guess.other.score),
        )
    )
    values = {"file": table.name, "found": ", ".join(guess.targets), "expected": ", ".join(guess.other.targets)}
    return Doubt("roles", taken, other, values)


def kind_doubt(table: Table, guess: RoleGuess, options: ReadOptions | None = None) -> Doubt | None:
    """The question what kind of answers the answer column holds; None where the guess is sure."""
    if guess.close is None:
        return None
    columns, share = (*guess.inputs, *guess.targets), guess.close.share
    rows = shown_rows(columns, table.rows)
    taken, other = (
        Reading(options or ReadOptions(), score, columns, rows, kind=kind)
        for kind, score in ((guess.kind, share), (guess.close.kind, round(1 - share, 3)))
    )
    values = {"file": table.name, "column": ", ".join(guess.targets)}
    return Doubt(guess.close.about, taken, other, values)
