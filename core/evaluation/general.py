"""General texts and questions that belong to no task: what a model may forget while it learns tasks. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.base.lines import read_records
from core.base.records import from_record
from core.evaluation.normalise import plain, tokens

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "general"


@dataclass(frozen=True)
class GeneralText:
    """A short text; language is a two-letter code."""

    language: str
    text: str


@dataclass(frozen=True)
class GeneralQuestion:
    """A simple question; an answer is right when it holds one of `answers` as whole words."""

    language: str
    question: str
    answers: tuple[str, ...]

    def is_right(self, answer: str) -> bool:
        return any(_holds(answer, wanted) for wanted in self.answers)


@cache
def general_texts() -> tuple[GeneralText, ...]:
    path = FOLDER / "texts.jsonl"
    return from_record(tuple[GeneralText, ...], read_records(path), path)


@cache
def general_questions() -> tuple[GeneralQuestion, ...]:
    path = FOLDER / "questions.jsonl"
    return from_record(tuple[GeneralQuestion, ...], read_records(path), path)


def _holds(answer: str, wanted: str) -> bool:
    """Whether the words of `wanted` stand in the answer one after the other."""
    said, looked_for = tokens(plain(answer)), tokens(plain(wanted))
    width = len(looked_for)
    return any(said[start : start + width] == looked_for for start in range(len(said) - width + 1))
