"""Labels: how many of each, rare and unseen ones, names that look alike, three samples of each."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from core.tasks.spec import TaskSpec

RARE_ROWS = 5
UNEVEN = 20.0  # largest label / smallest
NUM_SAMPLES = 3
SHOWN = 12
MAX_COMPARED = 400
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
    """Rare, unseen, uneven and look-alike labels, as the fields of findings."""
    if not has_labels(spec):
        return []
    counts: Counter[str] = Counter()
    exam: dict[str, tuple[str, int]] = {}
    for split, line, answer in zip(splits, lines, answers, strict=True):
        for label in labels_of(spec, answer):
            if split == "train":
                counts[label] += 1
            else:
                exam.setdefault(label, (split, line))
    found = (_unseen(counts, exam), _rare(counts), _uneven(counts), _alike(counts))
    return [finding for finding in found if finding is not None]


def _unseen(counts: Counter[str], exam: dict[str, tuple[str, int]]) -> FindingFields | None:
    unseen = [label for label in exam if label not in counts]
    if not unseen:
        return None
    places = tuple(exam[label] for label in unseen)
    return _finding("health.unseen_labels", "warning", len(unseen), labels=shown(unseen)) | {"places": places}


def _rare(counts: Counter[str]) -> FindingFields | None:
    rare = [label for label, n in counts.items() if n < RARE_ROWS]
    return (
        _finding("health.rare_labels", "warning", len(rare), labels=shown(rare), bound=RARE_ROWS) if rare else None
    )


def _uneven(counts: Counter[str]) -> FindingFields | None:
    if len(counts) < 2 or max(counts.values()) <= UNEVEN * min(counts.values()):
        return None
    (most, high), (least, low) = counts.most_common(1)[0], counts.most_common()[-1]
    return _finding("health.uneven_labels", "info", len(counts), most=most, high=high, least=least, low=low)


def _alike(counts: Counter[str]) -> FindingFields | None:
    alike = alike_labels(counts)
    if not alike:
        return None
    pairs = "; ".join(f"{a!r} / {b!r}" for a, b in alike[:SHOWN])
    return _finding("health.alike_labels", "warning", len(alike), pairs=pairs) | {"fix": "merge_labels"}


def _finding(key: str, severity: str, count: int, **values: Any) -> FindingFields:
    return {"key": key, "severity": severity, "count": count, "values": values}


def shown(labels: Sequence[str]) -> str:
    text = ", ".join(labels[:SHOWN])
    return f"{text}, ..." if len(labels) > SHOWN else text


def alike_labels(counts: Counter[str]) -> list[tuple[str, str]]:
    """(rarer, commoner) pairs that differ in case, blanks, marks or letter width, or by a slip in a rare one."""
    labels = [label for label, _ in counts.most_common()]
    plain: dict[str, str] = {}
    pairs = []
    for label in labels:
        owner = plain.setdefault(_plain(label), label)
        if owner != label:
            pairs.append((label, owner))
    taken = {rare for rare, _ in pairs}
    if len(labels) > MAX_COMPARED:
        return pairs
    for number, label in enumerate(labels):
        for other in labels[:number]:
            slip = counts[label] * 10 <= counts[other] and _is_slip(_plain(label), _plain(other))
            if slip and label not in taken:
                pairs.append((label, other))
                taken.add(label)
    return pairs


def _plain(label: str) -> str:
    text = unicodedata.normalize("NFKC", label).casefold()
    kept = re.sub(r"[\W_]+", "", text)
    return kept or text


def _is_slip(a: str, b: str) -> bool:
    """One letter added, lost, changed or two swapped, in a name of six letters or more without digits."""
    if min(len(a), len(b)) < 6 or abs(len(a) - len(b)) > 1 or any(c.isdigit() for c in a + b):
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    x, y = a[start:], b[start:]
    return x[1:] == y[1:] or x[1:] == y or x == y[1:] or (x[:2] == y[1::-1] and x[2:] == y[2:])


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
