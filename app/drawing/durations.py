"""Numbers as people read them: durations, memory, scores. Pure."""

from __future__ import annotations

import time

from app.texts import say
from core.insight.expecting import Expected


def word_seconds(seconds: float) -> str:
    """'45 s', '12 min', '3 h 20 min': two parts at most."""
    whole = max(0, round(seconds))
    if whole < 90:
        return say("time.s", s=whole)
    if whole < 90 * 60:
        return say("time.min", m=round(whole / 60))
    return say("time.h", h=whole // 3600, m=whole % 3600 // 60)


def word_range(low: float, high: float) -> str:
    """A range of durations; one value when both ends read the same."""
    first, last = word_seconds(low), word_seconds(high)
    return first if first == last else say("time.range", low=first, high=last)


def word_moment(seconds_since_1970: float) -> str:
    """Local date and time to the minute, which sorts and reads the same in every language."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds_since_1970))


def word_score(value: float | None) -> str:
    """A score in points of 100, as the sentences, the report and the command line say it."""
    return "–" if value is None else f"{100 * value:.1f}"


def word_count(value: int) -> str:
    return f"{value:,}".replace(",", " ")


def word_memory(megabytes: float) -> str:
    """'850 MB' or '2.4 GB'."""
    return f"{megabytes / 1024:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def asking_time(expected: Expected) -> str:
    """How many answers will be asked for and, where it is known, about how long that takes."""
    answers = word_count(expected.answers)
    if expected.seconds is None:
        return say("skills.asks", answers=answers)
    return say("skills.asks_time", answers=answers, time=word_seconds(expected.seconds))
