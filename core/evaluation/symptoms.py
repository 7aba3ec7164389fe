"""What the answers and the data of a task say about whether its score can be believed. Torch-free; shares 0..1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.evaluation.normalise import label_items, plain
from core.tasks.dataset import Example
from core.tasks.prompt_inputs import input_texts
from core.tasks.spec import TaskSpec

LABELLED = ("classification", "multilabel")
FREE_TEXT = "generation"  # where one input may well have several good answers
_NAMED = 5  # unseen labels that are named


@dataclass(frozen=True)
class Symptoms:
    """`top_answer` is given in `top_share` of the answers and right in `top_right` of the rows; `truth_share` is
    the share of the commonest right answer of `truths` different ones; `others` rows have another one, and
    `others_right` of these are answered so.

    empty: answers that say nothing. unchanged: answers equal to the untouched model's (None: it was not examined).
    cut_questions: exam questions that were cut to fit (None: not noted). contradicting: practice rows whose input
    comes back with another answer. unseen: exam rows with a label that no practice row has. leaky: exam rows whose
    input is a practice row's.
    """

    practice: int
    top_answer: str = ""
    top_share: float = 0.0
    top_right: float = 0.0
    truth_share: float = 0.0
    truths: int = 0
    others: int = 0
    others_right: int = 0
    empty: float = 0.0
    unchanged: float | None = None
    cut_questions: float | None = None
    contradicting: float = 0.0
    unseen: float = 0.0
    unseen_labels: tuple[str, ...] = ()
    leaky: float = 0.0


def find_symptoms(spec: TaskSpec, practice: Sequence[Example], answers: Sequence[dict[str, Any]]) -> Symptoms:
    """From a task's practice rows and its answered exam rows {prompt, target, base, tuned, cut}."""
    if not answers:
        return Symptoms(len(practice))
    given = [plain(str(answer.get("tuned") or "")) for answer in answers]
    truth = [plain(str(answer["target"])) for answer in answers]
    n, truths = len(answers), Counter(truth)
    top, count = Counter(given).most_common(1)[0]
    common, often = truths.most_common(1)[0]
    shown = next(str(a.get("tuned") or "") for a, text in zip(answers, given, strict=True) if text == top)
    asked = ((_question(spec, example.prompt), example.target) for example in practice)
    known, contradicting = _look_at_practice(spec, asked)
    leaky = sum(_question(spec, str(answer["prompt"])) in known for answer in answers)
    unseen = _unseen_labels(spec, practice, [str(answer["target"]) for answer in answers])
    return Symptoms(
        practice=len(practice),
        top_answer=shown,
        top_share=count / n,
        top_right=truths[top] / n,
        truth_share=often / n,
        truths=len(truths),
        others=sum(right != common for right in truth),
        others_right=sum(right != common and right == said for right, said in zip(truth, given, strict=True)),
        empty=sum(not text for text in given) / n,
        unchanged=_unchanged(answers, given),
        cut_questions=sum(bool(a["cut"]) for a in answers) / n if all("cut" in a for a in answers) else None,
        contradicting=contradicting,
        unseen=sum(unseen.values()) / n,
        unseen_labels=tuple(label for label, _ in unseen.most_common(_NAMED)),
        leaky=leaky / n,
    )


def foresee_symptoms(spec: TaskSpec, practice: Sequence[Example], exam: Sequence[Example]) -> Symptoms:
    """What the rows alone tell before anything is trained: contradicting, unseen and leaky. Inputs are compared
    as they stand but for blanks and case, since there may be a million of them."""
    known, contradicting = _look_at_practice(spec, ((_shown_input(row), row.target) for row in practice))
    unseen = _unseen_labels(spec, practice, [row.target for row in exam])
    n = max(1, len(exam))
    return Symptoms(
        practice=len(practice),
        contradicting=contradicting,
        unseen=sum(unseen.values()) / n,
        unseen_labels=tuple(label for label, _ in unseen.most_common(_NAMED)),
        leaky=sum(_shown_input(row) in known for row in exam) / n,
    )


def _shown_input(row: Example) -> str:
    texts = [row.prompt[begin:end] for _, begin, end in row.values] or [str(row.prompt)]
    return " ".join("\n".join(texts).casefold().split())


def _unchanged(answers: Sequence[dict[str, Any]], given: Sequence[str]) -> float | None:
    if not all(isinstance(answer.get("base"), str) for answer in answers):
        return None
    same = sum(plain(answer["base"]) == text for answer, text in zip(answers, given, strict=True))
    return same / len(answers)


def _look_at_practice(spec: TaskSpec, practice: Iterable[tuple[str, str]]) -> tuple[set[str], float]:
    """Of practice rows (input, answer) the inputs, and the share of rows whose input also stands beside another
    answer."""
    if spec.kind == FREE_TEXT:
        return {question for question, _ in practice}, 0.0
    first: dict[str, str] = {}
    rows: Counter[str] = Counter()
    torn: set[str] = set()
    for question, target in practice:
        rows[question] += 1
        if first.setdefault(question, target) != target and plain(first[question]) != plain(target):
            torn.add(question)
    return set(first), sum(rows[question] for question in torn) / max(1, rows.total())


def _unseen_labels(spec: TaskSpec, practice: Sequence[Example], targets: Sequence[str]) -> Counter[str]:
    """Label -> exam rows that ask for it although no practice row shows it."""
    if spec.kind not in LABELLED or not practice:
        return Counter()
    split = label_items if spec.kind == "multilabel" else _one_label
    known = {label for target in {example.target for example in practice} for label in split(target)}
    missing = [[label for label in split(target) if label not in known] for target in targets]
    return Counter(labels[0] for labels in missing if labels)


def _one_label(text: str) -> list[str]:
    return [plain(text)]


def _question(spec: TaskSpec, prompt: str) -> str:
    return plain("\n".join(input_texts(spec, prompt)))
