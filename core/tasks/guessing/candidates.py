"""Which column is the answer: every column is scored by an ordered table of rules; the scores are kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.tasks.guessing.profile import STRICT_ID_WORDS, ColumnProfile
from core.tasks.reading.column_words import ASKING_WORDS, ATTRIBUTE_WORDS, INPUT_WORDS, TARGET_WORDS

NAMED = 3.0  # from here a name alone says what a column is
_ANSWER_NAMES = frozenset(
    ("answer", "答案", "回答", "antwort", "reponse", "respuesta", "risposta", "resposta", "ответ")
)
_ASKED = (  # names that come together: what is asked, and what is answered
    (ASKING_WORDS, _ANSWER_NAMES | {"answers"}),
    (frozenset(("user", "human", "prompt")), frozenset(("assistant", "gpt", "bot", "completion", "response"))),
    (frozenset(("instruction", "input", "inputs")), frozenset(("output", "outputs", "response", "completion"))),
)
_INSIDE = 0.6
_LOOKED_AT = 100


@dataclass(frozen=True)
class Candidate:
    """A column that may be the answer, as the rules see it."""

    p: ColumnProfile
    is_last: bool
    is_attribute: bool  # of another column: 'answer_type' beside 'answer'
    is_inside: bool  # its values stand in another column's texts
    is_only_text: bool  # nothing else is there to be read
    is_beside_labels: bool  # another column repeats few values
    asks_last: bool  # text, answer, question in this order: the question is to be written
    has_asker: bool  # 'answer' beside 'question', 'output' beside 'instruction'


# (what holds of the column, points); names are weighed by `named_points`
_RULES: tuple[tuple[Callable[[Candidate], bool], float], ...] = (
    (lambda c: c.is_last, 3.0),
    (lambda c: c.p.is_repeated, 3.5),
    (lambda c: c.p.numeric > 0.9 and not c.p.is_repeated and not c.p.is_numbering, 1.0),
    (lambda c: c.asks_last, 6.0),
    (lambda c: c.has_asker, 1.5),
    (lambda c: c.is_only_text, -3.0),
    (lambda c: c.is_only_text and c.is_beside_labels, -3.0),
    (lambda c: c.p.typical_words > 40, -1.5),
    (lambda c: c.p.filled < 0.8, -2.0),
    (lambda c: c.p.filled < 0.5, -4.0),
    (lambda c: c.p.is_constant and target_word_score(c.p) < NAMED, -3.0),
    (lambda c: c.p.is_numbering and not c.is_inside, -8.0),
    (lambda c: _is_soft_id(c) and not c.p.is_repeated, -4.0),
    (lambda c: _is_soft_id(c) and c.p.is_repeated, -3.5),
    (lambda c: c.p.dated > 0.8 and not c.p.is_named_id and not c.is_inside, -3.5),
    (lambda c: c.p.is_side and target_word_score(c.p) < NAMED, -4.0),
    (lambda c: c.is_attribute, -6.0),
)


def score_candidates(profiles: Sequence[ColumnProfile]) -> list[tuple[float, ColumnProfile]]:
    """Every column with its score, the best first; of equals the later column."""
    plain = [Candidate(p, False, _tells(p, profiles), _stands_inside(p, profiles), *[False] * 4) for p in profiles]
    said = any(target_word_score(p) > NAMED for p in profiles)
    texts = [p for p in profiles if p.is_running_text and not p.is_numbering]
    usable = [c.p for c in plain if _can_be_last(c)]
    if not [
        p for p in usable if texts != [p]
    ]:  # the only text is to be read, even beside a single value or a source
        beside = [c.p for c in plain if c.p not in texts and c.p.filled >= 0.5 and not c.p.is_numbering]
        usable = [p for p in beside if p.is_repeated or p.is_constant] or usable
    usable = usable or [profiles[-1]]
    # Beside a column named as the answer, one named as an input gains nothing from its place.
    last = next((p for p in reversed(usable) if not (said and input_word_score(p) >= NAMED)), usable[-1])
    found = []
    for number, c in enumerate(plain):
        candidate = Candidate(
            c.p,
            c.p is last,
            c.is_attribute,
            c.is_inside,
            texts == [c.p] and target_word_score(c.p) < NAMED,
            any(p.is_repeated or p.is_constant for p in profiles if p is not c.p),
            c.p is last and _asks_after_answer(c.p, profiles),
            _has_asker(c.p, profiles),
        )
        points = named_points(c.p) + sum(worth for holds, worth in _RULES if holds(candidate))
        found.append((points, number, c.p))
    return [(points, p) for points, _, p in sorted(found, key=lambda f: f[:2], reverse=True)]


def can_answer(p: ColumnProfile, profiles: Sequence[ColumnProfile]) -> bool:
    """Whether it makes a second reading worth asking about."""
    inside = _stands_inside(p, profiles)
    hidden = p.is_numbering and not inside
    return not (hidden or p.is_side or _tells(p, profiles) or p.filled < 0.5 or p.is_constant)


def named_points(p: ColumnProfile) -> float:
    return target_word_score(p) - 0.8 * input_word_score(p)


def target_word_score(p: ColumnProfile) -> float:
    """Best target word of the name; a qualified one (answer_type, answer_from) speaks of the answer, not as it."""
    best = max((TARGET_WORDS.get(w, 0.0) for w in p.words), default=0.0)
    if len(p.words) > 1 and p.words[-1] in ATTRIBUTE_WORDS and p.words[0] in TARGET_WORDS:
        return best - 6.0
    return best - 3.0 if p.words[:1] == ("long",) else best


def input_word_score(p: ColumnProfile) -> float:
    if len(p.words) > 1 and TARGET_WORDS.get(p.words[0], 0.0) >= 4:  # answers.text is the answer
        return 0.0
    if p.words[-1:] and p.words[-1] in STRICT_ID_WORDS:  # user_id is no user
        return 0.0
    return max((INPUT_WORDS.get(w, 0.0) for w in p.words), default=0.0)


def _is_soft_id(c: Candidate) -> bool:
    return c.p.is_named_id and not c.is_inside and target_word_score(c.p) < NAMED


def _can_be_last(c: Candidate) -> bool:
    said = c.p.is_constant and target_word_score(c.p) < NAMED
    hidden = c.p.is_numbering and not c.is_inside
    return not (hidden or c.is_attribute or c.p.is_side or c.p.filled < 0.5 or said)


def _tells(p: ColumnProfile, profiles: Sequence[ColumnProfile]) -> bool:
    """'answer_type' beside 'answer' describes that column; it is neither an answer of its own nor an input."""
    return any(o.words and len(p.words) > len(o.words) and p.words[: len(o.words)] == o.words for o in profiles)


def _stands_inside(p: ColumnProfile, profiles: Sequence[ColumnProfile]) -> bool:
    """Short values found word for word in one of the longer columns, row by row."""
    if p.typical_words > 8 or not p.texts:
        return False
    for other in profiles:
        if other is p or other.typical_chars <= p.typical_chars or len(other.texts) != len(p.texts):
            continue
        pairs = list(zip(p.texts, other.texts, strict=True))[:_LOOKED_AT]
        if sum(1 for a, b in pairs if _holds(b.lower(), a.lower())) > _INSIDE * len(pairs):
            return True
    return False


def _holds(text: str, part: str) -> bool:
    """Whether a text has a part; a number as a whole: 1 is no part of 100."""
    return part in text and (not part.isdecimal() or re.search(rf"(?<!\d){part}(?!\d)", text) is not None)


def _has_asker(p: ColumnProfile, profiles: Sequence[ColumnProfile]) -> bool:
    """Named as the answer and nothing else, behind a column named as what is asked."""
    before = profiles[: profiles.index(p)]
    return any(set(p.words) <= answers and askers & set(o.words) for askers, answers in _ASKED for o in before)


def _asks_after_answer(last: ColumnProfile, profiles: Sequence[ColumnProfile]) -> bool:
    answers = [p for p in profiles if p is not last and _ANSWER_NAMES & set(p.words)]
    return len(profiles) > 2 and bool(answers and ASKING_WORDS & set(last.words)) and not last.is_repeated
