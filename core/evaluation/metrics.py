"""Metrics as pure functions. Torch-free.

Every metric turns each answer into a row of statistics and the column sums of these rows into one value. The
bootstrap resamples rows, so that one matrix product gives the values of a thousand resamples, whatever the metric.

Values lie in 0..1, larger is better. Intervals: percentile bootstrap, 95 %, seeded (Efron, Tibshirani
1993, ch. 13).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.base.errors import TaskloomError
from core.base.registry import Registry
from core.evaluation.normalise import items, label_items, last_number, letters, pairs, plain, rouge_words, words

Array = NDArray[np.float64]
NUM_RESAMPLES = 1000
NUMBER_TOLERANCE = 1e-4
_CHUNK = 250


@dataclass(frozen=True)
class Score:
    """A value with its 95 % interval over `n` answers; NaN-free: without answers everything is 0 and n is 0."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Difference:
    """Tuned minus base, paired: value, 95 % interval, and the two-sided bootstrap p-value of "no difference"."""

    value: float
    low: float
    high: float
    p: float
    n: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


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
    chosen = METRICS.get(metric)
    rows = _statistics(chosen, predictions, references)
    if not len(rows):
        return Score(0.0, 0.0, 0.0, 0)
    value = float(chosen.value(rows.sum(0, keepdims=True))[0])
    resampled = _resample(chosen, [rows], seed)[0]
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Score(value, float(low), float(high), len(rows))


def compare(
    metric: str, base: Sequence[str], tuned: Sequence[str], references: Sequence[str], seed: int = 0
) -> Difference:
    """Paired bootstrap of tuned against base on the same questions (Koehn 2004)."""
    chosen = METRICS.get(metric)
    both = [_statistics(chosen, answers, references) for answers in (base, tuned)]
    if not len(both[0]):
        return Difference(0.0, 0.0, 0.0, 1.0, 0)
    values = [float(chosen.value(rows.sum(0, keepdims=True))[0]) for rows in both]
    first, second = _resample(chosen, both, seed)
    gaps = second - first
    low, high = np.quantile(gaps, [0.025, 0.975])
    sided = min(float((gaps <= 0).mean()), float((gaps >= 0).mean()))
    return Difference(values[1] - values[0], float(low), float(high), min(1.0, 2 * sided), len(both[0]))


def values_of_rows(metric: str, predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """The metric of every answer alone, for lists of right and wrong answers."""
    chosen = METRICS.get(metric)
    rows = _statistics(chosen, predictions, references)
    return [float(v) for v in chosen.value(rows)] if len(rows) else []


def _statistics(metric: Metric, predictions: Sequence[str], references: Sequence[str]) -> Array:
    if len(predictions) != len(references):
        raise TaskloomError("metric.lengths", predictions=len(predictions), references=len(references))
    return metric.statistics(predictions, references) if references else np.zeros((0, 1))


def _resample(metric: Metric, tables: list[Array], seed: int) -> list[Array]:
    """Values of NUM_RESAMPLES resamples; all tables are resampled by the same rows."""
    generator = np.random.default_rng(seed)
    n = len(tables[0])
    values: list[list[Array]] = [[] for _ in tables]
    for start in range(0, NUM_RESAMPLES, _CHUNK):
        size = min(_CHUNK, NUM_RESAMPLES - start)
        counts = generator.multinomial(n, np.full(n, 1.0 / n), size=size).astype(np.float64)
        for slot, table in enumerate(tables):
            values[slot].append(metric.value(counts @ table))
    return [np.concatenate(parts) for parts in values]


def _ratio(top: Array, bottom: Array) -> Array:
    return np.divide(top, bottom, out=np.zeros_like(top, dtype=np.float64), where=bottom > 0)


# Mean of a number per answer: statistics [value, 1].
def _mean(sums: Array) -> Array:
    return _ratio(sums[:, 0], sums[:, 1])


def _per_answer(measure: Callable[[str, str], float]) -> Callable[[Sequence[str], Sequence[str]], Array]:
    def statistics(predictions: Sequence[str], references: Sequence[str]) -> Array:
        return np.array([[measure(p, r), 1.0] for p, r in zip(predictions, references, strict=True)])

    return statistics


def _equal(prediction: str, reference: str) -> float:
    return float(plain(prediction) == plain(reference))


def _numbers_match(prediction: str, reference: str) -> float:
    """The last number of the answer against that of the reference, relative tolerance 1e-4; without a number in the
    reference the texts are compared."""
    wanted, found = last_number(reference), last_number(prediction)
    if wanted is None:
        return _equal(prediction, reference)
    return float(found is not None and abs(found - wanted) <= NUMBER_TOLERANCE * max(1.0, abs(wanted)))


def _overlap_f1(prediction: list[str], reference: list[str]) -> float:
    """F1 of two bags of tokens (SQuAD); two empty bags agree."""
    if not prediction or not reference:
        return float(prediction == reference)
    common = (Counter(prediction) & Counter(reference)).total()
    return 2.0 * common / (len(prediction) + len(reference))


def _rouge_l(prediction: str, reference: str) -> float:
    """ROUGE-L F1 (Lin 2004): longest common subsequence over tokens, one token a CJK character."""
    p, r = rouge_words(prediction), rouge_words(reference)
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
        row = ((row + matched) | (row - matched)) & full
    return len(second) - row.bit_count()


# F1 over all answers together: statistics [true positives, answered, wanted].
def _micro_f1(sums: Array) -> Array:
    """Nothing wanted and nothing answered counts as full agreement."""
    total = sums[:, 1] + sums[:, 2]
    return np.where(total > 0, _ratio(2.0 * sums[:, 0], total), 1.0)


def _counted(split: Callable[[str], list[str]]) -> Callable[[Sequence[str], Sequence[str]], Array]:
    def statistics(predictions: Sequence[str], references: Sequence[str]) -> Array:
        rows = []
        for prediction, reference in zip(predictions, references, strict=True):
            answered, wanted = Counter(split(prediction)), Counter(split(reference))
            rows.append([(answered & wanted).total(), answered.total(), wanted.total()])
        return np.array(rows, dtype=np.float64)

    return statistics


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
    each = _ratio(2.0 * right, answered + wanted)
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
        ("number_match", "Number match", _per_answer(_numbers_match), _mean),
        ("bleu", "BLEU", _translation("bleu_rows"), _translation("bleu_values")),
        ("chrf", "chrF", _translation("chrf_rows"), _translation("chrf_values")),
    ]
    for name, title, statistics, value in entries:
        METRICS.register(name, Metric(name, title, statistics, value))


_register_all()
