"""Which columns are read: all that an ordered table of reasons does not leave out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.tasks.guessing.candidates import NAMED, input_word_score, target_word_score
from core.tasks.guessing.profile import ColumnProfile, num_words
from core.tasks.reading.column_words import ASKING_WORDS

Reasons = list[tuple[str, dict[str, str]]]
_RUNNING_TEXT, _SENTENCE = 12.0, 5.0  # words
_FEW = 0.25  # different values of all, from which a short column is a heading over several rows
_INSIDE = 0.95


@dataclass(frozen=True)
class _Column:
    p: ColumnProfile
    is_wanted: bool  # its name says that it is read
    tells_of_answer: bool
    asks: bool  # the answer is a question: then an answer is an input


# (reason, whether it holds); the first that holds leaves the column out
_LEFT_OUT: tuple[tuple[str, Callable[[_Column], bool]], ...] = (
    ("guess.other_answer", lambda c: c.tells_of_answer),
    ("guess.constant", lambda c: c.p.filled < 0.05 or c.p.is_constant),
    ("guess.identifier", lambda c: c.p.is_numbering and not c.is_wanted),
    ("guess.date", lambda c: c.p.dated > 0.8 and not c.is_wanted),
    ("guess.about_row", lambda c: c.p.is_named_id and _says_little(c.p) and not c.is_wanted),
    ("guess.side", lambda c: c.p.is_side and not c.is_wanted),
    ("guess.other_answer", lambda c: _is_named_answer(c.p) and not c.is_wanted and not c.asks),
    ("guess.repeated", lambda c: c.p.is_repeated and not c.is_wanted),
    ("guess.repeated", lambda c: c.p.typical_words <= 4 and c.p.distinct <= _FEW and not c.is_wanted),
    ("guess.keywords", lambda c: _are_keywords(c.p) and not c.is_wanted),
)


def guess_inputs(profiles: Sequence[ColumnProfile], targets: tuple[str, ...], reasons: Reasons) -> tuple[str, ...]:
    answers = [p for p in profiles if p.name in targets]
    asks = any(set(p.words) & ASKING_WORDS for p in answers)
    rest = [p for p in profiles if p.name not in targets]
    columns = [_Column(p, input_word_score(p) >= NAMED, _tells_of(p, answers), asks) for p in rest]
    why = [next((reason for reason, holds in _LEFT_OUT if holds(c)), None) for c in columns]
    left_out = [(reason, p) for reason, p in zip(why, rest, strict=True) if reason]
    chosen = [p for reason, p in zip(why, rest, strict=True) if not reason]
    if not any(p.typical_words >= _SENTENCE or input_word_score(p) >= NAMED for p in chosen):
        # Nothing to read so far: then the text named like an answer is what the label is about.
        long = [p for reason, p in left_out if reason == "guess.other_answer" and p.typical_words >= _RUNNING_TEXT]
        chosen = [p for p in rest if p in chosen or p in long[:1]]
    reasons += [(reason, {"column": p.name}) for reason, p in left_out if p not in chosen]
    kept = [p for p in chosen if asks or not _is_part_of_another(p, chosen)]
    reasons += [("guess.part_of_other", {"column": p.name}) for p in chosen if p not in kept]
    if not kept:
        readable = [p for p in rest if not p.is_constant and not p.is_numbering]
        kept = (
            [max(readable, key=lambda p: p.typical_words)] if readable else [p for p in rest if p.is_constant][:1]
        )
    return tuple(p.name for p in kept)


def _tells_of(p: ColumnProfile, answers: Sequence[ColumnProfile]) -> bool:
    return any(a.words and len(p.words) > len(a.words) and p.words[: len(a.words)] == a.words for a in answers)


def _is_named_answer(p: ColumnProfile) -> bool:
    return target_word_score(p) >= NAMED or p.words[:1] in (("answer",), ("long",), ("label",))


def _says_little(p: ColumnProfile) -> bool:
    return p.typical_words <= 2 or p.dated > 0.8 or (p.distinct > 0.9 and p.spaced < 0.3)


def _are_keywords(p: ColumnProfile) -> bool:
    """A list of index terms, several a row: what librarians add, not what is read."""
    if p.lists < 0.5 or p.typical_words < 8:
        return False
    items = [item for text in p.texts[:100] for item in text.split("; ")]
    return sum(num_words(item) <= 4 for item in items) > 0.9 * len(items)


def _is_part_of_another(p: ColumnProfile, chosen: Sequence[ColumnProfile]) -> bool:
    """A short column whose text stands inside a longer one tells nothing new ('focus' inside 'question')."""
    if input_word_score(p) >= NAMED or p.filled < 0.98:
        return False
    for other in chosen:
        if other is p or len(other.texts) != len(p.texts) or other.typical_chars <= p.typical_chars:
            continue
        inside = sum(1 for a, b in zip(p.texts, other.texts, strict=True) if a.lower() in b.lower())
        if inside >= _INSIDE * len(p.texts):
            return True
    return False
