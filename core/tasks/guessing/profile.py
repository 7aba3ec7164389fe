"""Numbers about one column that the guesses rest on."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.tasks.cell_text import target_text
from core.tasks.reading.column_words import ID_WORDS, SIDE_WORDS, name_words
from core.tasks.reading.table import Table

SAMPLE_ROWS = 2000
NUMBER = re.compile(r"[-+]?[$€£¥]?\d[\d,]*(\.\d+)?\s?%?|[-+]?\d*\.?\d+([eE][-+]?\d+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|[0-9a-f]{24,64}")
_WORDS = re.compile(r"[A-Za-z0-9']+|[\u3400-\u9fff\uac00-\ud7af]")


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
            and self.distinct <= 0.25
            and self.typical_words <= 8
            and (self.num_distinct <= max(20, len(self.texts) // 8))
        )

    @property
    def is_identifier(self) -> bool:
        """Numbers a row rather than saying something."""
        named = bool(set(self.words) & ID_WORDS)
        if self.typical_words > 8 or (self.spaced > 0.3 and not named):
            return False
        if named and (self.distinct > 0.5 or self.numeric > 0.9 or self.typical_words <= 2):
            return True
        coded = sum(1 for t in self.texts[:200] if _UUID.fullmatch(t)) > 0.8 * min(200, len(self.texts))
        if coded:
            return True
        running = self.distinct > 0.98 and len(self.texts) >= 20 and self.spaced == 0
        return running and self._looks_coded()

    def _looks_coded(self) -> bool:
        some = self.texts[:200]
        digits = sum(1 for t in some if any(c.isdigit() for c in t)) / max(1, len(some))
        if self.numeric > 0.98:
            return all(t.isdigit() for t in some) and _is_running([int(t[:15]) for t in some])
        return digits > 0.9 and self.typical_chars < 60

    @property
    def is_side(self) -> bool:
        return bool(set(self.words) & SIDE_WORDS) and self.typical_words <= 6


def _is_running(numbers: Sequence[int]) -> bool:
    steps = Counter(b - a for a, b in itertools.pairwise(numbers))
    return bool(steps) and steps.most_common(1)[0][1] > 0.8 * len(numbers[1:])


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
    lengths = sorted(num_words(t[:4000]) for t in texts) or [0.0]
    chars = sorted(len(t) for t in texts) or [0]
    return ColumnProfile(
        name=name,
        words=tuple(name_words(name)),
        texts=texts,
        filled=len(texts) / max(1, len(values)),
        num_distinct=len(frequency),
        distinct=len(frequency) / count,
        typical_words=lengths[len(lengths) // 2],
        typical_chars=float(chars[len(chars) // 2]),
        numeric=sum(1 for t in texts if NUMBER.fullmatch(t)) / count,
        spaced=sum(1 for t in texts if " " in t.strip()) / count,
        lists=sum(1 for v in values if isinstance(v, list)) / max(1, len(values)),
        top_share=frequency.most_common(1)[0][1] / count if frequency else 0.0,
    )
