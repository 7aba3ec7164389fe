"""What kind of thing a cell holds: a number in any country's writing, a date, a link, a word, running text."""

from __future__ import annotations

import re
from functools import lru_cache

_MONEY = r"(?:[$€£¥₹₽]|EUR|USD|GBP|CHF|kr|zł|Kč|Ft|元|円)"
_DIGITS = r"(?:\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3})+|\d+)(?:[.,]\d+)?|[.,]\d+"
NUMBER = re.compile(rf"\(?[-+−]?\s?{_MONEY}?\s?(?:{_DIGITS})(?:[eE][-+]?\d+)?\s?(?:%|‰|{_MONEY})?-?\)?")
_TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?:\s?[ap]\.?m\.?)?(?:\s?(?:Z|[-+]\d{2}:?\d{2}))?"
_MONTH = r"[^\W\d_]{3,10}\.?"
DATE = re.compile(
    rf"\d{{1,4}}([-/.])\s?\d{{1,2}}\1\s?\d{{1,4}}\.?(?:[T ,]+{_TIME})?|{_MONTH} \d{{1,2}},? \d{{4}}"
    rf"|\d{{1,2}}\.? (?:de )?{_MONTH},? (?:de )?\d{{4}}|\d{{4}}年\d{{1,2}}月\d{{1,2}}日|{_TIME}",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?|ftp)://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.-]+")
_TYPED = ("number", "date", "link")


@lru_cache(maxsize=1 << 15)
def cell_kind(cell: str) -> str:
    """One of number, date, link, word, text, empty."""
    text = cell.strip()
    if not text:
        return "empty"
    if len(text) <= 40:
        if NUMBER.fullmatch(text):
            return "number"
        if DATE.fullmatch(text):
            return "date"
    if _LINK.fullmatch(text):
        return "link"
    return "word" if len(text) <= 30 and text.count(" ") <= 2 else "text"


def is_typed(kind: str) -> bool:
    """Whether cells of the kind are written by a rule: a name of a column is none of them."""
    return kind in _TYPED


@lru_cache(maxsize=16)
def _stray_mark(mark: str) -> re.Pattern[str]:
    # A blank after it (or around a bar) is punctuation, digits around a comma a number, &amp; an entity.
    digits = r"(?<!\d)" if mark == "," else ""
    entity = r"(?<!&\w\w)(?<!&\w\w\w)(?<!&\w\w\w\w)(?<!&#\d\d)(?<!&#\d\d\d)" if mark == ";" else ""
    tail = r"(?!\s|$)" if mark != "\t" else ""
    return re.compile(f"{digits}{entity}{re.escape(mark)}{tail}" + (r"|,(?!\s|$|\d)" if mark == "," else ""))


def num_stray_marks(cell: str, mark: str) -> int:
    """How often a mark stands in a cell as neither punctuation nor a part of a number would."""
    return len(_stray_mark(mark).findall(cell)) if mark in cell else 0
