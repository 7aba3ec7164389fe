"""How much of a task's answer comes from common and how much from private skills, measured on its own texts.

Mixing weights cannot tell: normalised common weights sum to one and a private skill has weight one, whatever both
add. So the size of each part's output is measured on practice rows. Also here: how alike the weights are that two
tasks add to the base model (cosine of the weight deltas over all layers).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.adapters.base import LoraFactors
from core.adapters.observing import Parts
from core.base.errors import ModelError
from core.base.files import write_json_atomic
from core.evaluation.observing import Text, measure_parts
from core.models.loading import LoadedBase
from core.models.modular import ModularModel
from core.tasks.dataset import Example, TaskDataset
from core.tasks.encoding import encode_example, encode_prompt

NUM_ROWS, FEWEST_ROWS = 8, 2  # of a task; the means move little beyond
MOST_ROWS = 600  # of all tasks: with hundreds of them each is measured on fewer
TASKS_AT_ONCE = 16  # whose rows are read side by side
MAX_TOKENS = 256
PARTS = ("common", "private", "base")
VERSION = 1


OnTask = Callable[[int, int], None]  # (tasks done, of all)


def write_contributions(
    path: Path, base: LoadedBase, model: ModularModel, dataset: TaskDataset, on_task: OnTask = lambda *_: None
) -> None:
    """A run's contributions.json, see `measure_contributions`."""
    write_json_atomic(path, measure_contributions(base, model, dataset, on_task))


def measure_contributions(
    base: LoadedBase, model: ModularModel, dataset: TaskDataset, on_task: OnTask = lambda *_: None
) -> dict[str, Any]:
    """Returns:
    {version, rows, layers, tasks, parts, similarity}. parts: {common, private, base}, each [T][L] mean sizes
    (see `observing`), or None for methods without such parts; similarity: [T][T] cosines, or None where a task
    is no sum of weights.
    """
    was_training = model.training
    model.eval()
    count = len(dataset.tasks)
    num_rows = min(NUM_ROWS, max(FEWEST_ROWS, MOST_ROWS // max(1, count)))
    found: list[Parts] = []
    for first in range(0, count, TASKS_AT_ONCE):
        on_task(first, count)
        tasks = range(first, min(first + TASKS_AT_ONCE, count))
        some = _task_parts(base, model, {task: _chosen_rows(dataset, task, num_rows) for task in tasks})
        if some is None:
            break
        found += some
    model.train(was_training)
    parts: dict[str, Any] | None = None
    if len(found) == count:
        parts = {name: [[round(value, 6) for value in getattr(part, name)] for part in found] for name in PARTS}
    layers = model.adapter.adapted_names()
    return {
        "version": VERSION,
        "rows": num_rows,
        "layers": layers,
        "tasks": dataset.names(),
        "parts": parts,
        "similarity": delta_similarity(model),
    }


def encode_text(base: LoadedBase, example: Example, max_tokens: int) -> tuple[list[int], list[int] | None]:
    """Prompt and answer as one text for a decoder-only model; prompt, and answer for the decoder, for others. As in
    training, but without the token that ends the answer; the prompt alone where both do not fit."""
    limit, own = min(max_tokens, base.context), base.architecture == "encoder_decoder"
    encoded = encode_example(base.tokenizer, example, base.architecture, limit) if example.target else None
    if encoded is None:
        prompt = encode_prompt(base.tokenizer, example.prompt, base.architecture, limit)
        return prompt.input_ids, [] if own else None
    return (encoded.input_ids, encoded.labels[:-1]) if own else (encoded.input_ids[:-1], None)


@torch.no_grad()
def delta_similarity(model: ModularModel) -> list[list[float]] | None:
    """Cosine of what two tasks add to all adapted weights: <B A, B' A'> = sum((B^T B') * (A A'^T)) layer by
    layer."""
    total = model.adapter.delta_products()
    if total is None:
        try:
            factors = [model.adapter.lora_factors(task) for task in range(model.adapter.num_tasks)]
        except ModelError:
            return None
        total = torch.zeros(len(factors), len(factors), dtype=torch.float64)
        for name in factors[0]:
            total += _inner_products(factors, name)
    total = total.cpu()
    lengths = total.diagonal().clamp_min(0).sqrt()
    safe = torch.where(lengths > 0, lengths, torch.ones_like(lengths))
    cosines = (total / safe[:, None] / safe[None]).clamp(-1, 1)
    cosines.fill_diagonal_(1.0)
    return [[round(float(value), 6) for value in row] for row in cosines]


def _inner_products(factors: list[LoraFactors], name: str) -> Tensor:
    """[T, T] of one layer. Tasks share a rank K: their factors are stacked and multiplied at once."""
    downs = [one[name][0].float().cpu() for one in factors]
    ups = [one[name][1].float().cpu() for one in factors]
    ranks = [len(down) for down in downs]
    down, up = torch.cat(downs), torch.cat(ups, 1)
    product = ((down @ down.T) * (up.T @ up)).double()
    edges = np.cumsum([0, *ranks]).tolist()
    rows = torch.stack([product[edges[t] : edges[t + 1]].sum(0) for t in range(len(ranks))])
    return torch.stack([rows[:, edges[t] : edges[t + 1]].sum(1) for t in range(len(ranks))], 1)


def _chosen_rows(dataset: TaskDataset, task: int, count: int) -> list[Example]:
    rows = dataset.split(task, "train") or dataset.split(task, "test")
    return [rows[row] for row in np.random.default_rng((0, task)).permutation(len(rows))[:count]]


def _task_parts(base: LoadedBase, model: ModularModel, rows: dict[int, list[Example]]) -> list[Parts] | None:
    """By task the means over its rows; None where parts cannot be told apart, or a task has no row."""
    texts = []
    for task, examples in rows.items():
        for example in examples:
            ids, decoder_ids = encode_text(base, example, MAX_TOKENS)
            texts.append(Text(ids, task, decoder_ids))
    seen = measure_parts(model, texts) if all(rows.values()) else None
    if seen is None:
        return None
    found = []
    for task in rows:
        mine = [part for part, text in zip(seen, texts, strict=True) if text.task == task]
        found.append(Parts(*(np.mean([getattr(one, n) for one in mine], 0).tolist() for n in PARTS)))
    return found
