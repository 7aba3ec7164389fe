"""The final exam: answers of the base model and of the tuned model to the test split, task by task.

Greedy decoding in batches of questions of like length, padded on the left. A task's answers are written when the
task is done, so an interrupted exam goes on with the next task.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig

from core.files import write_text_atomic
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.tasks.batching import answer_ids, encode_prompt
from core.tasks.dataset import Example, TaskDataset

BASE, TUNED = "base", "tuned"
LONGEST_ANSWER = 512
_SAMPLED_ANSWERS = 400
OnBatch = Callable[[int, int], None]  # (questions answered so far, questions in all); may raise to end the exam


@dataclass(frozen=True)
class ExamSettings:
    """max_rows per task (None: all); max_new_tokens None: from the practice answers; max_tokens of a question."""

    max_rows: int | None
    batch_size: int
    max_new_tokens: int | None
    max_tokens: int
    with_base: bool = True
    seed: int = 0


class Examiner:
    """Answers questions with one loaded model.

    Args:
        base: the loaded base model inside `model` (tokenizer, architecture, context).
    """

    def __init__(self, base: LoadedBase, model: ModularModel, settings: ExamSettings) -> None:
        self.base = base
        self.model = model
        self.settings = settings

    def sit(self, dataset: TaskDataset, predictions_dir: Path, on_batch: OnBatch) -> None:
        """Examines every task and writes <predictions>/<task index>.jsonl: {row, prompt, target, base, tuned}."""
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
            answers: dict[str, list[str]] = {}
            for who in whos:
                answers[who] = [""] * len(chosen)
                for places, texts in self._answer_all(dataset, task, chosen, who):
                    for place, text in zip(places, texts, strict=True):
                        answers[who][place] = text
                    done += len(places)
                    on_batch(done, total)
            write_text_atomic(path, _lines(dataset, task, chosen, answers))

    def answer(self, prompts: list[str], task: int, who: str, max_new_tokens: int) -> list[str]:
        """Answers to some prompts of one task in one batch."""
        batch = self._left_padded(prompts, max_new_tokens)
        with torch.no_grad(), self.model.disabled() if who == BASE else nullcontext():
            output = self.model.generate(
                **batch, task_ids=[task] * len(prompts), generation_config=self._generation(max_new_tokens)
            )
        start = 0 if self.base.architecture == "encoder_decoder" else batch["input_ids"].shape[1]
        texts: list[str] = self.base.tokenizer.batch_decode(output[:, start:], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def answer_length(self, dataset: TaskDataset, task: int) -> int:
        """Tokens that an answer of this task may need: the longest practice answer and a quarter more."""
        if self.settings.max_new_tokens is not None:
            return self.settings.max_new_tokens
        examples = _sample(dataset.split(task, "train"), _SAMPLED_ANSWERS, self.settings.seed)
        longest = max((len(answer_ids(self.base.tokenizer, e.target)) for _, e in examples), default=32)
        return min(LONGEST_ANSWER, self.base.context // 2, longest + longest // 4 + 4)

    def _answer_all(
        self, dataset: TaskDataset, task: int, chosen: list[tuple[int, Example]], who: str
    ) -> Iterator[tuple[list[int], list[str]]]:
        length = self.answer_length(dataset, task)
        order = sorted(range(len(chosen)), key=lambda place: -len(chosen[place][1].prompt))
        for start in range(0, len(order), self.settings.batch_size):
            places = order[start : start + self.settings.batch_size]
            yield places, self.answer([chosen[place][1].prompt for place in places], task, who, length)

    def _left_padded(self, prompts: list[str], max_new_tokens: int) -> dict[str, torch.Tensor]:
        base = self.base
        limit = min(self.settings.max_tokens + max_new_tokens, base.context)
        encoded = [
            encode_prompt(base.tokenizer, prompt, base.architecture, limit, reserve=max_new_tokens).input_ids
            for prompt in prompts
        ]
        width = max(map(len, encoded))
        ids = [[base.tokenizer.pad_token_id] * (width - len(row)) + row for row in encoded]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in encoded]
        device = self.model.device
        return {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}

    def _generation(self, max_new_tokens: int) -> GenerationConfig:
        own: Any = self.model.generation_config
        ends = own.eos_token_id if own is not None else None
        listed = ends if isinstance(ends, list) else [ends]
        stops = sorted({int(e) for e in [*listed, self.base.tokenizer.eos_token_id] if e is not None})
        return GenerationConfig(
            max_new_tokens=max_new_tokens, do_sample=False, num_beams=1, eos_token_id=stops,
            pad_token_id=self.base.tokenizer.pad_token_id,
            decoder_start_token_id=getattr(self.model.config, "decoder_start_token_id", None),
        )


def exam_rows(dataset: TaskDataset, task: int, settings: ExamSettings) -> list[tuple[int, Example]]:
    """(row number, example) of the questions of a task: all of its test split, or a seeded sample in file order."""
    return _sample(dataset.split(task, "test"), settings.max_rows, settings.seed)


def _sample(examples: list[Example], count: int | None, seed: int) -> list[tuple[int, Example]]:
    if count is None or count >= len(examples):
        return list(enumerate(examples))
    rows = np.random.default_rng((seed, 7)).permutation(len(examples))[:count]
    return [(int(row), examples[row]) for row in sorted(rows)]


def _lines(
    dataset: TaskDataset, task: int, chosen: list[tuple[int, Example]], answers: dict[str, list[str]]
) -> str:
    lines = []
    for place, (row, example) in enumerate(chosen):
        record: dict[str, Any] = {"row": row, "line": example.line}
        record |= {"prompt": example.prompt, "target": example.target}
        record |= {who: given[place] for who, given in answers.items()}
        lines.append(json.dumps(record, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)
