"""Which dialect a delimited text is written in: every candidate reads a sample, and what comes out is weighed.

Scores are logarithms of odds. For a reading speak records of one width, quotes that parse, columns of one kind
below a header that is not of that kind; against it another mark that stands in every row unexplained, rows that are
too short or too long, and quotes left standing around cells.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.tasks.reading.cells import cell_kind, is_typed, num_stray_marks
from core.tasks.reading.header import MAX_TITLE_ROWS
from core.tasks.reading.readings import ReadOptions
from core.tasks.reading.records import Dialect, Record, read_records
from core.tasks.reading.table import ProblemLog
from core.tasks.reading.table_head import Header, find_header

MARKS = ",;\t|^~\x01"
MARK_WORDS = {
    ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "^": "caret", "~": "tilde", "\x01": "sign 1",
    ":": "colon",
}  # fmt: skip
_RARITY = {"csv": ",;\t|", "tsv": "\t,;|", "txt": "\t,;|"}
NEAR = 3.5  # logarithms of odds within which the runner-up is shown
_LOOK_AT, _MOST_COLUMNS = 200, 60  # rows and columns that are looked at
_ONE_COLUMN, _RAGGED, _RAGGED_SHARE, _TITLE = 9.0, 4.0, 20.0, 1.0
_BROKEN = {'"': 3.0, "'": 1.0}  # an apostrophe may begin or end a cell of text
_FAULT, _RIVAL_EVERYWHERE, _RIVAL_BELOW = 4.0, 7.0, 2.5


@dataclass(frozen=True)
class Candidate:
    """A dialect with what it makes of the sample."""

    dialect: Dialect
    records: list[Record]
    header: Header
    score: float
    faults: int = 0  # records whose quotes had to be mended

    @property
    def cells(self) -> list[list[str]]:
        return [cells for _, cells in self.records]


def rank_dialects(sample: list[str], format_name: str, options: ReadOptions, whole: bool) -> list[Candidate]:
    """Candidates, the best first; of those that read the sample alike only the most usual one, so that a mended
    quote is noted. `whole`: the sample is all there is, else it may end inside a cell."""
    alike: list[list[Candidate]] = []
    weighed: dict[Dialect, Candidate] = {}
    for dialect in _candidates(sample, options):
        if _skips_in_vain(dialect, weighed, sample):
            continue
        one = weighed[dialect] = _weigh(dialect, sample, format_name, options, whole)
        group = next((group for group in alike if group[0].cells == one.cells), None)
        if group is None:
            alike.append([one])
        else:
            group.append(one)
    return sorted((_most_usual(group) for group in alike), key=lambda one: -one.score)


def _skips_in_vain(dialect: Dialect, weighed: dict[Dialect, Candidate], sample: list[str]) -> bool:
    """Whether blanks before cells are text: the file parses with them, and no quote behind one opens a cell."""
    twin = weighed.get(replace(dialect, skip_blanks=False)) if dialect.skip_blanks else None
    if twin is None or twin.faults:
        return False
    opening = f" {dialect.quote}"
    cells = ((line, cell.splitlines()[0]) for line, row in twin.records for cell in row if cell.startswith(opening))
    return not any(f"{dialect.delimiter}{cell}" in sample[line - 1] for line, cell in cells)


def _most_usual(group: list[Candidate]) -> Candidate:
    best = max(group, key=lambda one: one.score)
    # They read the sample alike; what differs is how many quotes had to be mended to come there.
    few = [one for one in group if one.faults <= max(2, len(one.records) // 100)]
    return replace(few[0] if few else best, score=best.score)


def _candidates(sample: list[str], options: ReadOptions) -> Iterator[Dialect]:
    text = "".join(sample)
    present = [mark for mark in MARKS if mark in text]
    for mark in (options.delimiter,) if options.delimiter else present or [","]:
        for dialect in _quotings(text, mark):
            if options.quotes in (None, name_quotes(dialect)):
                yield dialect
        if options.quotes:
            yield dialect_of(mark, options.quotes, text)


def _quotings(text: str, mark: str) -> Iterator[Dialect]:
    yield Dialect(mark)
    spaced = any(f"{mark} {quote}" in text for quote in "\"'")
    if spaced:
        yield Dialect(mark, skip_blanks=True)
    if '"' in text:
        yield Dialect(mark, quote="")
    # Apostrophes are in every second text; as quotes they are tried only where one opens and one closes a cell.
    if _has_cells_in(text, mark, "'"):
        yield Dialect(mark, quote="'")
        if spaced:
            yield Dialect(mark, quote="'", skip_blanks=True)
    if "\\" in text:
        for quote in [q for q in "\"'" if f"\\{q}" in text]:
            yield Dialect(mark, quote, _escape_in(text))
            if spaced:
                yield Dialect(mark, quote, _escape_in(text), skip_blanks=True)
        if f"\\{mark}" in text:
            yield Dialect(mark, "", _escape_in(text))


def _has_cells_in(text: str, mark: str, quote: str) -> bool:
    opened = any(f"{before}{quote}" in f"\n{text}" for before in (mark, f"{mark} ", "\n", "\r"))
    return opened and any(f"{quote}{after}" in text for after in (mark, "\n", "\r"))


def _escape_in(text: str) -> str:
    """Whether backslashes are doubled themselves: not where single ones stand before other characters."""
    lone = text.replace("\\\\", "")
    others = sum(1 for before, after in itertools.pairwise(lone) if before == "\\" and after.isalnum())
    return "quotes" if others else "all"


def dialect_of(mark: str, quotes: str, text: str = "") -> Dialect:
    """The dialect that a user asked for: one of QUOTES."""
    if quotes.startswith("none"):
        return Dialect(mark, "", _escape_in(text) if quotes.endswith("backslash") else "")
    quote = "'" if quotes.startswith("single") else '"'
    skip = f"{mark} {quote}" in text
    return Dialect(mark, quote, _escape_in(text) if quotes.endswith("backslash") else "", skip)


def name_quotes(dialect: Dialect) -> str:
    """How `ReadOptions.quotes` calls the quoting of a dialect."""
    if not dialect.quote:
        return "none-backslash" if dialect.escape else "none"
    if dialect.quote == "'":
        return "single-backslash" if dialect.escape else "single"
    return "backslash" if dialect.escape else "doubled"


QUOTE_WORDS = {
    "doubled": "quotes doubled inside quotes",
    "backslash": "quotes escaped by backslashes",
    "none": "quotes as ordinary signs",
    "single": "single quotes around cells",
    "single-backslash": "single quotes escaped by backslashes",
    "none-backslash": "backslashes before delimiters",
}


def _weigh(dialect: Dialect, sample: list[str], format_name: str, options: ReadOptions, whole: bool) -> Candidate:
    log = ProblemLog("sample")
    records = list(read_records(sample, dialect, log))
    if not whole:
        records = _without_cut_end(records, log, len(sample))
    widths = _widths([cells for _, cells in records])
    if not widths:
        return Candidate(dialect, records, Header(0, 0, 0.0), -99.0)
    header = find_header([cells for _, cells in records], options.header)
    usual = Counter(widths).most_common(1)[0][0]
    score = _prior(dialect, format_name) + _width_score(widths, usual, whole) - _quote_cost(dialect, log, records)
    if usual > 1:
        rows = [
            cells[: min(usual, _MOST_COLUMNS)] for _, cells in records[header.titles :] if len(cells) >= usual > 1
        ]
        score += 3.0 * _kind_score(rows[max(1, header.height) :]) - _rival_cost(rows, dialect)
        score += min(2.0, max(0.0, header.score) / 3)
    return Candidate(dialect, records, header, score, _num_faults(log))


def _without_cut_end(records: list[Record], log: ProblemLog, num_lines: int) -> list[Record]:
    """The sample may end inside a quoted cell, whose lines are then no records."""
    cut = [p.values["line"] for p in log.problems if p.key == "file.open_quote"]
    if cut and log.counts["file.open_quote"] > 0 and num_lines - cut[-1] < num_lines // 4 + 2:
        # An open quote farther from the end is taken for a stray one, not for a cell that the sample cuts.
        first = next(line for line in cut if num_lines - line < num_lines // 4 + 2)
        log.counts["file.open_quote"] -= sum(1 for line in cut if line >= first)
        return [record for record in records if record[0] < first] or records
    return records


def _prior(dialect: Dialect, format_name: str) -> float:
    order = _RARITY[format_name]
    place = order.find(dialect.delimiter)
    rare = 0.4 * place if place >= 0 else 3.0  # a mark of MARKS that no format is known for
    return (
        -rare
        - (1.5 if dialect.escape else 0.0)
        - (0.0 if dialect.quote != "'" else 1.0 if dialect.escape else 4.0)
        - 0.3 * dialect.skip_blanks
    )


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Numbers of cells; columns at the right edge that are empty throughout do not count."""
    last = max((i + 1 for row in rows for i in range(len(row) - 1, -1, -1) if row[i]), default=0)
    return [min(len(row), last) for row in rows]


