"""Metrics as pure functions. Torch-free.

Every metric turns each answer into a row of statistics and the column sums of these rows into one value, so that
one matrix product gives the values of a thousand resamples, whatever the metric. Values lie in 0..1, larger is
better; how far they can be trusted stands in `intervals.py`, how texts are made comparable in `normalise.py` and
`numerals.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.base.errors import TaskloomError
from core.base.registry import Registry
from core.evaluation.intervals import Array, Difference, Score, measure, measure_difference
from core.evaluation.normalise import items, label_items, letters, pairs, plain, tokens, words
from core.evaluation.numerals import decimal_mark, is_same, last_quantity


@dataclass(frozen=True)
class Metric:
    """`statistics`: (predictions, references) -> [n, k]. `value`: column sums [r, k] -> values [r]."""

    name: str
    title: str
    statistics: Callable[[Sequence[str], Sequence[str]], Array]
    value: Callable[[Array], Array]


METRICS: Registry[Metric] = Registry("metric")


def score(metric: str, predictions: Sequence[str], references: Sequence[str], seed: int = 0) -> Score:
    """The value of a metric with its interval.

    Raises:
        SettingError: an unknown metric. TaskloomError: different numbers of answers and references.
    """
    return measure(statistics(metric, predictions, references), METRICS.get(metric).value, seed)


def compare(
    metric: str, base: Sequence[str], tuned: Sequence[str], references: Sequence[str], seed: int = 0
) -> Difference:
    """Tuned minus base on the same questions."""
    first, second = (statistics(metric, answers, references) for answers in (base, tuned))
    return measure_difference(first, second, METRICS.get(metric).value, seed)


def values_of_rows(metric: str, predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """The metric of every answer alone, for lists of right and wrong answers."""
    rows = statistics(metric, predictions, references)
    return [float(v) for v in METRICS.get(metric).value(rows)] if len(rows) else []


def statistics(metric: str, predictions: Sequence[str], references: Sequence[str]) -> Array:
    """The rows [n, k] that a metric counts, one an answer.

    Raises:
        SettingError: an unknown metric. TaskloomError: different numbers of answers and references.
    """
    chosen = METRICS.get(metric)
    if len(predictions) != len(references):
        raise TaskloomError("metric.lengths", predictions=len(predictions), references=len(references))
    return chosen.statistics(predictions, references) if references else np.zeros((0, 1))


def _ratio(top: Array, bottom: Array) -> Array:
    return np.divide(top, bottom, out=np.zeros_like(top, dtype=np.float64), where=bottom > 0)


# Mean of a number per answer: statistics [value, 1].
def _mean(sums: Array) -> Array:
    return _ratio(sums[:, 0], sums[:, 1])


def _per_answer(one: Callable[[str, str], float]) -> Callable[[Sequence[str], Sequence[str]], Array]:
    def count(predictions: Sequence[str], references: Sequence[str]) -> Array:
        return np.array([[one(p, r), 1.0] for p, r in zip(predictions, references, strict=True)])

    return count


def _equal(prediction: str, reference: str) -> float:
    return float(plain(prediction) == plain(reference))


def _numbers_match(predictions: Sequence[str], references: Sequence[str]) -> Array:
    """The last number of the answer against that of the reference, both read by the decimal mark that the
    references show; without a number in the reference the texts are compared."""
    mark = decimal_mark(references)
    rows = []
    for prediction, reference in zip(predictions, references, strict=True):
        wanted, found = last_quantity(reference, mark), last_quantity(prediction, mark)
        if wanted is None:
            rows.append([_equal(prediction, reference), 1.0])
        else:
            rows.append([float(found is not None and is_same(found, wanted)), 1.0])
    return np.array(rows)


def _overlap_f1(prediction: list[str], reference: list[str]) -> float:
    """F1 of two bags of tokens (SQuAD); two empty bags agree, an empty one and another do not."""
    if not prediction or not reference:
        return float(prediction == reference)
    # 2 P R / (P + R) with P = c/|p| and R = c/|r| is 2 c / (|p| + |r|).
    common = (Counter(prediction) & Counter(reference)).total()
    return 2.0 * common / (len(prediction) + len(reference))


def _rouge_l(prediction: str, reference: str) -> float:
    """ROUGE-L F1 (Lin 2004): longest common subsequence over words (a character in scripts without spaces)."""
    p, r = tokens(prediction), tokens(reference)
    if not p or not r:
        return float(p == r)
    return 2.0 * longest_common_subsequence(p, r) / (len(p) + len(r))


def longest_common_subsequence(first: list[str], second: list[str]) -> int:
    """Length, bit-parallel over the second list (Hyyrö 2004): one big-integer addition a token."""
    places: dict[str, int] = {}
    for place, token in enumerate(second):
        places[token] = places.get(token, 0) | (1 << place)
    full = (1 << len(second)) - 1
    row = full
    for token in first:
        matched = row & places.get(token, 0)
        # A zero in `row` marks a place where the subsequence has grown; the sum carries the growth along.
        row = ((row + matched) | (row - matched)) & full
    return len(second) - row.bit_count()


# F1 over all answers together: statistics [true positives, answered, wanted].
def _micro_f1(sums: Array) -> Array:
    """Nothing wanted and nothing answered counts as full agreement."""
    total = sums[:, 1] + sums[:, 2]
    return np.where(total > 0, _ratio(2.0 * sums[:, 0], total), 1.0)


def _counted(split: Callable[[str], list[str]]) -> Callable[[Sequence[str], Sequence[str]], Array]:
    def count(predictions: Sequence[str], references: Sequence[str]) -> Array:
        rows = []
        for prediction, reference in zip(predictions, references, strict=True):
            answered, wanted = Counter(split(prediction)), Counter(split(reference))
            rows.append([(answered & wanted).total(), answered.total(), wanted.total()])
        return np.array(rows, dtype=np.float64)

    return count


# Macro F1: statistics [true positives of C classes | answered | wanted], classes = those of the references.
def _class_statistics(predictions: Sequence[str], references: Sequence[str]) -> Array:
    wanted = [plain(r) for r in references]
    classes = {name: i for i, name in enumerate(sorted(set(wanted)))}
    rows = np.zeros((len(wanted), 3, len(classes)))
    for row, (prediction, reference) in enumerate(zip(predictions, wanted, strict=True)):
        answered = classes.get(plain(prediction))
        rows[row, 2, classes[reference]] = 1.0
        if answered is not None:
            rows[row, 1, answered] = 1.0
            rows[row, 0, answered] = float(answered == classes[reference])
    return rows.reshape(len(wanted), -1)


def _macro_f1(sums: Array) -> Array:
    """Mean F1 of the classes that occur in the (resampled) references; answers outside them are only wrong."""
    right, answered, wanted = sums.reshape(len(sums), 3, -1).transpose(1, 0, 2)
    # F1 = 2 TP / (2 TP + FP + FN), and the last two are answered + wanted - 2 TP.
    each = _ratio(2.0 * right, answered + wanted)
    # A resample may draw none of a class; its F1 is not 0 then but not asked.
    occurs = wanted > 0
    return _ratio((each * occurs).sum(1), occurs.sum(1).astype(np.float64))


def _translation(name: str) -> Callable[..., Array]:
    """A function of `translation.py`, imported on first use: sacrebleu is needed by few projects."""

    def call(*arguments: Any) -> Array:
        from core.evaluation import translation

        result: Array = getattr(translation, name)(*arguments)
        return result

    return call


def _register_all() -> None:
    entries: list[tuple[str, str, Any, Any]] = [
        ("accuracy", "Accuracy", _per_answer(_equal), _mean),
        ("macro_f1", "Macro F1", _class_statistics, _macro_f1),
        ("micro_f1", "Micro F1", _counted(label_items), _micro_f1),
        ("exact_match", "Exact match", _per_answer(_equal), _mean),
        ("token_f1", "Token F1", _per_answer(lambda p, r: _overlap_f1(words(p), words(r))), _mean),
        ("character_f1", "Character F1", _per_answer(lambda p, r: _overlap_f1(letters(p), letters(r))), _mean),
        ("entity_f1", "Entity F1", _counted(items), _micro_f1),
        ("slot_f1", "Slot F1", _counted(pairs), _micro_f1),
        ("rouge_l", "ROUGE-L", _per_answer(_rouge_l), _mean),
        ("number_match", "Number match", _numbers_match, _mean),
        ("bleu", "BLEU", _translation("bleu_rows"), _translation("bleu_values")),
        ("chrf", "chrF", _translation("chrf_rows"), _translation("chrf_values")),
    ]
    for name, title, count, value in entries:
        METRICS.register(name, Metric(name, title, count, value))


_register_all()
