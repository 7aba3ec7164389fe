"""C-Poly's step over rows of uneven length, the ways of `card_paths` side by side: rows padded or packed, chains of
small operations as they are written or compiled. A part of `card.py`, which says what a card was asked."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from step_variants import SHAPES, Workload, build_base

from core.adapters.fast.chains import CHAINS, plain_chains
from core.adapters.fast.packed import LARGE_CHUNKS
from core.models.building import build_modular
from core.models.loading import LoadedBase
from core.tasks.dataset import TaskDataset
from core.tasks.encoding import IGNORED, Encoded
from core.training.answer_model import AnswerModel, Batch
from core.training.batches import PART_TOKENS_CARD, EncodedSplit, Encoder
from core.training.card_paths import BACKEND, BOTH, COMPILED, PACKED, PLAIN, no_kernels, part_tokens, try_compiled
from core.training.config import RunConfig
from core.training.optimisation import build_optimizer
from core.training.validation import to_device

WAYS = {PLAIN: (False, False), PACKED: (True, False), COMPILED: (False, True), BOTH: (True, True)}
SHORTEST, ANSWER = 24, 8  # tokens of the shortest row, and of every answer
BOUNDS = {"float32": 1e-4, "bfloat16": 2e-2}  # of the loss of the plain way
MOST_ROUNDS = 30
PROCESSOR_BACKEND = "aot_eager"  # shows that the way comes to its end; its time says nothing


def time_ways(work: Workload, left_s: float) -> dict[str, Any]:
    """Milliseconds of a step and the loss of each way, in turn (A B C D, D C B A, ...), within so many seconds."""
    end, device = time.monotonic() + left_s, torch.device(work.device)
    base = build_base(work).requires_grad_(False)
    loaded = LoadedBase(base, None, "decoder", work.tokens, work.shape)
    answers = AnswerModel(build_modular(loaded, "cpoly", None, work.tasks, seed=0))
    optimizer = build_optimizer(answers.modular, RunConfig(), 1)
    on_card = device.type != "cpu"
    tokens = part_tokens(base, torch.cuda.get_device_properties(device).total_memory) if on_card else None
    kernels, why = _compile(device, next(base.parameters()).dtype)
    batches = {packed: _batch(work, packed, tokens) for packed in (False, True)}
    ways = {name: chosen for name, chosen in WAYS.items() if why is None or not chosen[1]}
    losses, seconds = {}, {name: [] for name in ways}
    for name, (packed, is_compiled) in ways.items():
        with _running(kernels if is_compiled else None):
            losses[name] = _loss(answers, batches[packed], device)
    for packed, is_compiled in ways.values():  # after all losses: a step changes them
        with _running(kernels if is_compiled else None):
            _step(answers, optimizer, batches[packed], device)  # the first step of a way compiles
    for number in range(MOST_ROUNDS):
        if number and time.monotonic() > end:
            break
        for name in list(ways)[:: 1 if number % 2 == 0 else -1]:
            packed, is_compiled = ways[name]
            with _running(kernels if is_compiled else None):
                seconds[name].append(_step(answers, optimizer, batches[packed], device))
    times = {name: round(1000 * statistics.median(found), 2) for name, found in seconds.items()}
    apart = {name: abs(loss - losses[PLAIN]) / losses[PLAIN] for name, loss in losses.items()}
    return {
        "shape": work.shape,
        "rows": work.batch,
        "tokens_at_once": tokens,
        "rounds": len(seconds[PLAIN]),
        "milliseconds": times,
        "apart_from_plain": {name: round(value, 8) for name, value in apart.items()},
        "not_compiled": why,
        "quickest": min(times, key=lambda name: times[name]) if on_card else "not told by a processor",
        "holds": all(value <= BOUNDS[work.dtype] for value in apart.values()),
    }


def _compile(device: torch.device, dtype: torch.dtype) -> tuple[list[Any], str | None]:
    """The chains as they are compiled, or why they are not. Afterwards they run as they are written."""
    on_card = device.type != "cpu"
    why = no_kernels(device) if on_card else None
    why = why or try_compiled(device, dtype, BACKEND if on_card else PROCESSOR_BACKEND)
    found = [one.run for one in CHAINS]
    plain_chains()
    return found, why


@contextmanager
def _running(kernels: list[Any] | None) -> Iterator[None]:
    for one, run in zip(CHAINS, kernels or [one.plain for one in CHAINS], strict=True):
        one.run = run
    yield
    plain_chains()


def _batch(work: Workload, packed: bool, tokens: int | None) -> list[Batch]:
    """The same rows, from SHORTEST tokens to the workload's, as the parts of a micro batch."""
    draw = torch.Generator().manual_seed(0)
    encoder = Encoder(None, "decoder", work.tokens, 0, part_tokens=PART_TOKENS_CARD)
    split = EncodedSplit(TaskDataset((), {}), "train", encoder)
    split.examples = [[] for _ in range(work.tasks)]
    for row in range(work.batch):
        length = SHORTEST + (work.tokens - SHORTEST) * row**2 // max(1, (work.batch - 1) ** 2)
        ids = torch.randint(5, SHAPES[work.shape]["vocab_size"], (length,), generator=draw).tolist()
        labels = [IGNORED] * (length - ANSWER) + ids[-ANSWER:]
        task = row % work.tasks
        split.examples[task].append(Encoded(ids, labels, task_id=task))
    split.packed = packed
    if tokens is not None:
        split.packed_tokens, split.chunk_size = tokens, LARGE_CHUNKS
    return split.parts(split.places())


@torch.no_grad()
def _loss(answers: AnswerModel, parts: list[Batch], device: torch.device) -> float:
    answers.eval()  # without noise: each part draws its own
    return sum(float(answers(to_device(part, device)).double().sum()) for part in parts)


def _step(
    answers: AnswerModel, optimizer: torch.optim.Optimizer, parts: list[Batch], device: torch.device
) -> float:
    """Seconds, the way of the batch to the device included."""
    answers.train()
    if device.type != "cpu":
        torch.cuda.synchronize()
    began = time.perf_counter()
    for part in [to_device(part, device) for part in parts]:
        answers(part).mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    if device.type != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - began
