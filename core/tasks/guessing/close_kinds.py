"""Which other kind of task comes close: labels or free text, one label or several, grades or amounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.tasks.cell_text import COMMAS, MARKS
from core.tasks.guessing.answers import MAX_LABELS, Answers
from core.tasks.guessing.kinds import AMOUNT_NAMES, LABEL_NAMES

_SEVERAL_NEAR = (0.7, 1.25)  # of the evidence that decides
_SOME_REPEATS, _NAMED_REPEATS = 1.5, 1.25
_SENTENCE, _SHORT = 4.0, 8.0  # words: a label that is as long may be a canned reply
_FEW_REPLIES = 20
_GRADES = (10, 40)  # different whole numbers that are neither clearly grades nor clearly amounts
_FRACTIONS = 6  # different numbers of which most have a decimal mark: 1,5 to 4,0 may be marks or measures
_STOPS, _CLOSING = (".", "!", "?", "。", "！", "？", "।", "؟", "…"), " \"'”’」』)）"
_MOST = 0.5
_SHARE = 0.6


@dataclass(frozen=True)
class KindReading:
    """The other kind, what the question is about (see `Doubt`), and how likely the kind is that was taken."""

    kind: str
    about: str
    share: float = _SHARE


def find_close_kind(kind: str, a: Answers) -> KindReading | None:
    """The kind that a task may be as well; None where the guess is sure."""
    if a.num_targets > 1 or not a.answers or a.target.num_distinct < 2:
        return None
    return next((found for rule in _RULES if (found := rule(kind, a))), None)


def best_marks(a: Answers) -> str:
    """What parts several labels of a cell, if there are several."""
    return a.marks or (COMMAS if a.may_be_codes or a.several[COMMAS] > a.several[MARKS] else MARKS)


def _one_or_several(kind: str, a: Answers) -> KindReading | None:
    evidence = max(a.several.values())
    low, high = _SEVERAL_NEAR
    if a.may_be_codes and (kind != "multilabel" or a.marks == COMMAS):
        return KindReading("number" if kind == "multilabel" else "multilabel", "kind_several")
    if kind == "multilabel" and a.marks in (MARKS, COMMAS) and (evidence < high or a.are_in_ranks):
        return KindReading("classification", "kind_several")
    if kind in ("classification", "generation") and low <= evidence < 1:
        return KindReading("multilabel", "kind_several")
    return None


def _labels_or_text(kind: str, a: Answers) -> KindReading | None:
    p, named = a.target, bool(set(a.target.words) & LABEL_NAMES)
    if kind == "generation":
        some = _NAMED_REPEATS if named else _SOME_REPEATS
        short = p.typical_words <= _SHORT and some <= a.repeats and p.num_distinct <= MAX_LABELS
        canned = p.typical_words > _SHORT and p.num_distinct <= _FEW_REPLIES and a.repeats > 2 * a.enough_repeats
        return KindReading("classification", "kind_labels") if short or canned else None
    long = kind == "classification" and p.typical_words >= _SENTENCE and not named
    unsure = a.repeats < 2 * a.enough_repeats or _are_sentences(p.texts)
    return KindReading("generation", "kind_labels") if long and unsure else None


def _are_sentences(texts: Sequence[str]) -> bool:
    """Most of the different answers end as a sentence does: canned replies, however often they come back."""
    values = {text.rstrip(_CLOSING) for text in texts}
    return sum(value[-1:] in _STOPS for value in values) > _MOST * len(values)


def _grades_or_amounts(kind: str, a: Answers) -> KindReading | None:
    if kind not in ("number", "classification") or a.target.numeric <= 0.9 or not a.are_labels:
        return None
    least = _FRACTIONS if a.are_fractions else _GRADES[0] + 1
    if set(a.target.words) & (LABEL_NAMES | AMOUNT_NAMES) or not least <= a.target.num_distinct <= _GRADES[1]:
        return None
    return KindReading("classification" if kind == "number" else "number", "kind_number")


_RULES: tuple[Callable[[str, Answers], KindReading | None], ...] = (
    _one_or_several,
    _labels_or_text,
    _grades_or_amounts,
)
