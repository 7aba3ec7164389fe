"""The final exam: answers of the base model and of the tuned model to the test split, task by task.

Greedy decoding of questions of like length side by side, padded on the left; a finished answer's place goes to the
next question. Answers are kept group by group, so an interrupted exam goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.base.files import write_text_atomic
from core.base.lines import append_records, read_records
from core.evaluation.choosing import CheckRows, Choosing, Given
from core.evaluation.labels import LabelTree, task_labels
from core.models.answer import Answer
from core.models.decoding import build_batch, write_answers
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.tasks.dataset import Example, TaskDataset
from core.tasks.encoding import Encoded, answer_ids, encode_prompt

BASE, TUNED = "base", "tuned"
LONGEST_ANSWER = 512
_SAMPLED_ANSWERS = 400
OnBatch = Callable[[int, int], None]  # (questions answered so far, questions in all); may raise to end the exam
OnTask = Callable[[int], None]  # a task's answers are there


@dataclass(frozen=True)
class ExamSettings:
    """max_rows per task (None: all); max_new_tokens None: from the practice answers; max_tokens of a question.

    seed draws the rows and does not follow the run's, so that runs of any seed answer the same questions and can be
    compared row by row. only_labels: tasks with labels are answered with one of them and nothing else.
    certainty_rows: check rows of a task that tell how sure its answers are.
    """

    max_rows: int | None
    batch_size: int
    max_new_tokens: int | None
    max_tokens: int
    with_base: bool = True
    seed: int = 0
    only_labels: bool = False
    certainty_rows: int = 200


class Examiner:
    """Answers questions with one loaded model.

    Args:
        base: the loaded base model inside `model` (tokenizer, architecture, context).
    """

    def __init__(self, base: LoadedBase, model: ModularModel, settings: ExamSettings) -> None:
        self.base = base
        self.model = model
        self.settings = settings
        check = CheckRows(settings.seed, settings.certainty_rows)
        self.choosing = Choosing(base, model, settings.batch_size, self.encode, check)

    def sit(
        self, dataset: TaskDataset, predictions_dir: Path, on_batch: OnBatch, on_task: OnTask | None = None
    ) -> None:
        """Examines every task and writes <predictions>/<task index>.jsonl: {row, line, prompt, target, cut, base,
        tuned, tuned_sure}; cut: whether the question was too long to be read whole; how sure an answer is stands
        there where it was chosen among labels.

        `on_task` hears of every task whose answers are new. The same settings are expected when it goes on.
        """
        predictions_dir.mkdir(parents=True, exist_ok=True)
        rows = {task: exam_rows(dataset, task, self.settings) for task in range(len(dataset.tasks))}
        whos = [BASE, TUNED] if self.settings.with_base else [TUNED]
        total = sum(map(len, rows.values())) * len(whos)
        done = 0
        for task, chosen in rows.items():
            path = predictions_dir / f"{task}.jsonl"
            if path.exists() or not chosen:
                done += len(chosen) * len(whos)
                on_batch(done, total)
                continue
            draft = Draft(path.with_suffix(".part"))
            for who in whos:
                known = draft.answers.setdefault(who, {})
                left = [(row, example) for row, example in chosen if row not in known]
                if len(left) < len(chosen):
                    done += len(chosen) - len(left)
                    on_batch(done, total)
                for places, given in self.give_all(dataset, task, [e.prompt for _, e in left], who):
                    draft.add(who, [left[place][0] for place in places], given)
                    done += len(places)
                    on_batch(done, total)
            cut = self.cut_rows(dataset, task, chosen)
            write_text_atomic(path, _lines(chosen, draft.answers, cut))
            draft.discard()
            if on_task is not None:
                on_task(task)

    def answer_all(
        self, dataset: TaskDataset, task: int, prompts: Sequence[str], who: str, row: int | None = None
    ) -> Iterator[tuple[list[int], list[str]]]:
        """The texts of `give_all`."""
        for places, given in self.give_all(dataset, task, prompts, who, row):
            yield places, [one.text for one in given]

    def give_all(
        self, dataset: TaskDataset, task: int, prompts: Sequence[str], who: str, row: int | None = None
    ) -> Iterator[tuple[list[int], list[Given]]]:
        """Groups of (places in `prompts`, answers) as they get done, longest questions first, so that a batch holds
        little padding and what does not fit into memory shows at once. `row`: the allocation row to answer with."""
        row = task if row is None else row
        labels = self.choosing.label_set(dataset, task) if self.settings.only_labels else None
        if labels is not None:
            sure = self.choosing.certainty_of(dataset, task) if who == TUNED and row == task else None
            yield from self.choosing.choose_all(labels, prompts, {row: 1.0}, who == TUNED, sure)
            return
        length, tree = self.answer_length(dataset, task), self.label_tree(dataset, task)
        if tree is not None:
            length = tree.longest
        answers = self._answers(prompts, row, length, tree)
        answers.sort(key=lambda answer: -len(answer.prompt))
        batch = build_batch(self.base, self.model, who == TUNED)
        for done in write_answers(batch, answers, self.settings.batch_size):
            yield [answer.number for answer in done], [Given(self._text(answer)) for answer in done]

    def answer(self, prompts: list[str], task: int, who: str, max_new_tokens: int) -> list[str]:
        """Answers to some prompts of one task in one batch."""
        answers = self._answers(prompts, task, max_new_tokens, None)
        list(write_answers(build_batch(self.base, self.model, who == TUNED), answers, max(1, len(answers))))
        return [self._text(answer) for answer in answers]

    def answer_length(self, dataset: TaskDataset, task: int) -> int:
        """Tokens that an answer of this task may need: the longest practice answer and a quarter more."""
        if self.settings.max_new_tokens is not None:
            return self.settings.max_new_tokens
        examples = _sample(dataset.split(task, "train"), _SAMPLED_ANSWERS, self.settings.seed)
        longest = max((len(answer_ids(self.base.tokenizer, e.target)) for _, e in examples), default=32)
        return min(LONGEST_ANSWER, self.base.context // 2, longest + longest // 4 + 4)

    def label_tree(self, dataset: TaskDataset, task: int) -> LabelTree | None:
        """The tree of a task's labels, when answers are to be labels and the task has some."""
        labels = task_labels(dataset, task) if self.settings.only_labels else []
        return LabelTree(self.base.tokenizer, labels) if labels else None

    def encode(self, prompt: str, max_new_tokens: int) -> list[int]:
        """The tokens of a question, cut so that the answer has room."""
        return self._encoded(prompt, max_new_tokens).input_ids

    def _encoded(self, prompt: str, max_new_tokens: int) -> Encoded:
        base = self.base
        limit = min(self.settings.max_tokens + max_new_tokens, base.context)
        return encode_prompt(base.tokenizer, prompt, base.architecture, limit, reserve=max_new_tokens)

    def is_cut(self, prompt: str, max_new_tokens: int) -> bool:
        """Whether a question does not fit and is read without a part of it."""
        return self._encoded(prompt, max_new_tokens).num_cut > 0

    def cut_rows(self, dataset: TaskDataset, task: int, chosen: list[tuple[int, Example]]) -> set[int]:
        """Rows whose question does not fit."""
        length = self.answer_length(dataset, task)
        return {row for row, example in chosen if self.is_cut(example.prompt, length)}

    def _answers(
        self, prompts: Sequence[str], task: int, max_new_tokens: int, tree: LabelTree | None
    ) -> list[Answer]:
        allowed = None if tree is None else tree.allowed
        return [
            Answer(place, task, self.encode(prompt, max_new_tokens), max_new_tokens, allowed=allowed)
            for place, prompt in enumerate(prompts)
        ]

    def _text(self, answer: Answer) -> str:
        text: str = self.base.tokenizer.decode(answer.tokens, skip_special_tokens=True)
        return text.strip()


