"""The number that an answer ends with, as people write numbers. Part of the definition of `number_match`.

Understood: digits of any script; a decimal point or comma; thousands apart by comma, point, space or apostrophe;
currency and percent signs, accountants' brackets for a negative number; powers of ten (1.5e-05, 1.5 x 10^-5,
1.5 · 10⁻⁵). Fractions, clock times and dates are whole: 3/4 is not 1/4, and 12:30 is not 30.

Only "1,234" and "1.234" can be read in two ways; the file's decimal mark decides (`decimal_mark`).
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, DivisionByZero, InvalidOperation

import regex

POINT, COMMA = ".", ","
TOLERANCE = Decimal("1e-4")
_SPACE = regex.compile(r"\s+")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RAISED = regex.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]+")
_VULGAR = regex.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")
_DIGITS = regex.compile(r"\p{Nd}")
_TOKEN = regex.compile(
    r"""
    (?<![\p{L}\d_])                                   # not inside a word: no 2 in H2O
    (?P<sign>(?<![\d)][ ]?)[-+])?[ ]?                 # a sign, but not the dash of "3-5"
    \p{Sc}?[ ]?(?P<inner>(?<=\p{Sc}[ ]?)[-+])?        # $5, $-5
    (?: (?P<whole>\d+(?:(?P<mark>[:./-])\d+)(?:(?P=mark)\d+)+(?![.,]?\d))     # 2024-05-06, 12:30:00, 1.2.3
      | (?P<clock>\d+:\d+)(?!\d)                      # 12:30, 3:1
      | 10(?:\^|\*\*)\(?(?P<tens>[-+]?\d+)\)?         # 10^5
      | (?:(?P<ones>\d+)[ ](?=\d+/))?                 # 1 1/2
        (?P<top>\d+(?:[.,]\d+)?)[ ]?/[ ]?(?P<bottom>\d+(?:[.,]\d+)?)
      | (?P<number>
            (?: \d{1,3}(?P<apart>[., '’])\d{3}(?:(?P=apart)\d{3})*(?!\d)      # 1,234,567
              | \d{1,2}(?:,\d{2})+,\d{3}              # 1,00,000 as in India
              | \d+
            )(?:[.,]\d+)?
          | [.,]\d+
        )
        (?: [ ]?e(?P<power>[-+]?\d+)(?![\p{L}\d])     # 9.9e-05
          | [ ]?[x×·*][ ]?10(?:\^|\*\*)[ ]?\(?(?P<raised>[-+]?\d+)\)?         # 1.5 x 10^-5
        )?
    )
    (?P<half>[ ]?[ap]\.?m\b)?                         # am, pm
    """,
    regex.IGNORECASE | regex.VERBOSE,
)


@dataclass(frozen=True)
class Quantity:
    """A number, or the parts of a clock time or date, which are equal as a whole or not at all. A whole number and
    a fraction are `exact`."""

    number: Decimal | None = None
    parts: tuple[str, ...] = ()
    exact: bool = False


def last_quantity(text: str, decimal: str = POINT) -> Quantity | None:
    """The last number, time or date of a text; None when there is none."""
    cleaned = _ascii(text)
    found = next(iter(deque(_TOKEN.finditer(cleaned), maxlen=1)), None)
    if found is None:
        return None
    if found["clock"] or found["whole"]:
        return _whole(found, decimal)
    number = _value(found, decimal)
    if number is None:
        return Quantity(parts=(found[0].strip(),))
    bracketed = cleaned[: found.start()].rstrip().endswith("(") and cleaned[found.end() :].lstrip(" %").startswith(
        ")"
    )
    negative = "-" in (found["sign"], found["inner"]) or bracketed
    exact = bool(found["top"]) or number == number.to_integral_value()
    return Quantity(-number if negative else number, exact=exact)


def is_same(found: Quantity, wanted: Quantity) -> bool:
    """Whole numbers and fractions must be equal, others to one part in ten thousand; times and dates as a whole."""
    if found.number is None or wanted.number is None:
        return found.parts == wanted.parts and found.number == wanted.number
    if found.number == wanted.number:
        return True
    if found.exact and wanted.exact:
        return False
    return abs(found.number - wanted.number) <= TOLERANCE * abs(wanted.number)


def decimal_mark(texts: Iterable[str]) -> str:
    """The mark that a file's own numbers show: the comma where more of them can only be read with it."""
    votes = 0
    for text in texts:
        for found in _TOKEN.finditer(_ascii(text)):
            shown = found["number"] or ""
            votes += _mark_of(shown)
    return COMMA if votes < 0 else POINT


def _ascii(text: str) -> str:
    """Digits of all scripts as 0 to 9, raised powers as ^n, one kind of minus."""
    # 1½ would be 11/2 after NFKC: the fraction has to stand apart first.
    spaced = _VULGAR.sub(" ", text)
    # NFKC would make 10⁵ the number 105.
    spelled = _RAISED.sub(lambda m: "^" + m[0].translate(_SUPERSCRIPT), spaced)
    folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", spelled))
    # The minus sign, the fraction stroke, and the Arabic decimal and thousands marks.
    folded = folded.translate({0x2212: "-", 0x2044: "/", 0x066B: ".", 0x066C: ","})
    return _DIGITS.sub(lambda m: str(unicodedata.decimal(m[0])), folded)


def _mark_of(shown: str) -> int:
    """1: the point must be the decimal mark, -1: the comma must, 0: the number does not tell."""
    points, commas = shown.count("."), shown.count(",")
    if points and commas:
        return 1 if shown.rfind(".") > shown.rfind(",") else -1
    if points > 1 or commas > 1:
        return -1 if points else 1
    if not points and not commas:
        return 0
    mark = "." if points else ","
    before, after = shown.split(mark)
    # 0.123 is a decimal for sure: nobody writes thousands of nothing.
    if len(after) == 3 and before.lstrip("0") and len(before) <= 3:
        return 0
    return 1 if points else -1


def _value(found: regex.Match[str], decimal: str) -> Decimal | None:
    try:
        if found["top"]:
            top, bottom = (_read(found[name], decimal) for name in ("top", "bottom"))
            return Decimal(found["ones"] or 0) + top / bottom
        if found["tens"]:
            return Decimal(1).scaleb(int(found["tens"]))
        power = found["power"] or found["raised"]
        return _read(found["number"], decimal).scaleb(int(power)) if power else _read(found["number"], decimal)
    except (InvalidOperation, DivisionByZero):  # 1/0, or a power beyond what Decimal holds
        return None


def _read(shown: str, decimal: str) -> Decimal:
    sure = _mark_of(shown)
    mark = {1: POINT, -1: COMMA, 0: decimal}[sure]
    kept = "".join(c for c in shown if c.isdigit() or c == mark)
    return Decimal(kept.replace(mark, "."))


def _whole(found: regex.Match[str], decimal: str) -> Quantity:
    shown = found["whole"] or found["clock"]
    mark = found["mark"] or ":"
    parts = [part.lstrip("0") or "0" for part in shown.split(mark)]
    # 1.234.567: thousands apart by points, which _TOKEN takes for a date first.
    if mark == "." and all(len(part) == 3 for part in shown.split(mark)[1:]):
        return Quantity(Decimal(shown.replace(".", "")))
    if mark == ":" and found["half"] and len(parts) >= 2:
        hour = int(parts[0]) % 12 + (12 if "p" in found["half"].lower() else 0)
        parts[0] = str(hour)
    if mark == ":":
        # 12:30:00 is 12:30.
        while len(parts) > 2 and parts[-1] == "0":
            parts.pop()
    return Quantity(parts=(mark, *parts))
