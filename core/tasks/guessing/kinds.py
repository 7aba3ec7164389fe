"""What kind of problem a task is, and the metric that suits it: ordered tables whose first rule that holds wins."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from core.tasks.cell_text import LISTED, MARKS
from core.tasks.guessing.answers import Answers, look_at
from core.tasks.guessing.languages import is_translation
from core.tasks.guessing.profile import MEASURES, ColumnProfile
from core.tasks.reading.column_words import ASKING_WORDS, word_set
from core.tasks.reading.scripts import is_mostly_cjk
from core.tasks.reading.table import Table

KINDS = ("classification", "multilabel", "extraction", "question_answering", "generation", "number")
WORDS = {"multilabel": "several labels", "question_answering": "question answering", "generation": "free text"}
METRICS = (
    "accuracy",
    "macro_f1",
    "micro_f1",
    "exact_match",
    "token_f1",
    "character_f1",
    "entity_f1",
    "slot_f1",
    "rouge_l",
    "number_match",
    "bleu",
    "chrf",
)
_INSIDE = 0.6
_TAGS = re.compile(
    r"<(?P<tag>\w{1,20})>(?P<a>[^<>]{1,80})</(?P=tag)>"
    r"|(?:\[\[|\{\{|[\[{<])\s?[^\W\d_][\w-]{0,20}[\s:|=]+"
    r"(?P<b>[^\[\]{}<>]{1,80}?)\s?(?:\]\]|\}\}|[\]}>])"
)
_UNEVEN = 8.0  # largest / smallest label from which accuracy hides the small ones
_UNEVEN_MANY = 2.5  # the same with more than three labels
_MANY_NUMBERS = 20  # different numbers from which they are amounts rather than grades
LABEL_NAMES = word_set("label labels class classes category intent target y 标签 类别")
AMOUNT_NAMES = MEASURES | {"score", "value"}

Columns = Sequence[ColumnProfile]


def _asks(inputs: Columns) -> bool:
    return len(inputs) > 1 and any(ASKING_WORDS & set(i.words) for i in inputs)


def _are_amounts(a: Answers) -> bool:
    """Numbers that measure: too many different ones for grades, and no codes of classes counted from 0 or 1."""
    if a.target.numeric <= 0.9 or not a.are_labels:
        return a.target.numeric > 0.9
    values = set(a.target.texts)
    if len(values) <= _MANY_NUMBERS:
        return False
    words = set(a.target.words)
    counted = all(v.isdecimal() for v in values) and len(values) > 0.9 * (max(map(int, values)) + 1)
    return bool(words & AMOUNT_NAMES) or not (counted or words & LABEL_NAMES)


# (kind, whether it holds for the answers and the columns of the inputs)
_KIND_RULES: tuple[tuple[str, Callable[[Answers, Columns], bool]], ...] = (
    ("generation", lambda a, i: not a.answers),
    ("extraction", lambda a, i: a.num_targets > 1),
    ("question_answering", lambda a, i: a.are_items and a.inside > _INSIDE and _asks(i)),
    ("extraction", lambda a, i: a.are_marked_items and not a.are_labels_with_pairs),
    ("extraction", lambda a, i: a.are_items and a.inside > _INSIDE),
    ("multilabel", lambda a, i: a.marks in (MARKS, ",")),
    ("multilabel", lambda a, i: (a.target.lists > 0.5 or a.marks == LISTED) and a.are_few_items),
    ("number", lambda a, i: _are_amounts(a)),
    ("classification", lambda a, i: a.are_labels),
    ("extraction", lambda a, i: a.are_items),
    ("question_answering", lambda a, i: a.inside > _INSIDE and a.target.typical_words <= 25 and len(i) > 1),
    ("extraction", lambda a, i: a.inside > _INSIDE and a.target.typical_words <= 25),
    ("generation", lambda a, i: True),
)


def guess_kind(inputs: Columns, targets: Columns, table: Table) -> tuple[str, Answers]:
    """One of KINDS, from the answers and how they lie in the inputs; and what was looked at."""
    answers = look_at(inputs, targets, table)
    return next(kind for kind, holds in _KIND_RULES if holds(answers, inputs)), answers


def _is_uneven(a: Answers) -> bool:
    counts = Counter(a.target.texts).values()
    if len(counts) <= 2 or _is_graded(a):
        return False
    return max(counts) > (_UNEVEN if len(counts) <= 3 else _UNEVEN_MANY) * min(counts)


def _is_graded(a: Answers) -> bool:
    """Fractions between two ends, such as the share of raters: near misses are near."""
    return a.target.numeric > 0.9 and any("." in t.rstrip("0").rstrip(".") for t in set(a.target.texts))


def _is_short(a: Answers) -> bool:
    return a.target.typical_words <= 2 or a.target.numeric > 0.5 or a.target.dated > 0.5


def _has_few_letters(a: Answers) -> bool:
    """Formulas, emoji, signs: what a score of words cannot see."""
    text = "".join(a.answers[:100])
    return sum(c.isalpha() for c in text) < 0.2 * len(text)


def _has_pairs(a: Answers) -> bool:
    return a.are_marked_items


def _named(a: Answers, inputs: Columns) -> set[str]:
    return {w for p in (*inputs, a.target) for w in p.words}


def _is_cjk(a: Answers) -> bool:
    return is_mostly_cjk(" ".join(a.target.texts[:100]))


# (kind it is for, metric, whether it holds)
_METRIC_RULES: tuple[tuple[str, str, Callable[[Answers, Columns], bool]], ...] = (
    ("classification", "macro_f1", lambda a, i: _is_uneven(a)),
    ("classification", "accuracy", lambda a, i: True),
    ("multilabel", "micro_f1", lambda a, i: True),
    ("number", "number_match", lambda a, i: True),
    ("extraction", "exact_match", lambda a, i: a.num_targets > 1 or "acts" in a.target.words),
    ("extraction", "slot_f1", lambda a, i: bool(_named(a, i) & {"slot", "slots"})),
    ("extraction", "token_f1", lambda a, i: _has_pairs(a) and a.name_inside > _INSIDE > a.value_inside),
    ("extraction", "entity_f1", lambda a, i: _has_pairs(a) or a.are_items),
    ("extraction", "exact_match", lambda a, i: _is_short(a)),
    ("extraction", "character_f1", lambda a, i: _is_cjk(a)),
    ("extraction", "token_f1", lambda a, i: True),
    ("question_answering", "character_f1", lambda a, i: _is_cjk(a)),
    ("question_answering", "token_f1", lambda a, i: True),
    ("generation", "exact_match", lambda a, i: bool(a.answers) and _has_few_letters(a)),
    ("generation", "chrf", lambda a, i: is_translation(i, a)),
    ("generation", "rouge_l", lambda a, i: True),
)


def are_tagged(a: Answers) -> bool:
    """Answers that repeat what is read with marks around parts: 'Stop [[DRUG ibuprofen]]', '<PER>Tom</PER>'."""
    pairs = [(x, s) for x, s in zip(a.answers, a.sources, strict=True) if _TAGS.search(x)]
    whole = sum(_bare(_TAGS.sub(lambda m: m["a"] or m["b"], x)) in _bare(s) for x, s in pairs)
    return len(pairs) > 0.2 * len(a.answers) and whole > 0.8 * len(pairs)


def _bare(text: str) -> str:
    return "".join(text.split())


def guess_metric(kind: str, inputs: Columns, answers: Answers) -> str:
    """One of METRICS."""
    return next(metric for of, metric, holds in _METRIC_RULES if of == kind and holds(answers, inputs))


_KIND_NAMES = {
    "several_labels": "multilabel",
    "free_text": "generation",
    "passage_qa": "question_answering",
    "qa": "question_answering",
    "intent_and_slots": "extraction",
    "ner": "extraction",
    "slot_filling": "extraction",
    "summarization": "generation",
    "summarisation": "generation",
    "rewriting": "generation",
    "translation": "generation",
    "numeric_reasoning": "generation",
    "regression": "number",
    "multilabel_classification": "multilabel",
}


def kind_word(kind: str) -> str:
    """A kind of KINDS in the words of the screens; `kind_from_hint` reads them back."""
    return WORDS.get(kind, kind)


def kind_from_hint(text: Any) -> str | None:
    """A kind as people write it ('passage_qa', 'ordinal classification') as one of KINDS; None when unknown."""
    name = re.sub(r"[\s-]+", "_", str(text or "").strip().lower())
    if name in KINDS:
        return name
    if name in _KIND_NAMES:
        return _KIND_NAMES[name]
    return "classification" if name.endswith("classification") else None


def metric_from_hint(text: Any) -> str | None:
    """A metric as people write it ('ROUGE-L (characters)', 'macro-F1') as one of METRICS; None when unknown."""
    name = re.sub(r"\(.*?\)", "", str(text or "")).strip().lower()
    name = re.sub(r"[\s-]+", "_", name)
    alias = {"rouge": "rouge_l", "em": "exact_match", "f1": "token_f1", "character_f1": "character_f1"}
    name = alias.get(name, name)
    return name if name in METRICS else None
