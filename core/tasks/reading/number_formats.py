"""A number of a spreadsheet as its cell shows it: Excel's number formats (ECMA-376 part 1, 18.8.31).

A format has up to four sections (positive; negative; zero; text), each a row of tokens. `show_number` says what the
cell shows; None means that the format hides it or cannot show it (such as a negative date). Kept small on purpose:
colours and widths say nothing in a text, and names of months in other languages than English become digits.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from core.tasks.reading.date_formats import DATE_TOKEN, is_date_section, show_date
from core.tasks.reading.digit_formats import show_digits, show_general

Token = tuple[str, str]  # (kind, text): lit, digit, point, comma, percent, exp, slash, at, general, date

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?'
    r"|\\(?P<escaped>.)"
    r"|_(?P<width>.)|\*(?P<fill>.)"
    r"|\[(?P<bracket>[^\]]*)\]"
    r"|(?P<general>general)"
    rf"|(?P<date>{DATE_TOKEN})"
    r"|(?P<exp>[eE][+-])"
    r"|(?P<digit>[0#?])|(?P<point>\.)|(?P<comma>,)|(?P<percent>%)|(?P<slash>/)|(?P<at>@)"
    r"|(?P<lit>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"\s*(<=|>=|<>|<|>|=)\s*(-?[\d.]+(?:E[+-]?\d+)?)\s*", re.IGNORECASE)
_CURRENCY = re.compile(r"\$([^-\]]*)(?:-([0-9A-Fa-f]+))?")
_ELAPSED = re.compile(r"h+|m+|s+", re.IGNORECASE)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}
# Formats that every computer shows in its own way: the short date, with and without a time.
_SYSTEM = {"mm-dd-yy": "yyyy-mm-dd", "m/d/yy h:mm": "yyyy-mm-dd hh:mm"}
# The same by the locale that a format names: the system's long date and time.
_SYSTEM_LOCALE = {"F800": "yyyy-mm-dd", "F400": "hh:mm:ss"}
_MOST_CHARS = 400  # of a format code that is looked at; Excel allows 255


@dataclass(frozen=True)
class Section:
    """One part of a format, with the condition that chooses it and the locale that it names."""

    tokens: tuple[Token, ...]
    condition: tuple[str, float] | None = None
    locale: str = ""

    @property
    def is_date(self) -> bool:
        return is_date_section(self.tokens)

    def takes(self, value: float) -> bool:
        return self.condition is None or _COMPARE[self.condition[0]](value, self.condition[1])


@dataclass(frozen=True)
class NumberFormat:
    """A format code, taken apart once."""

    code: str
    numbers: tuple[Section, ...]
    texts: Section | None
    is_system: bool = False  # every computer shows it in its own way

    @property
    def is_general(self) -> bool:
        return len(self.numbers) == 1 and [kind for kind, _ in self.numbers[0].tokens] in (["general"], ["at"])

    @property
    def is_date(self) -> bool:
        return bool(self.numbers) and self.numbers[0].is_date

    @property
    def shows_day(self) -> bool:
        return self.is_date and any(k == "date" and t[0].lower() in "ydbeg" for k, t in self.numbers[0].tokens)

    @property
    def shows_clock(self) -> bool:
        return self.is_date and any(k == "date" and t[0].lower() in "hs" for k, t in self.numbers[0].tokens)


@lru_cache(maxsize=1000)
def parse_format(code: str) -> NumberFormat:
    """The format of a code such as '#,##0.00 "EUR";[Red]-0'. Every text is some format; nothing is raised."""
    system = code.split(";")[0].lower()
    if system in _SYSTEM:
        return NumberFormat(code, (_section(_SYSTEM[system]),), None, is_system=True)
    sections = [_section(part) for part in _split(code[:_MOST_CHARS])]
    locale = next((s.locale.upper() for s in sections if s.locale.upper() in _SYSTEM_LOCALE), None)
    if locale is not None:
        return NumberFormat(code, (_section(_SYSTEM_LOCALE[locale]),), None, is_system=True)
    texts = None
    # The fourth section is for texts; with fewer, the last one is when it holds @ (18.8.31).
    if len(sections) > 3 or (len(sections) > 1 and any(kind == "at" for kind, _ in sections[-1].tokens)):
        texts = sections.pop()
    elif len(sections) == 1 and any(kind == "at" for kind, _ in sections[0].tokens):
        texts = sections[0]
    return NumberFormat(code, tuple(sections[:3]), texts)


def show_number(value: float, code: str, from_1904: bool = False) -> str | None:
    """What a cell shows for a stored number.

    Args:
        value: as it is stored; a date is a count of days.
        code: the format code, such as '0.0%'; '' is General.
        from_1904: the workbook counts days from 1904.
    """
    found = parse_format(code or "General")
    if found.is_general or not found.numbers:
        return show_general(value)
    section, negative = _choose(found, value)
    if section is None or not section.tokens:
        return None
    if section.is_date:
        return show_date(value, section.tokens, section.locale, from_1904)
    shown = show_digits(abs(value), section.tokens).strip()
    return (f"-{shown}" if negative and shown else shown) or None


def without_clock(code: str) -> str:
    """The code of a date and a time without its time: 'dd.mm.yyyy hh:mm' -> 'dd.mm.yyyy'."""
    found = parse_format(code)
    tokens = found.numbers[0].tokens
    clock = [i for i, (kind, text) in enumerate(tokens) if kind == "date" and text.strip("[]")[0].lower() in "hs"]
    day = [i for i, (kind, text) in enumerate(tokens) if kind == "date" and text[0].lower() in "ydbega"]
    # A clock in front of its date stays: cutting from it on would take the day away.
    kept = tokens[: clock[0]] if clock and day and clock[0] > day[0] else tokens
    return "".join(f'"{text}"' if kind == "lit" else text for kind, text in kept).rstrip('" ,T') or code


def show_text(value: str, code: str) -> str:
    """A text cell: '"No. "@' puts words around it; a format that hides it is not followed."""
    if "@" not in code or code == "@":
        return value
    texts = parse_format(code).texts
    if texts is None:
        return value
    parts = (value if kind == "at" else text if kind == "lit" else "" for kind, text in texts.tokens)
    return "".join(parts).strip() or value


def _choose(found: NumberFormat, value: float) -> tuple[Section | None, bool]:
    """The section for a value, and whether a minus sign belongs in front."""
    sections = found.numbers
    # With conditions the sections lose their places: the first that takes the value shows it.
    if any(s.condition for s in sections):
        section = next((s for s in sections if s.takes(value)), None)
        return section, value < 0 and section is not None and (section.condition is None or section is sections[0])
    if value < 0 and len(sections) > 1:
        return sections[1], False
    if value == 0 and len(sections) > 2:
        return sections[2], False
    return sections[0], value < 0


def _split(code: str) -> list[str]:
    """Sections, at semicolons that stand in no quotes or brackets."""
    parts, start = [], 0
    for match in _TOKEN.finditer(code):
        if match.lastgroup == "lit" and match[0] == ";":
            parts.append(code[start : match.start()])
            start = match.end()
    return [*parts, code[start:]]


def _section(code: str) -> Section:
    tokens: list[Token] = []
    condition, locale = None, ""
    for match in _TOKEN.finditer(code):
        kind = match.lastgroup or "lit"
        text = match[kind]
        if kind == "bracket":
            compared, currency = _CONDITION.fullmatch(text), _CURRENCY.fullmatch(text)
            if compared:
                condition = (compared[1], float(compared[2]))
            elif currency:
                locale = currency[2] or locale
                tokens += [("lit", currency[1])] if currency[1] else []
            elif _ELAPSED.fullmatch(text):
                tokens.append(("date", f"[{text.lower()}]"))
        elif kind in ("quoted", "escaped"):
            tokens.append(("lit", text))
        elif kind not in ("width", "fill"):  # space and repetition that only a cell with a width can show
            tokens.append((kind, text))
    return Section(tuple(tokens), condition, locale)
