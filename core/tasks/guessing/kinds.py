"""What kind of problem a task is, and the metric that suits it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from core.tasks.cell_text import EMPTY_LIST, input_text, target_text
from core.tasks.guessing.profile import ColumnProfile, sample_rows
from core.tasks.reading.column_words import ASKING_WORDS
from core.tasks.reading.scripts import is_mostly_cjk
from core.tasks.reading.table import Table

KINDS = ("classification", "multilabel", "extraction", "question_answering", "generation", "number")
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
MAX_LABELS = 200
_ITEMS = re.compile(r"\s*[;；|\n]\s*")
_PAIR = re.compile(r"^[^:=：]{1,40}\s*[:=：]\s*\S")
_LOOK_AT = 400
_LONG_ANSWER = 150  # characters; longer is running text with semicolons
_UNEVEN = 8.0  # largest / smallest label from which accuracy hides the small ones


def guess_kind(inputs: list[ColumnProfile], targets: list[ColumnProfile], table: Table) -> str:
    """One of KINDS, from the answers and how they lie in the inputs."""
    rows = sample_rows(table, _LOOK_AT)
    answers = [" | ".join(target_text(r.get(t.name)) for t in targets) for r in rows]
    sources = ["\n".join(input_text(r.get(i.name)) for i in inputs) for r in rows]
    filled = [(a, s) for a, s in zip(answers, sources, strict=True) if a.strip(" |")]
    target = targets[-1]
    if not filled:
        return "generation"
    if len(targets) > 1 or _are_marked_items([a for a, _ in filled]):
        return "extraction"
    if target.lists > 0.5 or _are_items([a for a, _ in filled]):
        asks = len(inputs) > 1 and any(ASKING_WORDS & set(i.words) for i in inputs)
        if _share_inside(filled) > 0.6:
            return "question_answering" if asks else "extraction"
        return _items_kind([a for a, _ in filled])
    if is_label_column(target, len(table.rows)):
        return "classification"
    if target.numeric > 0.9:
        return "number"
    if _share_inside(filled) > 0.6 and target.typical_words <= 25:
        return "question_answering" if len(inputs) > 1 else "extraction"
    return "generation"


def is_label_column(p: ColumnProfile, num_rows: int) -> bool:
    """Few short values, each coming back several times."""
    if p.num_distinct > MAX_LABELS or p.typical_words > 8:
        return False
    repeats = len(p.texts) / max(1, p.num_distinct)
    needed = 3.0 if num_rows < 100 else 4.0
    return repeats >= needed or (p.num_distinct <= 5 and num_rows < 30 and repeats >= 1.5)


def _are_marked_items(answers: list[str]) -> bool:
    """'TYPE: name; TYPE: name' or 'slot=value; ...', with some answers empty or 'none'."""
    filled = [a for a in answers if a.lower() not in (EMPTY_LIST, "")]
    if len(filled) < 0.05 * len(answers) + 1:
        return False
    marked = sum(1 for a in filled if all(_PAIR.match(i) for i in _ITEMS.split(a) if i))
    keys = Counter(re.split(r"[:=：]", i)[0].strip() for a in filled for i in _ITEMS.split(a) if i)
    return marked > 0.85 * len(filled) and len(keys) <= max(10, len(filled) // 4)


def _are_items(answers: list[str]) -> bool:
    if sorted(len(a) for a in answers)[len(answers) // 2] > _LONG_ANSWER:
        return False
    several = sum(1 for a in answers if len([i for i in _ITEMS.split(a) if i]) > 1)
    return several > 0.08 * len(answers) and any("; " in a or "；" in a for a in answers)


def _items_kind(answers: list[str]) -> str:
    items = Counter(i.strip() for a in answers for i in _ITEMS.split(a) if i.strip())
    total = sum(items.values())
    few = len(items) <= max(20, total // 4)
    return "multilabel" if few and len(items) <= MAX_LABELS else "extraction"


def _share_inside(pairs: list[tuple[str, str]]) -> float:
    """Share of answer items that stand word for word in the input."""
    inside = total = 0
    for answer, source in pairs:
        lower = source.lower()
        for item in (i.strip().lower() for i in _ITEMS.split(answer)):
            if item and item != EMPTY_LIST:
                total += 1
                inside += item in lower
    return inside / total if total else 0.0


def guess_metric(kind: str, inputs: list[ColumnProfile], targets: list[ColumnProfile]) -> str:
    """One of METRICS."""
    target = targets[-1]
    cjk = is_mostly_cjk(" ".join(target.texts[:100]))
    if kind == "classification":
        counts = Counter(target.texts).values()
        return "macro_f1" if max(counts) > _UNEVEN * min(counts) and len(counts) > 2 else "accuracy"
    if kind == "extraction":
        if len(targets) > 1 or "acts" in target.words:
            return "exact_match"
        named = {w for p in (*inputs, *targets) for w in p.words}
        return "slot_f1" if named & {"slot", "slots"} else "entity_f1"
    if kind == "question_answering":
        return "character_f1" if cjk else "token_f1"
    return {"multilabel": "micro_f1", "number": "number_match"}.get(kind, "rouge_l")


_KIND_NAMES = {
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
