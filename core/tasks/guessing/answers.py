"""What the answers of a task look like: one of a few labels, several labels in one cell, marked items, parts of the
input."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.tasks.cell_text import (
    COMMAS,
    EMPTY_LIST,
    LISTED,
    MARKS,
    input_text,
    label_splitter,
    read_listed,
    target_text,
)
from core.tasks.guessing.comma_numbers import CommaNumbers, find_comma_numbers
from core.tasks.guessing.profile import ColumnProfile, num_words, sample_rows
from core.tasks.reading.column_words import word_set
from core.tasks.reading.table import Table

MAX_LABELS = 200
LOOKED_AT = 400
_PAIR = re.compile(r"^(?=[^:=：]*[^\W\d])[\w\s./()&'’-]{1,40}\s*[:=：]\s*\S")
_ITEMS = re.compile(r"\s*[;；|\n]\s*")
_LONG_ANSWER = 150  # characters; longer is running text with semicolons
_LONG_ITEM = 4  # words; items between commas that are longer are parts of sentences
_SHARED = 0.6  # of the items in answers of several: how many come back in another company
_NEAR = 0.7  # of the evidence that decides, from which cells may hold several
_ALONE = 0.3  # ... or stand alone elsewhere: "noise" beside "noise; smell"
_SEVERAL_WORDS = word_set(
    "labels tags intents categories topics keywords symptoms classes genres emotions themes aspects codes skills "
    "schlagworte etiquetas etichette категории метки 标签 タグ"
)


@dataclass(frozen=True)
class Answers:
    """The filled answers of some rows with what stands in their inputs; the last target column is looked at."""

    target: ColumnProfile
    num_targets: int
    num_rows: int
    answers: tuple[str, ...]
    sources: tuple[str, ...]

    @cached_property
    def marks(self) -> str:
        """What parts the labels of one cell: MARKS, COMMAS or LISTED; '' where a cell holds one."""
        return next((m for m in (LISTED, MARKS, COMMAS) if self.several[m] >= 1), "")

    @cached_property
    def several(self) -> dict[str, float]:
        """By what might part the labels of one cell: the evidence for several labels, 1 where it is enough."""
        found = {m: self._evidence_of_several(m) for m in (MARKS, COMMAS)}
        return {LISTED: float(self.are_listed), **found}

    @cached_property
    def are_listed(self) -> bool:
        """Lists as a program prints them: ['a', 'b']."""
        texts = [a for a in self.answers if a != EMPTY_LIST]
        return bool(texts) and sum(1 for a in texts if _is_listed(a)) > 0.6 * len(texts)

    @cached_property
    def are_in_ranks(self) -> bool:
        """Every cell has as many items, and none stands in two places: 'Sales, North' is one label as well."""
        split = label_splitter(self.marks or COMMAS)
        rows = [split(a) for a in self.answers]
        if len({len(row) for row in rows}) != 1 or len(rows[0]) < 2 or not self.are_labels:
            return False
        places = [set(column) for column in zip(*rows, strict=True)]
        return sum(map(len, places)) == len(set().union(*places))

    @cached_property
    def comma_numbers(self) -> CommaNumbers | None:
        """The cells with one comma between digits; None where cells with a comma are something else."""
        return find_comma_numbers(self.answers)

    @cached_property
    def is_named_several(self) -> bool:
        """A column called tags or topics says itself that a cell holds several."""
        return bool(set(self.target.words) & _SEVERAL_WORDS)

    @cached_property
    def are_decimals(self) -> bool:
        """Numbers with a decimal comma, as far as can be told (`may_be_codes`)."""
        numbers = self.comma_numbers
        return numbers is not None and (numbers.are_sure or (numbers.are_likely and not self.is_named_several))

    @cached_property
    def may_be_codes(self) -> bool:
        """Whether cells with one comma may be numbers and may be two codes: one digit behind it leaves that open
        always, more where codes would come back as labels do."""
        numbers = self.comma_numbers
        if numbers is None or numbers.are_sure:
            return False
        if numbers.width == 1:
            return True
        come_back = self.is_named_several or numbers.is_one_list(self.answers)
        return come_back and self._evidence_of_lists(COMMAS) >= _NEAR

    @cached_property
    def are_fractions(self) -> bool:
        """Most different answers are numbers with a decimal mark."""
        values = set(self.target.texts)
        return self.target.numeric > 0.9 and sum("," in v or "." in v for v in values) > 0.5 * len(values)

    def _evidence_of_several(self, marks: str) -> float:
        if _share(self.answers, lambda a: a[:1] in ("{", "<")) > 0.5:  # an object or mark-up, whatever is inside
            return 0.0
        return 0.0 if marks == COMMAS and self.are_decimals else self._evidence_of_lists(marks)

    def _evidence_of_lists(self, marks: str) -> float:
        split = label_splitter(marks)
        sets = [frozenset(split(a)) for a in self.answers]
        several = [s for s in sets if len(s) > 1]
        if len(several) < max(2, 0.03 * len(sets)):
            return 0.0
        items = Counter(i for s in sets for i in s)
        # Labels come back; parts of sentences between commas hardly do.
        if len(items) > MAX_LABELS or sum(items.values()) < 3 * len(items):
            return 0.0
        if marks == COMMAS and any(num_words(i) > _LONG_ITEM for i in items):
            return 0.0
        # Labels combine freely. Words of one fixed name ('Sales, North') are always seen in the same company.
        company: dict[str, set[frozenset[str]]] = {}
        for s in sets:
            for item in s:
                company.setdefault(item, set()).add(s)
        among = [item for s in several for item in s]
        shared = sum(1 for item in among if len(company[item]) > 1)
        alone = sum(1 for item in among if frozenset((item,)) in company[item])
        needed = _SHARED * 0.75 if self.is_named_several else _SHARED
        return max(shared / needed, alone / _ALONE) / max(1, len(among))

    @cached_property
    def are_labels(self) -> bool:
        """Few short values, each coming back several times."""
        p = self.target
        if p.num_distinct > MAX_LABELS or p.typical_words > 8 or not p.texts:
            return False
        few = p.num_distinct <= 5 and self.num_rows < 30 and self.repeats >= 1.5
        return self.repeats >= self.enough_repeats or few

    @property
    def repeats(self) -> float:
        """How often a value comes, on average."""
        return len(self.target.texts) / max(1, self.target.num_distinct)

    @property
    def enough_repeats(self) -> float:
        """`repeats` from which values are labels."""
        return 3.0 if self.num_rows < 100 else 4.0

    @cached_property
    def are_marked_items(self) -> bool:
        """'TYPE: name; TYPE: name' or 'slot=value; ...', with some answers empty or 'none'."""
        filled = [a for a in self.answers if a.lower() not in (EMPTY_LIST, "")]
        # Addresses have a colon too, but are no pairs.
        if len(filled) < 0.05 * len(self.answers) + 1 or _share(filled, _is_place) > 0.5:
            return False
        marked = sum(1 for a in filled if all(_PAIR.match(i) for i in _ITEMS.split(a) if i))
        pairs = [re.split(r"[:=：]", i) for a in filled for i in _ITEMS.split(a) if i]
        # Either side of the mark may be the type: 'PERSON: Anna' and 'Anna: PERSON'.
        few = min(len({p[side].strip() for p in pairs}) for side in (0, -1))  # the types, or what is said of names
        return marked > 0.85 * len(filled) and few <= max(10, len(filled) // 4)

    @cached_property
    def are_labels_with_pairs(self) -> bool:
        """Labels such as 'Billing: refund', 'prio=high': one pair each, and its value is no part of the text."""
        several = _share(self.answers, lambda a: sum(bool(i) for i in _ITEMS.split(a)) > 1)
        return self.are_labels and several < 0.02 and self.value_inside < 0.6

    @cached_property
    def are_items(self) -> bool:
        if self.target.lists > 0.5 or self.are_listed:
            return True
        if sorted(len(a) for a in self.answers)[len(self.answers) // 2] > _LONG_ANSWER:
            return False
        several = _share(self.answers, lambda a: sum(bool(i) for i in _ITEMS.split(a)) > 1)
        return several > 0.08 and any("; " in a or "；" in a for a in self.answers)

    @cached_property
    def are_few_items(self) -> bool:
        split = label_splitter(LISTED if self.are_listed else MARKS)
        items = Counter(i for a in self.answers for i in split(a))
        return len(items) <= min(MAX_LABELS, max(20, sum(items.values()) // 4))

    @cached_property
    def inside(self) -> float:
        """Share of answer items that stand word for word in the input."""
        split = label_splitter(LISTED) if self.are_listed else _ITEMS.split
        return share_inside(zip(self.answers, self.sources, strict=True), split)

    @cached_property
    def value_inside(self) -> float:
        """The same for what stands behind the mark of 'TYPE: value'."""
        return share_inside(zip(self.answers, self.sources, strict=True), _side_of_pair(-1))

    @cached_property
    def name_inside(self) -> float:
        return share_inside(zip(self.answers, self.sources, strict=True), _side_of_pair(0))


def look_at(inputs: Sequence[ColumnProfile], targets: Sequence[ColumnProfile], table: Table) -> Answers:
    rows = sample_rows(table, LOOKED_AT)
    answers = [" | ".join(target_text(r.get(t.name)) for t in targets) for r in rows]
    sources = ["\n".join(input_text(r.get(i.name)) for i in inputs) for r in rows]
    filled = [(a, s) for a, s in zip(answers, sources, strict=True) if a.strip(" |")]
    return Answers(
        targets[-1], len(targets), len(table.rows), tuple(a for a, _ in filled), tuple(s for _, s in filled)
    )


def share_inside(pairs: Iterable[tuple[str, str]], split: Callable[[str], Iterable[str]]) -> float:
    inside = total = 0
    for answer, source in pairs:
        lower = source.lower()
        for item in (i.strip().lower() for i in split(answer)):
            if item and item != EMPTY_LIST:
                total += 1
                # Up to three letters stand inside other words by chance ('no' in 'know').
                inside += item in lower and (len(item) > 3 or _stands_alone(item, lower))
    return inside / total if total else 0.0


def _stands_alone(item: str, text: str) -> bool:
    """A short word is not found inside others: 'no' is no part of 'know'. Scripts without blanks have no others."""
    if not item.isascii():
        return True
    return re.search(rf"(?<![^\W_]){re.escape(item)}(?![^\W_])", text) is not None


def _side_of_pair(side: int) -> Callable[[str], list[str]]:
    def split(answer: str) -> list[str]:
        return [re.split(r"[:=：]", i, maxsplit=1)[side] for i in _ITEMS.split(answer) if i]

    return split


def _is_listed(text: str) -> bool:
    return text[:1] in ("[", "{", "(") and read_listed(text) is not None


def _is_place(text: str) -> bool:
    return "://" in text and " " not in text


def _share(texts: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, texts)) / len(texts) if texts else 0.0
