"""Numbers about one column that the guesses rest on."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.tasks.cell_text import target_text
from core.tasks.guessing.number_text import is_date, is_number
from core.tasks.reading.column_words import ID_WORDS, SIDE_WORDS, TARGET_WORDS, name_words, word_set
from core.tasks.reading.header_rows import own_name
from core.tasks.reading.table import Table

SAMPLE_ROWS = 2000
LOOKED_AT = 200
STRICT_ID_WORDS = word_set("id ids uid uuid guid pid qid sid pmid doi idx hash unnamed serial 编号 序号")
MEASURES = word_set(
    "age amount area cost count days distance duration fee height hours length minutes money months mass pages "
    "people price rate rent rooms salary seconds share size speed sum temp temperature total value volume weeks "
    "weight width years year alter anzahl dauer gewicht groesse hohe lange miete menge stunden tage temperatur"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-f]{24,64}")
_PLACE = re.compile(
    r"(?:https?|s3|file)://\S+|(?:[\w.~-]*[/\\])+[\w.~%-]+|[\w-]+\.(?:txt|json|pdf|png|jpe?g|wav|xml|docx?)"
)
_WORDS = re.compile(r"[^\W_\u3400-\u9fff\uac00-\ud7af]+(?:['’][^\W_]+)*|[\u3400-\u9fff\uac00-\ud7af]")
_FEW_FORMS = 3
# A code, each number written as 0: few Latin letters and marks between them. 'x^{0}+0=0' is a formula.
_FORM = re.compile(r"(?=.{1,20}$)[#(]?[A-Za-z0]+(?:[-_/.:#]?[A-Za-z0]+)*\)?")


@dataclass(frozen=True)
class ColumnProfile:
    """Shares are of the filled cells, `filled` of all; lengths in words (a CJK character is half a word)."""

    name: str
    words: tuple[str, ...]
    texts: tuple[str, ...]
    filled: float
    num_distinct: int
    distinct: float
    typical_words: float
    typical_chars: float
    numeric: float
    dated: float
    spaced: float
    lists: float
    top_share: float

    @property
    def is_constant(self) -> bool:
        return self.num_distinct <= 1

    @property
    def is_repeated(self) -> bool:
        """Few different values that come back: a label, a topic, a source."""
        return (
            self.num_distinct >= 2
            and self.distinct <= (0.25 if len(self.texts) >= 40 else 0.5)
            and self.typical_words <= 8
            and (self.num_distinct <= max(20, len(self.texts) // 8))
        )

    @property
    def is_numbering(self) -> bool:
        """Codes every row: a running number, a uuid, REQ-0012, a path. Names count only where values say little."""
        if not self.texts or self.typical_words > 8:
            return False
        named = bool(self.words) and self.words[-1] in STRICT_ID_WORDS
        if named and self.distinct > 0.4:
            return True
        some = self.texts[:LOOKED_AT]
        if sum(1 for t in some if _UUID.fullmatch(t)) > 0.8 * len(some):
            return True
        if any(word in MEASURES or TARGET_WORDS.get(word, 0) >= 2 for word in self.words):
            return False  # said to be an answer or a measure: it may come sorted
        return self.distinct > 0.98 and len(self.texts) >= (8 if named else 20) and _codes_rows(some)

    @property
    def numbers_rows(self) -> bool:
        """A running number, or a code that its name calls an id: nothing that anybody would ask for."""
        some = self.texts[:LOOKED_AT]
        named = bool(self.words) and self.words[-1] in STRICT_ID_WORDS
        # 15 digits: int() refuses more than 4,300 of them, and a running number has few.
        return named or (all(t.isdecimal() for t in some) and _is_running([int(t[:15]) for t in some]))

    @property
    def is_named_id(self) -> bool:
        """Called key, file, date, author ... : often about the row, sometimes the answer."""
        return bool(set(self.words) & ID_WORDS) and self.typical_words <= 8

    @property
    def is_side(self) -> bool:
        return bool(set(self.words) & SIDE_WORDS) and self.typical_words <= 6

    @property
    def is_running_text(self) -> bool:
        return self.typical_words >= 4 and self.distinct > 0.3


def _codes_rows(some: Sequence[str]) -> bool:
    """Different short texts of one form: counted up, or places of files. Measures and dates are not codes."""
    if all(t.isdecimal() for t in some):
        return _is_running([int(t[:15]) for t in some])
    if sum(1 for t in some if _PLACE.fullmatch(t)) > 0.8 * len(some):
        return True
    # Up to a fifth: some codes are digits alone and look like numbers.
    if any(" " in t for t in some) or sum(is_number(t) or is_date(t) for t in some) > 0.2 * len(some):
        return False
    forms = Counter(re.sub(r"\d+", "0", t) for t in some)
    return len(forms) <= _FEW_FORMS and all("0" in form and _FORM.fullmatch(form) for form in forms)


def _is_running(numbers: Sequence[int]) -> bool:
    """Counted up: each larger than the one before, or nearly all by the same step."""
    steps = Counter(b - a for a, b in itertools.pairwise(numbers))
    if not steps:
        return False
    step, times = steps.most_common(1)[0]
    return min(steps) > 0 or (step > 0 and times > 0.97 * steps.total())


def num_words(text: str) -> float:
    return sum(0.5 if ord(w[0]) > 0x33FF else 1.0 for w in _WORDS.findall(text))


def sample_rows(table: Table, limit: int = SAMPLE_ROWS) -> list[dict[str, Any]]:
    step = max(1, len(table.rows) // limit)
    return table.rows[::step][:limit]


def profile_columns(table: Table) -> list[ColumnProfile]:
    rows = sample_rows(table)
    return [profile_column(name, [row.get(name) for row in rows]) for name in table.columns]


def profile_column(name: str, values: Sequence[Any]) -> ColumnProfile:
    texts = tuple(text for text in (target_text(v) for v in values) if text)
    count = max(1, len(texts))
    frequency = Counter(texts)
    lengths = sorted(num_words(t[:4000]) for t in texts) or [0.0]  # a whole book would cost as much as all else
    chars = sorted(len(t) for t in texts) or [0]
    return ColumnProfile(
        name=name,
        words=tuple(name_words(own_name(name))),
        texts=texts,
        filled=len(texts) / max(1, len(values)),
        num_distinct=len(frequency),
        distinct=len(frequency) / count,
        typical_words=lengths[len(lengths) // 2],
        typical_chars=float(chars[len(chars) // 2]),
        numeric=sum(n for t, n in frequency.items() if is_number(t)) / count,
        dated=sum(n for t, n in frequency.items() if is_date(t)) / count,
        spaced=sum(n for t, n in frequency.items() if " " in t.strip()) / count,
        lists=sum(1 for v in values if isinstance(v, list)) / max(1, len(values)),
        top_share=frequency.most_common(1)[0][1] / count if frequency else 0.0,
    )