def _width_score(widths: Sequence[int], usual: int, whole: bool) -> float:
    """What the widths of records cost: rows off the usual one, less where they stand above or below the table."""
    if usual == 1:
        return -_ONE_COLUMN
    lead = next((i for i, width in enumerate(widths) if width == usual), 0)
    # What is wider than the table is no title of it.
    lead = lead if lead <= MAX_TITLE_ROWS and max(widths[:lead], default=0) < usual else 0
    tail = next((i for i, width in enumerate(reversed(widths)) if width == usual), 0) if whole else 0
    # In a short file rows above and below would leave hardly a table between them.
    tail = tail if tail <= 5 and lead + tail < len(widths) // 2 else 0
    off = sum(1 for width in widths[lead : len(widths) - tail] if width != usual)
    return -_TITLE * (lead + tail) - min(30.0, _RAGGED * off) - _RAGGED_SHARE * off / len(widths)


def _quote_cost(dialect: Dialect, log: ProblemLog, records: Sequence[Record]) -> float:
    cost = min(24.0, _FAULT * _num_faults(log))
    cells = [cell for _, row in records[:_LOOK_AT] for cell in row[:_MOST_COLUMNS]]
    for quote in "\"'":
        if quote == dialect.quote:
            continue
        ends = Counter((cell[0] == quote, cell[-1] == quote) for cell in map(str.strip, cells) if cell)
        # A single quote sign is its own first and last character: no quoted cell.
        lone = sum(1 for cell in cells if cell.strip() == quote)
        around, broken = ends[True, True] - lone, ends[True, False] + ends[False, True] + lone
        doubled = sum(1 for cell in cells if cell[:1] == quote == cell[-1:] and quote * 2 in cell[1:-1])
        cost += min(9.0, 3.0 * math.log1p(around)) + min(9.0, _BROKEN[quote] * math.log1p(broken))
        cost += min(9.0, 3.0 * math.log1p(doubled))
    escaped = sum(1 for cell in cells if '\\"' in cell or "\\'" in cell)  # no writer of text puts them together
    if escaped and not dialect.escape:
        cost += min(9.0, 1.0 + 2.0 * math.log1p(escaped))
    if dialect.skip_blanks or not dialect.quote:
        return cost
    blanks = sum(1 for cell in cells if cell.startswith(f" {dialect.quote}"))
    return cost + min(6.0, 2.0 * math.log1p(blanks))


