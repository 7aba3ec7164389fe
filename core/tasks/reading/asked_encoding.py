"""The question which of two encodings a JSON file is in: delimited files weigh it together with their dialect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from core.tasks.reading.legacy import ENCODINGS, NEAR_ENCODING, encoding_words, share_of_best
from core.tasks.reading.readings import SHOWN_ROWS, Doubt, Reading, ReadOptions, shown_rows
from core.tasks.reading.table import Table
from core.tasks.reading.text_encoding import Source, detect_encoding

_LOOKED_AT = 5_000  # rows in which a difference is looked for


def ask_encoding(table: Table, source: Source, options: ReadOptions, read: Callable[[ReadOptions], Table]) -> Table:
    """The table, with a question where another encoding comes close and reads its texts otherwise. `read` reads the
    file again with other options."""
    if options.encoding or table.encoding not in ENCODINGS:
        return table
    ranked = detect_encoding(source).ranked
    if len(ranked) < 2 or ranked[0].score - ranked[1].score >= NEAR_ENCODING:
        return table
    other = read(replace(options, encoding=ranked[1].encoding, max_rows=_LOOKED_AT))
    pairs = zip(table.rows, other.rows, strict=False)
    differing = list(islice(((a, b) for a, b in pairs if a != b), SHOWN_ROWS))
    if not differing:
        return table
    shares = share_of_best(ranked[:2])
    sides = [
        Reading(
            replace(options, encoding=guess.encoding, max_rows=None),
            round(share, 2),
            one.columns,
            shown_rows(one.columns, [pair[number] for pair in differing]),
        )
        for number, (guess, share, one) in enumerate(zip(ranked[:2], shares, (table, other), strict=True))
    ]
    values = {"file": table.name, "found": encoding_words(ranked[0].encoding)}
    values["expected"] = encoding_words(ranked[1].encoding)
    return replace(table, doubts=(*table.doubts, Doubt("encoding", sides[0], sides[1], values)))
