"""Is a text a number, or a date or time, as people write them in tables?"""

from __future__ import annotations

import re

_MARKS = r"(?:[$€£¥₹₽₩₺]|EUR|USD|GBP|CHF|CNY|RMB|kr|zł|Kč|Rs\.?)"
_GROUPS = "[ \u00a0\u2009\u202f'’.,]"
_DIGITS = rf"(?:\d{{1,3}}(?:{_GROUPS}\d{{3}})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?|[.,]\d+)(?:[eE][-+]?\d+)?"
_NUMBER = re.compile(rf"[-+−±~≈<>≤≥]?\s?{_MARKS}?\s?[-+−]?{_DIGITS}\s?(?:[%‰]|{_MARKS})?")
_BRACKETED = re.compile(rf"\({_MARKS}?\s?{_DIGITS}\s?%?\)")  # an accountant's negative number
_MONTHS = "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_DAY = (
    r"\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}日?|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|\d{4}年(?:\d{1,2}月)?"
    rf"|\d{{1,2}}\.?\s(?:{_MONTHS})\w*\.?,?\s\d{{2,4}}|(?:{_MONTHS})\w*\.?\s\d{{1,2}},?\s\d{{4}}"
)
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:[ap]\.?m\.?|Uhr|h)?|\d{1,2}\s?(?:Uhr|[ap]m|h\d{2})"
_DATE = re.compile(rf"(?:{_DAY})(?:[T ,]\s?(?:{_CLOCK}))?(?:Z|\s?[+-]\d{{2}}:?\d{{2}})?|{_CLOCK}", re.IGNORECASE)


def is_number(text: str) -> bool:
    """'1 234,50 €', '-3', '12 %', '(45)', '9.9e-05'."""
    return len(text) <= 40 and bool(_NUMBER.fullmatch(text) or _BRACKETED.fullmatch(text))


def is_date(text: str) -> bool:
    """'2024-03-05', '5.3.24', '5 March 2024', '8:10', '2024-03-05T08:10:00Z', '2024年3月5日'."""
    return len(text) <= 40 and bool(_DATE.fullmatch(text))
