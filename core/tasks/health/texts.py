"""Texts: lengths, languages, suspicious characters, possible personal data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from core.tasks.health.characters import UNMENDABLE, character_faults
from core.tasks.health.rows import Place, TaskRows
from core.tasks.reading.scripts import CJK

LOOKED_AT = 20_000  # rows of a task that are searched for characters, personal data and languages
BINS = 12
MEASURED = 4_000  # rows whose tokens are counted for the statistics
MIXED_SHARE = 0.02
PERSONAL: dict[str, re.Pattern[str]] = {
    "email": re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}"),
    "card": re.compile(r"(?<!\d)(?:\d[ -]?){15}\d(?!\d)"),
    "identity": re.compile(r"(?<!\d)[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dXx](?!\d)"),
    "phone": re.compile(
        r"(?<![\d.])(?:\+\d{1,3}[ -]?\(?\d{2,4}\)?(?:[ -]?\d{2,4}){2,3}|1[3-9]\d{9}"
        r"|\(?\d{3}\)?[ -]\d{3}[ -]\d{4})(?![\d.])"
    ),
    "address": re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"),
}
_STOPWORDS = {
    "English": "the and is of to in that it for you i a my do are what how",
    "German": "der die und ist das nicht ein ich zu mit",
    "French": "le la les et est des une que pour dans",
    "Spanish": "el los y es que una por para con del",
    "Italian": "il che di non una per sono della con gli",
    "Portuguese": "que não uma para com os é em você isso",
}
_STOPS = {name: frozenset(words.split()) for name, words in _STOPWORDS.items()}
_SCRIPTS: dict[str, re.Pattern[str]] = {
    "Japanese": re.compile("[\u3040-\u30ff]"),
    "Korean": re.compile("[\uac00-\ud7af]"),
    "Chinese": CJK,
    "Russian": re.compile("[\u0400-\u04ff]"),
    "Arabic": re.compile("[\u0600-\u06ff]"),
    "Greek": re.compile("[\u0370-\u03ff]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
    "Hindi": re.compile("[\u0900-\u097f]"),
}


def language_of(text: str) -> str:
    """A language by script, or by stop words for Latin letters; '' when nothing tells."""
    if not text.isascii():
        for name, pattern in _SCRIPTS.items():
            if len(pattern.findall(text)) * 3 > len(text.split()) + len(text) // 8:
                return name
    words = set(text.lower().split())
    scores = {name: len(stops & words) for name, stops in _STOPS.items()}
    best = max(scores, key=lambda name: scores[name])
    needed = 1 if best == "English" else 2
    return best if scores[best] * 12 >= len(words) and scores[best] >= needed else ""


def sample_indices(count: int) -> range:
    return range(0, count, max(1, -(-count // LOOKED_AT)))


def text_findings(rows: TaskRows) -> list[dict[str, Any]]:
    """Findings about characters, personal data and languages, as the fields of findings."""
    indices = sample_indices(len(rows.texts))
    found = []
    for key, kinds_in, fix_for in _SEARCHES:
        kinds, places = _searched(rows, indices, kinds_in)
        if places:
            listed = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
            known: dict[str, Any] = {
                "key": key,
                "severity": "warning",
                "count": len(places),
                "values": {"kinds": listed},
            }
            found.append({**known, "places": tuple(places[:200]), "fix": fix_for(kinds)})
    languages = Counter(language_of(rows.texts[i][:400]) for i in indices)
    spoken = {name: n for name, n in languages.items() if name}
    total = sum(spoken.values())
    minor = {name: n for name, n in spoken.items() if n / total >= MIXED_SHARE and n != max(spoken.values())}
    if minor:
        listed = ", ".join(f"{name} {100 * n / total:.0f} %" for name, n in Counter(spoken).most_common(4))
        found.append(
            {
                "key": "health.languages",
                "severity": "info",
                "count": sum(minor.values()),
                "values": {"languages": listed},
            }
        )
    return found


def personal_data(text: str) -> list[str]:
    """The kinds of PERSONAL in a text."""
    return [kind for kind, pattern in PERSONAL.items() if _holds(pattern, kind, text)]


def _holds(pattern: re.Pattern[str], kind: str, text: str) -> bool:
    if kind == "email":
        return "@" in text and pattern.search(text) is not None
    if kind != "card":
        return pattern.search(text) is not None
    return any(passes_luhn(match.group()) for match in pattern.finditer(text))


def passes_luhn(number: str) -> bool:
    """The check digit rule of payment cards (ISO/IEC 7812-1)."""
    digits = [int(c) for c in number if c.isdigit()][::-1]
    total = sum(digits[0::2]) + sum(sum(divmod(2 * d, 10)) for d in digits[1::2])
    return total % 10 == 0


def kinds_of_row(rows: TaskRows, index: int, kinds_in: Callable[[str], list[str]]) -> list[str]:
    """What is found in one row: in each of its inputs and in its answer."""
    parts = rows.parts[index] if rows.parts else (rows.texts[index],)
    return list(dict.fromkeys(kind for text in (*parts, rows.answers[index]) for kind in kinds_in(text)))


def _searched(
    rows: TaskRows, indices: Sequence[int], kinds_in: Callable[[str], list[str]]
) -> tuple[Counter[str], list[Place]]:
    kinds: Counter[str] = Counter()
    places = []
    for i in indices:
        hit = kinds_of_row(rows, i, kinds_in)
        kinds.update(hit)
        if hit:
            places.append(rows.place(i))
    return kinds, places


def _fix_for_characters(kinds: Counter[str]) -> str:
    return "" if set(kinds) <= UNMENDABLE else "clean_characters"


# (finding, what is looked for in a text, the fix that mends what was found)
_SEARCHES: tuple[tuple[str, Callable[[str], list[str]], Callable[[Counter[str]], str]], ...] = (
    ("health.characters", character_faults, _fix_for_characters),
    ("health.personal", personal_data, lambda kinds: "mask_personal"),
)


def length_statistics(rows: TaskRows) -> dict[str, Any]:
    """Tokens of inputs and answers: median, 95th percentile, largest, histogram; and the languages."""
    indices = sample_indices(len(rows.texts))
    languages = Counter(language_of(rows.texts[i][:400]) or "unknown" for i in indices)
    some = indices[:: max(1, -(-len(indices) // MEASURED))]
    return {
        "input_tokens": _lengths(rows.count_tokens([rows.texts[i] for i in some])),
        "answer_tokens": _lengths(rows.count_tokens([rows.answers[i] for i in some])),
        "languages": dict(languages.most_common(6)),
    }


def _lengths(values: list[int]) -> dict[str, Any]:
    if not values:
        return {"median": 0, "p95": 0, "largest": 0, "histogram": []}
    values = sorted(values)
    high = values[min(len(values) - 1, int(0.99 * len(values)))]
    width = max(1, -(-(high + 1) // BINS))
    bins = Counter(min(v // width, BINS) for v in values)  # the last bin holds the longest hundredth
    return {
        "median": values[len(values) // 2],
        "p95": values[min(len(values) - 1, int(0.95 * len(values)))],
        "largest": values[-1],
        "histogram": [
            {"from": b * width, "to": (b + 1) * width - 1, "rows": bins[b]} for b in range(BINS + 1) if bins[b]
        ],
    }
