"""Metrics against independent implementations and hand-counted cases."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from sklearn.metrics import accuracy_score, f1_score
from torchmetrics.functional.text import rouge_score

from core.base.errors import TaskloomError
from core.evaluation.metrics import METRICS, compare, longest_common_subsequence, score, values_of_rows
from core.evaluation.normalise import items, label_items, letters, pairs, plain, words
from core.tasks.guessing.kinds import METRICS as TASK_METRICS

WORDS = ["the", "cat", "sat", "on", "a", "mat", "near", "big", "dog", "bird", "tree", "house", "under", "over"]


def sentences(seed: int, count: int = 60) -> tuple[list[str], list[str]]:
    draw = random.Random(seed)
    references = [" ".join(draw.choices(WORDS, k=draw.randint(4, 12))) for _ in range(count)]
    predictions = [
        " ".join(w if draw.random() < 0.7 else draw.choice(WORDS) for w in r.split()) for r in references
    ]
    return predictions, references


def labels(seed: int, count: int = 300) -> tuple[list[str], list[str]]:
    draw = random.Random(seed)
    classes = ["refund", "card lost", "balance", "other"]
    references = draw.choices(classes, weights=[5, 3, 2, 1], k=count)
    predictions = [r if draw.random() < 0.7 else draw.choice([*classes, "nonsense"]) for r in references]
    return predictions, references


def test_every_metric_a_task_may_have_exists() -> None:
    assert set(TASK_METRICS) == set(METRICS.names())


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_and_macro_f1_agree_with_sklearn(seed: int) -> None:
    predictions, references = labels(seed)
    expected = accuracy_score(references, predictions)
    assert score("accuracy", predictions, references).value == pytest.approx(expected)
    classes = sorted(set(references))
    expected = f1_score(references, predictions, labels=classes, average="macro", zero_division=0)
    assert score("macro_f1", predictions, references).value == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_micro_f1_over_label_lists_agrees_with_sklearn(seed: int) -> None:
    draw = random.Random(seed)
    names = ["account", "card", "balance", "new"]
    wanted = [[n for n in names if draw.random() < 0.4] for _ in range(100)]
    answered = [[n for n in names if (n in w) != (draw.random() < 0.2)] for w in wanted]
    matrix = [np.array([[n in row for n in names] for row in rows]) for rows in (wanted, answered)]
    expected = f1_score(*matrix, average="micro")
    texts = ["; ".join(row) or "none" for row in answered], [", ".join(row) or "none" for row in wanted]
    assert score("micro_f1", *texts).value == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_rouge_l_agrees_with_torchmetrics(seed: int) -> None:
    predictions, references = sentences(seed)
    expected = rouge_score(predictions, references, rouge_keys="rougeL")["rougeL_fmeasure"]
    assert score("rouge_l", predictions, references).value == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_bleu_and_chrf_agree_with_sacrebleu(seed: int) -> None:
    predictions, references = sentences(seed)
    for name, scorer in (("bleu", BLEU()), ("chrf", CHRF())):
        expected = scorer.corpus_score(predictions, [references]).score / 100
        assert score(name, predictions, references).value == pytest.approx(expected, abs=1e-6)


def test_paired_comparison_sees_a_real_difference_and_none_where_there_is_none() -> None:
    predictions, references = labels(3)
    better = [r if i % 3 else p for i, (p, r) in enumerate(zip(predictions, references, strict=True))]
    found = compare("accuracy", predictions, better, references)
    expected = score("accuracy", better, references).value - score("accuracy", predictions, references).value
    assert found.value == pytest.approx(expected)
    assert found.low > 0
    assert found.p < 0.01
    same = compare("macro_f1", predictions, predictions, references)
    assert (same.value, same.p) == (0.0, 1.0)
    assert not same.is_sure


@pytest.mark.parametrize("metric", METRICS.names())
def test_laws_of_every_metric(metric: str) -> None:
    predictions, references = sentences(1, 30)
    perfect = score(metric, references, references)
    assert perfect.value == pytest.approx(1.0)
    assert score(metric, ["QQ"] * 30, references).value < 0.05
    found = score(metric, predictions, references)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert score(metric, [], []).n == 0
    order = list(range(30))
    random.Random(2).shuffle(order)
    shuffled = score(metric, [predictions[i] for i in order], [references[i] for i in order])
    assert shuffled.value == pytest.approx(found.value)
    assert len(values_of_rows(metric, predictions, references)) == 30
    with pytest.raises(TaskloomError):
        score(metric, ["a"], [])


def test_entities_and_slots_are_counted_as_pairs() -> None:
    reference = ["PER: Ann Lee; LOC: Rome", "none"]
    assert score("entity_f1", ["PER: Ann Lee; LOC: Paris", "none"], reference).value == pytest.approx(0.5)
    assert score("entity_f1", ["none", "none"], ["none", "none"]).value == 1.0
    assert score("slot_f1", ["time = 12:00 ; people=2"], ["time: 12:00; people: 3"]).value == pytest.approx(0.5)
    assert score("entity_f1", ["LOC: Rome; LOC: Rome"], ["LOC: Rome"]).value == pytest.approx(2 / 3)


def test_normalisation_rules() -> None:
    assert plain("  “Card  Lost”. ") == "card lost"
    assert plain("Ｙｅｓ。") == "yes"
    assert words("The answer's 3.5 元!") == ["answer", "s", "3.5", "元"]
    assert letters("你好， 世界!") == ["你", "好", "世", "界"]
    assert items("none") == []
    assert items("A: b；C: d") == ["a: b", "c: d"]
    assert label_items("a、b, c") == ["a", "b", "c"]
    assert pairs("artist=Ann: B; x") == ["artist=ann: b", "x"]


def test_numbers_match_within_tolerance() -> None:
    assert score("number_match", ["= 12.00001", "13", "n/a"], ["12", "12", "n/a"]).value == pytest.approx(2 / 3)


@pytest.mark.parametrize("seed", range(5))
def test_longest_common_subsequence_against_the_table(seed: int) -> None:
    draw = random.Random(seed)
    first, second = (draw.choices(WORDS, k=draw.randint(1, 80)) for _ in range(2))
    table = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    assert longest_common_subsequence(first, second) == table[-1, -1]
