"""Dates, times and durations in a spreadsheet's format: a count of days becomes the text of its cell."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

Token = tuple[str, str]
DATE_TOKEN = (
    r"yyyy|yy|y|mmmmm|mmmm|mmm|mm|m|dddd|ddd|dd|d|aaaa|aaa|hh|h|ss|s|am/pm|a/p|上午/下午|e(?![+-])|g+|b{1,4}"
)
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CHINESE_DAYS = "一二三四五六日"
_FIRST_1900 = datetime.date(1899, 12, 31)  # day 1 is 1 January 1900
_FIRST_1904 = datetime.date(1904, 1, 1)
_LEAP_1900 = 60  # 29 February 1900, which never was
_LAST_DAY = 2_958_465  # 31 December 9999
_MILLISECONDS_A_DAY = 86_400_000
_WORD = re.compile(r"m{3,5}|d{3,4}", re.IGNORECASE)
_ENGLISH = 0x09  # the language part of a locale id


@dataclass(frozen=True)
class _Moment:
    """A date and a time of day; `days` are all days since the first, for durations."""

    year: int
    month: int
    day: int
    weekday: int
    milliseconds: int  # of the day
    total_milliseconds: int


def is_date_section(tokens: Sequence[Token]) -> bool:
    """Whether a section shows a date or a time rather than digits."""
    return any(kind == "date" and text[0].lower() in "ymdhs[a" for kind, text in tokens)


def show_date(value: float, tokens: Sequence[Token], locale: str, from_1904: bool) -> str | None:
    """The date, time or duration of a stored number; None where a spreadsheet shows only ####.

    Names of months and days of a language that is not English are written as digits (2024-03-05).
    """
    elapsed = any(kind == "date" and text[0] == "[" for kind, text in tokens)
    if (value < 0 and not elapsed) or abs(value) > _LAST_DAY + 1:
        return None
    moment = _moment(abs(value), _places(tokens), from_1904)
    if moment is None:
        return None
    if locale and int(locale, 16) & 0x3FF not in (_ENGLISH, 0) and any(_WORD.fullmatch(t) for _, t in tokens):
        tokens = _in_digits(tokens)
    half = any(kind == "date" and text.lower() in ("am/pm", "a/p", "上午/下午") for kind, text in tokens)
    parts = [_part(moment, tokens, index, half) for index in range(len(tokens))]
    return ("-" if value < 0 else "") + " ".join("".join(parts).split())


def _places(tokens: Sequence[Token]) -> int | None:
    """Decimals of the seconds; None where no seconds are shown, which are then cut off, not rounded."""
    seconds = [
        i for i, (kind, text) in enumerate(tokens) if kind == "date" and text.strip("[]").lower() in ("s", "ss")
    ]
    if not seconds:
        return None
    count, index = 0, seconds[-1] + 2
    if index <= len(tokens) - 1 and tokens[index - 1][0] == "point":
        while index < len(tokens) and tokens[index][0] == "digit":
            count, index = count + 1, index + 1
    return min(count, 3)


def _moment(value: float, places: int | None, from_1904: bool) -> _Moment | None:
    total = round(value * _MILLISECONDS_A_DAY)  # the noise of binary fractions is far below a millisecond
    if places is not None:
        unit = 10 ** (3 - places)
        total = (total + unit // 2) // unit * unit
    days, rest = divmod(total, _MILLISECONDS_A_DAY)
    if days > _LAST_DAY:
        return None
    if from_1904:
        date = _FIRST_1904 + datetime.timedelta(days)
    elif days == 0:
        return _Moment(1900, 1, 0, 5, rest, total)
    elif days == _LEAP_1900:
        return _Moment(1900, 2, 29, 2, rest, total)
    else:
        date = _FIRST_1900 + datetime.timedelta(days - (days > _LEAP_1900))
    return _Moment(date.year, date.month, date.day, date.weekday(), rest, total)


def _in_digits(tokens: Sequence[Token]) -> list[Token]:
    """year-month-day in place of a date with names; the clock stays."""
    last = max(i for i, (kind, text) in enumerate(tokens) if kind == "date" and text[0].lower() in "ymdae")
    clock = [t for t in tokens[last + 1 :] if t[0] in ("date", "point", "digit") or t[1].strip() in ("", ":")]
    day = (("date", "yyyy"), ("lit", "-"), ("date", "mm"), ("lit", "-"), ("date", "dd"))
    return [*day, *([("lit", " "), *clock] if any(kind == "date" for kind, _ in clock) else [])]


def _part(moment: _Moment, tokens: Sequence[Token], index: int, half: bool) -> str:
    kind, text = tokens[index]
    if kind == "date":
        code = text.lower()
        if code in ("m", "mm") and _means_minutes(tokens, index):
            return f"{moment.milliseconds // 60_000 % 60:0{len(code)}d}"
        return _clock_part(moment, code, half) if code[0] in "hs[" or "/" in code else _day_part(moment, code)
    if kind == "digit":  # decimals of seconds
        after = 1
        while tokens[index - after][0] == "digit":
            after += 1
        return (
            f"{moment.milliseconds % 1000:03d}"[after - 1 : after] or "0"
            if tokens[index - after][0] == "point"
            else text
        )
    return text


def _means_minutes(tokens: Sequence[Token], index: int) -> bool:
    """m is minutes after hours or before seconds."""
    codes = [(i, text.strip("[]").lower()) for i, (kind, text) in enumerate(tokens) if kind == "date"]
    place = next(n for n, (i, _) in enumerate(codes) if i == index)
    before = codes[place - 1][1] if place else ""
    after = codes[place + 1][1] if place + 1 < len(codes) else ""
    return before in ("h", "hh") or after in ("s", "ss")


def _clock_part(moment: _Moment, code: str, half: bool) -> str:
    hour = moment.milliseconds // 3_600_000
    if code == "上午/下午":
        return code.split("/")[hour >= 12]
    if "/" in code:
        return code.upper().split("/")[hour >= 12]
    if code[0] == "[":
        unit = {"h": 3_600_000, "m": 60_000, "s": 1000}[code[1]]
        return f"{moment.total_milliseconds // unit:0{len(code) - 2}d}"
    if code[0] == "h":
        return f"{(hour + 11) % 12 + 1 if half else hour:0{len(code)}d}"
    return f"{moment.milliseconds // 1000 % 60:0{len(code)}d}"


def _day_part(moment: _Moment, code: str) -> str:
    if code in ("y", "yy"):
        return f"{moment.year % 100:02d}"
    if code[0] in "ye":
        return f"{moment.year:04d}"
    if code[0] == "b":
        return f"{moment.year + 543:04d}"[-len(code) if len(code) < 3 else -4 :]
    if code[0] == "g":
        return ""
    if code[0] == "a":
        return ("星期" if len(code) == 4 else "") + _CHINESE_DAYS[moment.weekday]
    number, names = (moment.month, _MONTHS) if code[0] == "m" else (moment.day, _DAYS)
    if len(code) <= 2:
        return f"{number:0{len(code)}d}"
    name = names[moment.month - 1 if code[0] == "m" else moment.weekday]
    return {3: name[:3], 4: name, 5: name[:1]}[len(code)]
