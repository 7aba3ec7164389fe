"""One example under the glass: what the adapter does with it, layer by layer and token by token. Needs torch.

The outcome is JSON: {task, level, tokens, num_prompt, layers, skills, weights [L][S], sizes [L][S] | null, by_token
[n][S] | null, answer}. level: task, prompt or token, whatever the method's weights depend on. Skills that the task
never uses are left out. by_token holds gates for methods that route by token, else sizes of the skills' parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.adapters.observing import TOKEN, Observation
from core.asking.trained import load_trained, require_adapter
from core.base.errors import RunError
from core.evaluation.contributions import encode_text
from core.evaluation.exam import TUNED, Examiner
from core.evaluation.observing import observe
from core.models.loading import LoadedBase
from core.runs.folder import RunFolder
from core.tasks.dataset import Example, load_saved_dataset
from core.training.examining import exam_settings

MOST_TOKENS = 400  # of prompt and answer together; longer texts lose their middle


def look_at(run_dir: Path, task: str, prompt: str, answer: str | None = None) -> dict[str, Any]:
    """Reads a prompt as a task of a run, followed by `answer` or, without one, by what the model answers itself.

    Raises:
        RunError: no such task, or no trained adapter.
    """
    folder = RunFolder(run_dir)
    require_adapter(folder)
    dataset = load_saved_dataset(folder.data_dir)
    if task not in dataset.names():
        raise RunError("insight.no_task", task=task, known=", ".join(dataset.names()))
    row = dataset.names().index(task)
    trained = load_trained(folder)
    base, model = trained.base, trained.model
    if answer is None:
        examiner = Examiner(base, model, exam_settings(trained.config))
        answer = examiner.answer([prompt], row, TUNED, examiner.answer_length(dataset, row))[0]
    ids, decoder_ids = encode_text(base, Example(prompt, answer), MOST_TOKENS)
    found = observe(model, ids, decoder_ids, row)
    return {"task": task, "answer": answer, **_table(found, model), **_tokens(base, ids, decoder_ids, answer)}


def _table(found: Observation, model: Any) -> dict[str, Any]:
    skills = model.adapter.skills()
    used = [i for i in range(len(skills)) if float(found.weights[:, i].abs().max()) > 0]
    adapted = model.adapter.adapted_names()
    layers = adapted if len(adapted) == len(found.weights) else model.layer_names()
    by_token = found.by_token if found.level == TOKEN else found.size_by_token
    return {
        "level": found.level,
        "layers": layers,
        "skills": [skills[i].name for i in used],
        "weights": _plain(found.weights, used),
        "sizes": _plain(found.sizes, used),
        "by_token": _plain(by_token, used),
    }


def _plain(values: torch.Tensor | None, used: list[int]) -> list[list[float]] | None:
    if values is None:
        return None
    table: list[list[float]] = np.round(values[:, used].float().cpu().numpy().astype(float), 5).tolist()
    return table


def _tokens(base: LoadedBase, ids: list[int], decoder_ids: list[int] | None, answer: str) -> dict[str, Any]:
    """The text's tokens as they read; for an encoder-decoder model those of the prompt."""
    shown = [base.tokenizer.decode([token]) for token in ids]
    if decoder_ids is not None:
        return {"tokens": shown, "num_prompt": len(ids)}
    answered = len(encode_text(base, Example("", answer), MOST_TOKENS)[0]) - len(
        encode_text(base, Example("", ""), MOST_TOKENS)[0]
    )
    return {"tokens": shown, "num_prompt": len(ids) - max(0, answered)}
