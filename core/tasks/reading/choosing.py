"""One reading of a delimited file, chosen among encodings and dialects together; close ones become questions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.base.errors import TaskFileError
from core.tasks.reading import dialects
from core.tasks.reading.dialects import MARK_WORDS, QUOTE_WORDS, Candidate, name_quotes, rank_dialects
from core.tasks.reading.header import is_sure
from core.tasks.reading.legacy import NEAR_ENCODING, encoding_words
from core.tasks.reading.readings import SHOWN_ROWS, Doubt, Reading, ReadOptions, shown_cells
from core.tasks.reading.records import Dialect, read_records
from core.tasks.reading.table import ProblemLog
from core.tasks.reading.text_encoding import Source, read_lines

SAMPLE_LINES = 400
_SEARCHED_LINES = 100_000


@dataclass(frozen=True)
class Chosen:
    """The reading taken: encoding in `source`, dialect, how many lines stand before the first record."""

    source: Source
    dialect: Dialect
    skipped: int
    doubts: tuple[Doubt, ...]


@dataclass(frozen=True)
class _Read:
    """A sample in one encoding with its dialects, the best first. `score`: of both together."""

    source: Source
    sample: list[str]
    candidates: list[Candidate]
    score: float


def choose_reading(source: Source, format_name: str, options: ReadOptions, file: str) -> Chosen:
    """Weighs the readings of a file.

    Raises:
        TaskFileError: the file holds nothing.
    """
    sample = _sample(source)
    if not any(line.strip() for line in sample) and len(sample) < SAMPLE_LINES:
        raise TaskFileError("file.empty", file=file)
    skipped, separator = _excel_separator(sample)
    given = replace(options, delimiter=options.delimiter or separator)
    reads = []
    for guess in source.ranked or (None,):
        own = source if guess is None else replace(source, encoding=guess.encoding)
        lines = (sample if own.encoding == source.encoding else _sample(own))[skipped:]
        candidates = rank_dialects(lines, format_name, given, len(sample) < SAMPLE_LINES)
        if candidates:
            # Both scores are logarithms of odds, so together they are a sum.
            reads.append(_Read(own, lines, candidates, (guess.score if guess else 0.0) + candidates[0].score))
    reads.sort(key=lambda read: -read.score)
    best = reads[0]
    asked = _ask_encoding(reads, skipped, options, file) + _ask_dialect(best, given, file)
    doubts = asked + _ask_header(best, options, file)
    return Chosen(best.source, best.candidates[0].dialect, skipped, tuple(doubts))


def _sample(source: Source) -> list[str]:
    return list(itertools.islice(read_lines(source, ProblemLog(source.name)), SAMPLE_LINES))


def _excel_separator(sample: list[str]) -> tuple[int, str | None]:
    """Excel writes 'sep=;' on the first line of a file for other countries."""
    first = sample[0].strip().strip('"').lower() if sample else ""
    if first.startswith("sep=") and len(first) == 5:
        return 1, first[4]
    return 0, None


def _ask_encoding(reads: Sequence[_Read], skipped: int, options: ReadOptions, file: str) -> list[Doubt]:
    if len(reads) < 2 or reads[0].score - reads[1].score >= NEAR_ENCODING:
        return []
    best, other = reads[:2]
    rows = list(itertools.islice(_differing_rows(best, other, skipped), SHOWN_ROWS))
    if not rows:
        return []
    values = {"file": file, "found": encoding_words(best.source.encoding)}
    values["expected"] = encoding_words(other.source.encoding)
    sides = []
    for number, read in enumerate((best, other)):
        chosen = replace(options, encoding=read.source.encoding, max_rows=None)
        sides.append(
            _reading(read.candidates[0], chosen, _share(best.score, other.score, number), [r[number] for r in rows])
        )
    return [Doubt("encoding", sides[0], sides[1], values)]


def _differing_rows(best: _Read, other: _Read, skipped: int) -> Iterator[tuple[list[str], list[str]]]:
    """Rows whose text is not the same in two encodings."""
    both = zip(
        *(
            itertools.islice(read_lines(read.source, ProblemLog("sample")), skipped, _SEARCHED_LINES)
            for read in (best, other)
        ),
        strict=False,
    )
    for one, two in both:
        # Nearly all lines are ASCII and the same in both; only the others show the difference.
        if one != two:
            cells = [_cells(line, read) for line, read in ((one, best), (two, other))]
            if all(cells):
                yield cells[0], cells[1]


def _cells(line: str, read: _Read) -> list[str]:
    found = list(read_records([line], read.candidates[0].dialect, ProblemLog("sample")))
    return found[0][1] if found else []


def _ask_dialect(read: _Read, options: ReadOptions, file: str) -> list[Doubt]:
    best, *others = read.candidates
    near = [one for one in others if best.score - one.score < dialects.NEAR]
    if not near or (options.delimiter and options.quotes):
        return []
    other = near[0]
    about = dialects.differing(best, other)
    told = [
        MARK_WORDS.get(one.dialect.delimiter, one.dialect.delimiter)
        if about == "delimiter"
        else QUOTE_WORDS[name_quotes(one.dialect)]
        for one in (best, other)
    ]
    # They differ in what has no word of its own, such as blanks before cells: nobody could choose.
    if told[0] == told[1]:
        return []
    rows = _rows_that_differ(best, other)
    sides = [
        _reading(
            one,
            dialects.options_for(one, replace(options, max_rows=None), about),
            _share(best.score, other.score, i),
            rows[i],
        )
        for i, one in enumerate((best, other))
    ]
    return [Doubt(about, sides[0], sides[1], {"file": file, "found": told[0], "expected": told[1]})]


def _rows_that_differ(best: Candidate, other: Candidate) -> list[list[list[str]]]:
    """Rows below the header, of each candidate those that the other reads otherwise."""
    seen = [dict(one.records) for one in (best, other)]
    shown = []
    for own, their, one in ((seen[0], seen[1], best), (seen[1], seen[0], other)):
        below = one.records[one.header.titles + one.header.height :]
        different = [cells for line, cells in below if own[line] != their.get(line)]
        shown.append(different or [cells for _, cells in below])
    return shown


def _ask_header(read: _Read, options: ReadOptions, file: str) -> list[Doubt]:
    best = read.candidates[0]
    header = best.header
    rows = [cells for _, cells in best.records[header.titles :]]
    if options.header is not None or len(rows) < 2 or is_sure(rows, header.score):
        return []
    named = Reading(
        replace(options, header=True, max_rows=None),
        _share(header.score, 0.0, 0),
        tuple(rows[0]),
        shown_cells(rows[1:]),
    )
    plain_names = tuple(f"column_{i + 1}" for i in range(max(map(len, rows))))
    plain = Reading(replace(options, header=False, max_rows=None), 1 - named.score, plain_names, shown_cells(rows))
    taken, other = (named, plain) if header.height else (plain, named)
    return [Doubt("header", taken, other, {"file": file})]


def _reading(one: Candidate, options: ReadOptions, score: float, rows: Sequence[Sequence[str]]) -> Reading:
    header = one.header
    width = max((len(row) for row in rows[:SHOWN_ROWS]), default=1)
    names = [str(name) for name in header.names] if header.height else []
    names += [f"column_{number + 1}" for number in range(len(names), width)]
    return Reading(options, score, tuple(names), shown_cells(rows))


def _share(best: float, other: float, number: int) -> float:
    """Odds as a share: of the better reading (number 0) or the other (1)."""
    share = 1 / (1 + math.exp(min(50.0, other - best)))
    return round(share if number == 0 else 1 - share, 2)