def _num_faults(log: ProblemLog) -> int:
    return sum(log.counts[key] for key in ("reading.stray_quote", "reading.escaped_quote", "file.open_quote"))


def _kind_score(body: Sequence[Sequence[str]]) -> float:
    """How much the columns look like columns, 0 to 1: one kind of cell in each, or few values that come back."""
    if not body:
        return 0.0
    scores = []
    for column in zip(*body[:_LOOK_AT], strict=True):
        kinds = Counter(cell_kind(cell) for cell in column)
        kinds.pop("empty", None)
        filled = sum(kinds.values())
        if not filled:
            scores.append(0.2)
            continue
        kind, count = kinds.most_common(1)[0]
        few = len(set(column)) <= max(2, len(column) // 4)
        # Words are of one kind whatever the cut, so they say less than numbers do, unless they come back.
        scores.append(count / filled if is_typed(kind) else 0.9 if few else 0.4)
    return sum(scores) / len(scores)


def _rival_cost(rows: Sequence[Sequence[str]], dialect: Dialect) -> float:
    """Another mark that stands unexplained inside the cells, as often in every row: the cells may end there."""
    cost = 0.0
    for mark in MARKS:
        counts = [sum(num_stray_marks(cell, mark) for cell in row) for row in rows[:_LOOK_AT]]
        if mark == dialect.delimiter or not any(counts):
            continue
        usual, share = Counter(counts).most_common(1)[0]
        # In the names too, it parts columns; in the rows alone it may be a decimal comma or the time of day.
        if usual and share >= 0.9 * len(counts):
            cost += _RIVAL_EVERYWHERE if counts[0] == usual else _RIVAL_BELOW
        else:
            with_mark = sum(1 for count in counts if count) / len(counts)
            cost += (4.0 if mark == "\t" else 1.0) * with_mark
    return cost


def differing(best: Candidate, other: Candidate) -> str:
    """What a doubt between two candidates is about."""
    return "delimiter" if best.dialect.delimiter != other.dialect.delimiter else "quotes"


def options_for(candidate: Candidate, options: ReadOptions, about: str) -> ReadOptions:
    """Options that read a file as this candidate does where it is asked about; all else stays as it was."""
    if about == "delimiter":
        return replace(options, delimiter=candidate.dialect.delimiter)
    return replace(options, quotes=name_quotes(candidate.dialect))
