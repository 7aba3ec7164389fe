"""What the trained model forgot: general texts and questions, read and asked before against after. Needs torch.

"Before" is the untouched base model, "after" the trained one as each of a few tasks (at most MOST_TASKS, evenly
chosen). Every text is read once a side; a question is asked again only where the untouched model was right, since
nothing else can be forgotten. So the cost does not grow with the data.

<run>/forgetting.json: {version, base_loss, tasks: [{task, loss, change, low, high}], questions: [{language,
question, right, base, base_right, tuned: [{task, text, right}]}]}; losses in nats a token, `change` the mean over
texts of after minus before with its 95 % t-interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from core.base.files import write_json_atomic
from core.evaluation.general import GeneralQuestion, general_questions, general_texts
from core.evaluation.intervals import MANY, mean_interval
from core.models.answer import Answer
from core.models.decoding import build_batch, write_answers
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.tasks.encoding import IGNORED, encode_prompt

VERSION = 1
MOST_TASKS = 3
ANSWER_TOKENS = 16
BATCH = 16
MOST_LOGITS = 1 << 24  # numbers at once, 64 MiB: a vocabulary of 150,000 words takes one text at a time
MAX_TOKENS = 128


@dataclass(frozen=True)
class _Text:
    """Tokens that are read, and those whose loss counts (IGNORED elsewhere); the same length for a decoder-only
    model, the second half for an encoder-decoder."""

    read: list[int]
    counted: list[int]


def write_forgetting(path: Path, base: LoadedBase, model: ModularModel) -> None:
    """A run's forgetting.json, see `measure_forgetting`."""
    write_json_atomic(path, measure_forgetting(base, model))


@torch.no_grad()
def measure_forgetting(base: LoadedBase, model: ModularModel) -> dict[str, Any]:
    """The record that the module's head describes."""
    was_training = model.training
    model.eval()
    chosen = choose_tasks(len(model.tasks))
    texts = [_encode(base, text.text) for text in general_texts()]
    before = _losses(base, model, texts, None)
    tasks = [_task_record(base, model, texts, before, task) for task in chosen]
    questions = _ask(base, model, chosen)
    model.train(was_training)
    return {"version": VERSION, "base_loss": round(float(before.mean()), 6), "tasks": tasks, "questions": questions}


def choose_tasks(count: int) -> list[int]:
    """At most MOST_TASKS task numbers, from the first to the last."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, MOST_TASKS))})


def _task_record(
    base: LoadedBase, model: ModularModel, texts: Sequence[_Text], before: np.ndarray, task: int
) -> dict[str, Any]:
    after = _losses(base, model, texts, task)
    low, high = mean_interval(after - before, MANY)
    change = float((after - before).mean())
    values = {"loss": float(after.mean()), "change": change, "low": low, "high": high}
    return {"task": model.tasks[task], **{name: round(value, 6) for name, value in values.items()}}


def _encode(base: LoadedBase, text: str) -> _Text:
    ids = [int(token) for token in base.tokenizer(text)["input_ids"]][:MAX_TOKENS]
    if base.architecture == "encoder_decoder":
        half = max(1, len(ids) // 2)
        return _Text(ids[:half], ids[half:] or ids)
    return _Text(ids, ids)


def _losses(base: LoadedBase, model: ModularModel, texts: Sequence[_Text], task: int | None) -> np.ndarray:
    """Nats a token of each text, as the untouched model (None) or as a task."""
    found: list[float] = []
    size = max(1, min(BATCH, MOST_LOGITS // (MAX_TOKENS * len(base.tokenizer))))
    for start in range(0, len(texts), size):
        part = texts[start : start + size]
        inputs, labels = _pad(base, part)
        tasks = {} if task is None else {"task_ids": [task] * len(part)}
        with model.disabled() if task is None else nullcontext():
            if base.architecture == "encoder_decoder":
                logits = model(**inputs, labels=labels, **tasks).logits
            else:
                logits = model(**inputs, **tasks).logits[:, :-1]
                labels = labels[:, 1:]
        each = cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
        found += (each.sum(1) / (labels != IGNORED).sum(1).clamp_min(1)).tolist()
    return np.array(found)


def _pad(base: LoadedBase, texts: Sequence[_Text]) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    device = base.model.device
    width, wide = (max(len(getattr(text, name)) for text in texts) for name in ("read", "counted"))
    pad = base.tokenizer.pad_token_id
    ids = torch.tensor([text.read + [pad] * (width - len(text.read)) for text in texts], device=device)
    mask = torch.tensor([[1] * len(t.read) + [0] * (width - len(t.read)) for t in texts], device=device)
    labels = torch.tensor([t.counted + [IGNORED] * (wide - len(t.counted)) for t in texts], device=device)
    return {"input_ids": ids, "attention_mask": mask}, labels


def _ask(base: LoadedBase, model: ModularModel, chosen: Sequence[int]) -> list[dict[str, Any]]:
    questions = general_questions()
    before = _answers(base, model, questions, None)
    known = [question for question, text in zip(questions, before, strict=True) if question.is_right(text)]
    after: dict[str, list[dict[str, Any]]] = {question.question: [] for question in questions}
    for task in chosen:
        for question, text in zip(known, _answers(base, model, known, task), strict=True):
            found = {"task": model.tasks[task], "text": text, "right": question.is_right(text)}
            after[question.question].append(found)
    return [
        {
            "language": question.language,
            "question": question.question,
            "right": list(question.answers),
            "base": text,
            "base_right": question.is_right(text),
            "tuned": after[question.question],
        }
        for question, text in zip(questions, before, strict=True)
    ]


def _answers(
    base: LoadedBase, model: ModularModel, questions: Sequence[GeneralQuestion], task: int | None
) -> list[str]:
    """Answers of the untouched model (None) or as a task."""
    limit = min(MAX_TOKENS + ANSWER_TOKENS, base.context)
    asked: list[Answer] = []
    for question in questions:
        prompt = encode_prompt(base.tokenizer, question.question, base.architecture, limit, reserve=ANSWER_TOKENS)
        asked.append(Answer(len(asked), task or 0, prompt.input_ids, ANSWER_TOKENS))
    texts = [""] * len(asked)
    batch = build_batch(base, model, task is not None)
    for group in write_answers(batch, sorted(asked, key=lambda answer: -len(answer.prompt)), BATCH):
        for answer in group:
            texts[answer.number] = base.tokenizer.decode(answer.tokens, skip_special_tokens=True).strip()
    return texts
