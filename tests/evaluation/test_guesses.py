"""Guess baselines and symptoms against hand-counted cases and independent implementations."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import f1_score

from core.base.records import from_record
from core.evaluation.guesses import (
    BY_SHARE,
    COPY,
    GUESSES,
    MOST_FREQUENT,
    NEAREST,
    Questions,
    best_guess,
    gain_over,
    guess_scores,
    make_guesses,
    nearest_rows,
)
from core.evaluation.symptoms import Symptoms, find_symptoms
from core.tasks.dataset import SYSTEM_END, Example, render_prompt
from core.tasks.prompt_inputs import input_texts
from core.tasks.spec import TaskSpec


def spec(metric: str = "accuracy", kind: str = "classification", **more: object) -> TaskSpec:
    values = {"inputs": ("text",), "targets": ("label",), "columns": ("text", "label"), **more}
    template = str(values.pop("template", "{instruction}\n\n{text}"))
    return TaskSpec("t", "task", instruction="Say {what}.", template=template, metric=metric, kind=kind, **values)  # type: ignore[arg-type]


def rows(task: TaskSpec, pairs: list[tuple[str, str]]) -> list[Example]:
    return [Example(render_prompt(task, {"text": text}), label, i) for i, (text, label) in enumerate(pairs)]


def scores_of(task: TaskSpec, practice: list[Example], exam: list[Example]) -> dict[str, float]:
    asked = Questions([e.prompt for e in exam], [e.target for e in exam])
    return {name: s.value for name, s in guess_scores(task, make_guesses(task, practice, asked)).items()}


def drawn(seed: int, count: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    return [(f"word{draw.randint(0, 9)}", draw.choices(["a1", "b2", "c3"], [6, 3, 1])[0]) for _ in range(count)]


@pytest.mark.parametrize("seed", range(3))
def test_frequent_and_by_share_agree_with_sklearn(seed: int) -> None:
    task = spec()
    practice, exam = rows(task, drawn(seed, 200)), rows(task, drawn(seed + 10, 120))
    found = scores_of(task, practice, exam)
    right, known = [e.target for e in exam], [e.target for e in practice]
    dummy = DummyClassifier(strategy="most_frequent").fit(known, known)
    assert found[MOST_FREQUENT] == pytest.approx(dummy.score(right, right))
    shares = Counter(known)
    expected = sum(shares[label] / len(known) for label in right) / len(right)
    assert found[BY_SHARE] == pytest.approx(expected)
    drawn_scores = [
        DummyClassifier(strategy="stratified", random_state=i).fit(known, known).score(right, right)
        for i in range(200)
    ]
    assert found[BY_SHARE] == pytest.approx(np.mean(drawn_scores), abs=0.02)


def test_by_share_is_a_mean_of_draws_where_answers_are_many() -> None:
    task = spec("rouge_l", "generation")
    practice = rows(task, [(str(i), f"w{i % 7} x{i}") for i in range(400)])
    exam = rows(task, [(str(i), f"w{i % 7} y{i}") for i in range(100)])
    value = scores_of(task, practice, exam)[BY_SHARE]
    assert value == pytest.approx(0.5 / 7, abs=0.02)  # one of seven draws shares one of two words


def test_macro_f1_of_the_most_frequent_answer() -> None:
    task = spec("macro_f1")
    practice, exam = rows(task, drawn(1, 100)), rows(task, drawn(2, 100))
    right = [e.target for e in exam]
    expected = f1_score(right, ["a1"] * 100, average="macro", zero_division=0)
    assert scores_of(task, practice, exam)[MOST_FREQUENT] == pytest.approx(expected)


def test_answers_that_the_exam_takes_for_the_same_are_counted_together() -> None:
    task = spec()
    practice = rows(task, [("1", "Yes"), ("2", "yes."), ("3", "No"), ("4", "no"), ("5", "YES")])
    exam = rows(task, [("6", "yes"), ("7", "no")])
    made = make_guesses(task, practice, Questions([e.prompt for e in exam], [e.target for e in exam]))
    assert made[0].answer == "Yes"
    assert made[0].rows[:, 0].tolist() == [1.0, 0.0]


def test_a_copied_input_is_the_best_guess_of_a_correcting_task() -> None:
    task = spec("rouge_l", "generation")
    texts = [(f"teh cat number {i} sat on a mat", f"the cat number {i} sat on a mat") for i in range(60)]
    found = scores_of(task, rows(task, texts[:40]), rows(task, texts[40:]))
    assert found[COPY] == pytest.approx(7 / 8)
    assert found[COPY] > found[NEAREST] - 1e-9


def test_of_several_columns_the_best_is_copied() -> None:
    task = spec(
        "exact_match",
        "question_answering",
        inputs=("question", "answer_in"),
        columns=("question", "answer_in", "label"),
        template="{question}\nText: {answer_in}",
    )
    exam = [Example(render_prompt(task, {"question": f"q{i}", "answer_in": f"a{i}"}), f"a{i}") for i in range(5)]
    assert scores_of(task, exam[:2], exam)[COPY] == 1.0


def test_the_nearest_row_is_found_in_every_script() -> None:
    known = ["the cat sleeps", "银行卡丢了怎么办", "Москва столица", "แมวนอนหลับ", "👍 👍"]
    asked = ["a dog and a cat", "我的银行卡丢失", "столица России", "แมวตัวนี้", "👍", "nothing alike"]
    assert nearest_rows(known, asked) == [0, 1, 2, 3, 4, 0]
    assert nearest_rows(["...", "!"], ["x"]) == [0]


def test_the_best_guess_and_the_gain_over_it() -> None:
    task = spec()
    practice = rows(task, [("red", "a1")] * 3 + [("blue", "b2")] * 2)
    exam = rows(task, [("red", "a1")] * 15 + [("blue", "b2")] * 15)
    right = [e.target for e in exam]
    asked = Questions([e.prompt for e in exam], right)
    made = make_guesses(task, practice, asked)
    scores = guess_scores(task, made)
    assert {name: round(s.value, 2) for name, s in scores.items()} == {
        MOST_FREQUENT: 0.5,
        BY_SHARE: 0.5,
        COPY: 0.0,
        NEAREST: 1.0,
    }
    assert best_guess(scores) == NEAREST
    assert (
        best_guess({name: scores[name] for name in (MOST_FREQUENT, BY_SHARE)}) == MOST_FREQUENT
    )  # the plainer one
    assert best_guess({}) is None
    gain = gain_over(task, made[0], right, right, 0)
    assert gain.value == 0.5
    assert gain.is_sure
    assert not gain_over(task, made[3], right, right, 0).is_sure


def test_without_practice_or_questions_there_is_no_guess() -> None:
    task = spec()
    assert make_guesses(task, [], Questions(["q"], ["a"])) == []
    assert make_guesses(task, rows(task, [("a", "b")]), Questions([], [])) == []
    assert (
        tuple(guess.name for guess in make_guesses(task, rows(task, [("a", "b")]), Questions(["q"], ["a"])))
        == GUESSES
    )


@pytest.mark.parametrize(
    "template",
    ["{instruction}\n\n{text}", "{text}", "Braces {{ }} {text} end", "{text} {instruction}", "{ghost}: {text}"],
)
@pytest.mark.parametrize("system", ["", "Be brief."])
@pytest.mark.parametrize("text", ["plain", "with {text} braces", "two\nlines\n\nhere", "Say {what}."])
def test_inputs_are_read_back_from_the_prompt(template: str, system: str, text: str) -> None:
    task = spec(template=template, system=system)
    assert input_texts(task, render_prompt(task, {"text": text})) == [text]


def test_other_wordings_and_strange_prompts_are_read_as_far_as_they_fit() -> None:
    task = spec(templates=("Q: {text}",), system="Be brief.")
    assert input_texts(task, render_prompt(task, {"text": "x"}, "Q: {text}")) == ["x"]
    assert input_texts(task, f"Be brief.{SYSTEM_END}other") == ["other"]
    assert input_texts(task, "other") == ["other"]


def exam_answers(task: TaskSpec, given: list[tuple[str, str, str]], **more: object) -> list[dict[str, object]]:
    return [
        {"prompt": render_prompt(task, {"text": text}), "target": right, "tuned": answer, **more}
        for text, right, answer in given
    ]


def test_symptoms_counts_what_it_says() -> None:
    task = spec()
    practice = rows(task, [("one", "a1"), ("one", "b2"), ("One.", "a1"), ("two", "a1"), ("three", "b2")])
    given = [("two", "a1", "A1"), ("four", "b2", "a1."), ("five", "c3", ""), ("six", "d4", "a1"), ("7", "c3", "b2")]
    found = find_symptoms(task, practice, exam_answers(task, given, base="b2", cut=True))
    assert (found.practice, found.top_answer, found.top_share, found.top_right) == (5, "A1", 0.6, 0.2)
    assert (found.truth_share, found.truths) == (0.4, 4)
    assert (found.empty, found.unchanged, found.cut_questions) == (0.2, 0.2, 1.0)
    assert found.contradicting == 0.6  # three spellings of "one", two answers
    assert (found.unseen, found.unseen_labels) == (pytest.approx(0.6), ("c3", "d4"))
    assert found.leaky == 0.2
    assert from_record(Symptoms, {**asdict(found), "of_another_version": 1}, "here") == found


def test_symptoms_of_free_text_knows_neither_labels_nor_contradictions() -> None:
    task = spec("rouge_l", "generation")
    practice = rows(task, [("one", "a sentence"), ("one", "another sentence")])
    found = find_symptoms(task, practice, exam_answers(task, [("two", "new words", "x")]))
    assert (found.contradicting, found.unseen, found.unchanged, found.cut_questions) == (0.0, 0.0, None, None)


def test_symptoms_of_several_labels_a_row() -> None:
    task = spec("micro_f1", "multilabel")
    practice = rows(task, [("one", "a1; b2"), ("two", "none")])
    found = find_symptoms(
        task, practice, exam_answers(task, [("3", "b2; a1", "a1"), ("4", "a1; z9", "a1"), ("5", "none", "")])
    )
    assert (found.unseen, found.unseen_labels) == (pytest.approx(1 / 3), ("z9",))
    assert find_symptoms(task, practice, []).practice == 2