class Draft:
    """The answers of a task that is not finished: lines of {who, row, text, sure}. A torn last line is left out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.answers: dict[str, dict[int, Given]] = {}
        for record in read_records(path):
            given = Given(record["text"], record.get("sure"))
            self.answers.setdefault(record["who"], {})[record["row"]] = given

    def add(self, who: str, rows: list[int], given: list[Given]) -> None:
        records = [
            {"who": who, "row": row, "text": one.text, "sure": one.certainty}
            for row, one in zip(rows, given, strict=True)
        ]
        self.answers.setdefault(who, {}).update(zip(rows, given, strict=True))
        append_records(self._path, records, is_synced=True)

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)


def exam_rows(dataset: TaskDataset, task: int, settings: ExamSettings) -> list[tuple[int, Example]]:
    """(row number, example) of the questions of a task: all of its test split, or a seeded sample in file order."""
    return _sample(dataset.split(task, "test"), settings.max_rows, settings.seed)


def _sample(examples: list[Example], count: int | None, seed: int) -> list[tuple[int, Example]]:
    if count is None or count >= len(examples):
        return list(enumerate(examples))
    rows = np.random.default_rng((seed, 7)).permutation(len(examples))[:count]
    return [(int(row), examples[row]) for row in sorted(rows)]


def _lines(chosen: list[tuple[int, Example]], answers: dict[str, dict[int, Given]], cut: set[int]) -> str:
    lines = []
    for row, example in chosen:
        record: dict[str, Any] = {"row": row, "line": example.line}
        record |= {"prompt": example.prompt, "target": example.target, "cut": row in cut}
        known = {who: given[row] for who, given in answers.items() if row in given}
        record |= {who: given.text for who, given in known.items()}
        record |= {f"{who}_sure": given.certainty for who, given in known.items() if given.certainty is not None}
        lines.append(json.dumps(record, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)
