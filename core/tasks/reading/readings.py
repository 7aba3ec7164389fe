"""What a file may be read as: options set by hand, readings weighed against each other, and the doubt left over.

A reader that finds one reading sure stays silent. Where two come close it takes the better one, and its `Table`
carries a `Doubt`: both readings with their first rows, shown side by side until somebody chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.base.errors import SettingError
from core.tasks.reading.limits import MAX_ROWS

QUOTES = ("doubled", "backslash", "single", "single-backslash", "none", "none-backslash")
SHOWN_ROWS = 3
SHOWN_CHARS = 60


@dataclass(frozen=True)
class ReadOptions:
    """What a user may set by hand; None means found out from the file.

    `header` says whether the first row names the columns; `column_names` are used where it does not. `quotes` is
    one of QUOTES: how a quote inside a quoted cell is written ("" or \\"), or that quotes are ordinary characters.
    `max_rows` stops early (previews). `raw_numbers` takes numbers and dates of a spreadsheet as stored, not
    as their cells show them; `fill_down` fills what stands only where a block of its rows begins.

    Raises:
        SettingError: `quotes` is none of QUOTES.
    """

    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quotes: str | None = None
    header: bool | None = None
    max_rows: int | None = None
    column_names: tuple[str, ...] = ()
    raw_numbers: bool = False
    fill_down: bool = False

    def __post_init__(self) -> None:
        if self.quotes is not None and self.quotes not in QUOTES:
            raise SettingError("setting.unknown", name=self.quotes, known=", ".join(QUOTES))

    @property
    def row_cap(self) -> int:
        return MAX_ROWS if self.max_rows is None else self.max_rows


@dataclass(frozen=True)
class Reading:
    """One way to read a file. `options` read it again exactly this way; `inputs` and `targets` are filled only
    where the readings differ in the roles of columns, `kind` where in the kind of task. `score`: 0 to 1, how much
    of the evidence speaks for it. `rows`: the first few, as they are shown beside the other reading."""

    options: ReadOptions
    score: float
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    inputs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Doubt:
    """Two readings of one file that come close: a question for whoever knows the file.

    `about` says what differs ("encoding", "delimiter", "quotes", "header", "roles", "kind_labels", ...) and names
    the message `doubt.<about>` that asks in words, filled with `values`. `taken` holds until `other` is chosen.
    """

    about: str
    taken: Reading
    other: Reading
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"doubt.{self.about}"


def shown_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """The first rows as a `Reading` shows them: SHOWN_ROWS of them, cells cut to SHOWN_CHARS."""
    first = [row for row, _ in zip(rows, range(SHOWN_ROWS), strict=False)]
    return tuple(tuple(_shown(row.get(column)) for column in columns) for row in first)


def shown_cells(rows: Sequence[Sequence[Any]]) -> tuple[tuple[str, ...], ...]:
    """As `shown_rows`, from rows of cells."""
    return tuple(tuple(_shown(cell) for cell in row) for row in rows[:SHOWN_ROWS])


def _shown(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
