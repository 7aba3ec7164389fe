"""Labels: how many of each, rare and unseen ones, names that look alike, three samples of each."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from core.evaluation.normalise import plain
from core.tasks.health.spelling import alike_labels, label_slips, shown_pairs
from core.tasks.spec import TaskSpec

RARE_ROWS = 5
LOPSIDED = 0.9  # share of practice rows with one and the same label
UNEVEN = 20.0  # largest label / smallest
NUM_SAMPLES = 3
SHOWN = 12
SHOWN_PLACES = 200
_SPLITTER = re.compile(r"\s*;\s*")

FindingFields = dict[str, Any]


def labels_of(spec: TaskSpec, answer: str) -> list[str]:
    if spec.kind == "multilabel":
        return [label for label in _SPLITTER.split(answer) if label]
    return [answer]


def has_labels(spec: TaskSpec) -> bool:
    return spec.kind in ("classification", "multilabel")


def label_findings(
    spec: TaskSpec, splits: Sequence[str], lines: Sequence[int], answers: Sequence[str]
) -> list[FindingFields]:
    """One label only, rare, unseen, uneven and look-alike ones, as the fields of findings."""
    if not has_labels(spec):
        return []
    counts: Counter[str] = Counter()
    everywhere: Counter[str] = Counter()
    exam_counts: Counter[str] = Counter()
    exam: dict[str, tuple[str, int]] = {}
    asked: set[str] = set()
    places: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for split, line, answer in zip(splits, lines, answers, strict=True):
        labels = labels_of(spec, answer)
        everywhere.update(labels)
        if split == "test":
            asked.update(labels)
            exam_counts.update(labels)
        for label in labels:
            if len(places[label]) < SHOWN_PLACES:
                places[label].append((split, line))
            if split == "train":
                counts[label] += 1
            else:
                exam.setdefault(label, (split, line))
    found = (
        _single(everywhere),
        _unseen(counts, exam),
        _rare(counts),
        _unasked(spec, splits.count("test"), counts, asked),
        (_lopsided(counts, exam_counts) if spec.kind == "classification" else None) or _uneven(counts),
        _alike(everywhere, places),
        _slips(everywhere),
    )
    return [finding for finding in found if finding is not None]


def _unseen(counts: Counter[str], exam: dict[str, tuple[str, int]]) -> FindingFields | None:
    known = {plain(label) for label in counts}  # as the exam compares: by case alone no label is another
    unseen = [label for label in exam if plain(label) not in known]
    if not unseen:
        return None
    places = tuple(exam[label] for label in unseen)
    return _finding("health.unseen_labels", "warning", len(unseen), labels=shown(unseen)) | {"places": places}


def _rare(counts: Counter[str]) -> FindingFields | None:
    rare = [label for label, n in counts.items() if n < RARE_ROWS]
    return (
        _finding("health.rare_labels", "warning", len(rare), labels=shown(rare), bound=RARE_ROWS) if rare else None
    )


def _unasked(spec: TaskSpec, exam: int, counts: Counter[str], asked: set[str]) -> FindingFields | None:
    """Labels that the exam says nothing about, though practice has rows enough to learn them. Another split is
    advised only where the exam is drawn, and has a row for each label."""
    known = {plain(label) for label in asked}
    missing = [label for label, n in counts.most_common() if n >= RARE_ROWS and plain(label) not in known]
    if not asked or not missing:
        return None
    key = "health.unasked_labels"
    if spec.source.test_file or spec.split.method == "column":
        key = "health.unasked_labels_own"
    elif spec.split.method != "random" or exam < len(counts):
        key = "health.unasked_labels_few"
    return _finding(key, "warning", len(missing), labels=shown(missing))


def _uneven(counts: Counter[str]) -> FindingFields | None:
    if len(counts) < 2 or max(counts.values()) <= UNEVEN * min(counts.values()):
        return None
    (most, high), (least, low) = counts.most_common(1)[0], counts.most_common()[-1]
    return _finding("health.uneven_labels", "info", len(counts), most=most, high=high, least=least, low=low)


def _lopsided(counts: Counter[str], exam: Counter[str]) -> FindingFields | None:
    """One label for nearly all rows: whoever always says it scores as high, and the others hardly count."""
    if len(counts) < 2 or counts.most_common(1)[0][1] < LOPSIDED * counts.total():
        return None
    most, high = counts.most_common(1)[0]
    share, others = round(100 * high / counts.total()), sum(n for label, n in exam.items() if label != most)
    values = {"most": most, "share": share, "rows": counts.total() - high, "asked": others}
    return _finding("health.lopsided_labels", "warning", high, **values)


def _alike(everywhere: Counter[str], places: Mapping[str, list[tuple[str, int]]]) -> FindingFields | None:
    """Its places are the rows that are spelled the rarer way: what the fix will change."""
    alike = alike_labels(everywhere)
    if not alike:
        return None
    found = _finding("health.alike_labels", "warning", len(alike), pairs=shown_pairs(alike, SHOWN))
    rarer = [place for label, _ in alike for place in places[label]]
    return found | {"fix": "merge_labels", "places": tuple(rarer[:SHOWN_PLACES])}


def _slips(everywhere: Counter[str]) -> FindingFields | None:
    slips = label_slips(everywhere)
    return _finding("health.label_slips", "info", len(slips), pairs=shown_pairs(slips, SHOWN)) if slips else None


def _single(everywhere: Counter[str]) -> FindingFields | None:
    if len(everywhere) != 1:
        return None
    (label, count), *_ = everywhere.items()
    return _finding("health.single_label", "warning", count, label=label)


def _finding(key: str, severity: str, count: int, **values: Any) -> FindingFields:
    return {"key": key, "severity": severity, "count": count, "values": values}


def shown(labels: Sequence[str]) -> str:
    text = ", ".join(labels[:SHOWN])
    return f"{text}, ..." if len(labels) > SHOWN else text


def label_statistics(
    spec: TaskSpec, splits: Sequence[str], texts: Sequence[str], answers: Sequence[str]
) -> list[dict[str, Any]]:
    """Per label: rows in each split and three sample inputs of training, the commonest label first."""
    if not has_labels(spec):
        return []
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    samples: defaultdict[str, list[str]] = defaultdict(list)
    for split, text, answer in zip(splits, texts, answers, strict=True):
        for label in labels_of(spec, answer):
            counts[label][split] += 1
            if split == "train" and len(samples[label]) < NUM_SAMPLES:
                samples[label].append(text[:300])
    order = sorted(counts, key=lambda label: -sum(counts[label].values()))
    return [
        {
            "label": label,
            **{s: counts[label][s] for s in ("train", "validation", "test")},
            "samples": samples[label],
        }
        for label in order
    ]
