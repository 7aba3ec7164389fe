"""Writing answers token by token: questions of different tasks in one forward pass, new ones join on the way. The
chat and the exam write alike.

The loop is our own because transformers' streamer serves one question at a time and its `generate` admits no
question later. Greedy answers equal `model.generate` on the question alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer
from transformers.modeling_outputs import BaseModelOutput

from core.models.answer import Answer, Scored, score_tokens, take_all
from core.models.forward import Opened, TaskForward, end_tokens
from core.models.loading import LoadedBase
from core.models.modular import ModularModel


class DecoderBatch:
    """Questions to a decoder-only model.

    Prompts are padded on the left; positions count from each question's own first token.
    """

    def __init__(self, forward: TaskForward, pad_id: int, ends: frozenset[int]) -> None:
        self._forward, self._pad, self._ends = forward, pad_id, ends
        names = forward.accepted_names()
        self._takes_positions, self._takes_keep = "position_ids" in names, "logits_to_keep" in names
        self.answers: list[Answer] = []
        self._cache: Any = None
        self._mask = torch.empty(0, 0, dtype=torch.long)
        self._opened: Opened | None = None

    def can_join(self) -> bool:
        """Whether a question may join now: sliding-window and recurrent caches cannot be padded afterwards."""
        layers = getattr(self._cache, "layers", [])
        return not self.answers or all(type(layer) is DynamicLayer for layer in layers)

    def add(self, answers: list[Answer]) -> None:
        """Reads the prompts of new questions and writes the first token of each."""
        longest = max(len(a.prompt) for a in answers)
        ids = torch.tensor([[self._pad] * (longest - len(a.prompt)) + a.prompt for a in answers])
        rows = [[0] * (longest - len(a.prompt)) + [1] * len(a.prompt) for a in answers]
        mask = torch.tensor(rows, device=self._forward.device)  # grows there, and is not sent for every token
        # Padding has no position of its own; it is masked, and an index must not be negative.
        positions = (mask.cumsum(-1) - 1).clamp_min(0)
        opened = self._forward.open([a.tasks for a in answers], mask)
        cache, logits = self._run(opened, ids, mask, positions, None)
        if self.answers and self._opened is not None:
            self._mask, self._cache = _join(self._mask, self._cache, mask, cache)
            self._opened = self._forward.join(self._opened, opened)
        else:
            self._mask, self._cache, self._opened = mask, cache, opened
        self.answers = self.answers + answers
        take_all(answers, logits, self._ends)

    def score_prompt(self, answer: Answer) -> list[Scored]:
        """How likely each token of a prompt was after those before it; nothing stands before the first."""
        ids = torch.tensor([answer.prompt])
        mask = torch.ones_like(ids)
        extra = {"position_ids": mask.cumsum(-1) - 1} if self._takes_positions else {}
        opened = self._forward.open([answer.tasks], mask)
        out = self._forward(opened, input_ids=ids, attention_mask=mask, use_cache=False, **extra)
        first = Scored(answer.prompt[0], None, [])
        return [first, *score_tokens(out.logits[0, :-1], answer.prompt[1:], answer.num_likely or 0)]

    def step(self) -> None:
        """One more token for every question."""
        assert self._opened is not None  # there are answers, so their prompts were read
        ids = torch.tensor([[a.tokens[-1]] for a in self.answers])
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.answers), 1)], 1)
        positions = self._mask.sum(-1, keepdim=True) - 1
        self._cache, logits = self._run(self._opened, ids, self._mask, positions, self._cache)
        take_all(self.answers, logits, self._ends)

    def drop_finished(self) -> None:
        """Takes finished questions out of the batch, and columns that only padded them."""
        keep = [i for i, a in enumerate(self.answers) if a.finished is None]
        if len(keep) == len(self.answers):
            return
        self.answers = [self.answers[i] for i in keep]
        if not keep:
            self._cache = self._opened = None
            return
        assert self._opened is not None
        self._opened = self._forward.select(self._opened, keep)
        rows = torch.tensor(keep)
        self._mask = self._mask[rows.to(self._mask.device)]
        # The cache may lie on an accelerator, where the index has to lie too.
        self._cache.batch_select_indices(rows.to(self._cache.layers[0].keys.device))
        self._trim()

    def _trim(self) -> None:
        """Without the columns on the left that no question reads any more; else a batch that others join again and
        again would grow without end."""
        first = int(self._mask.any(0).int().argmax())
        if first == 0 or not self.can_join():
            return
        self._mask = self._mask[:, first:]
        for layer in self._cache.layers:
            layer.keys, layer.values = layer.keys[:, :, first:], layer.values[:, :, first:]

    def _run(self, opened: Opened, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> tuple[Any, Tensor]:
        extra: dict[str, Any] = {"position_ids": positions} if self._takes_positions else {}
        if self._takes_keep:
            extra["logits_to_keep"] = 1
        out = self._forward(
            opened, input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **extra
        )
        return out.past_key_values, out.logits[:, -1]


class EncoderDecoderBatch:
    """Questions to an encoder-decoder model: inputs are read once, then written in step. Later ones wait."""

    def __init__(self, forward: TaskForward, start_id: int, pad_id: int, ends: frozenset[int]) -> None:
        self._forward, self._start, self._pad, self._ends = forward, start_id, pad_id, ends
        self.answers: list[Answer] = []
        self._cache: Any = None
        self._mask = torch.empty(0, 0, dtype=torch.long)
        self._read = torch.empty(0)
        self._opened: Opened | None = None

    def can_join(self) -> bool:
        return not self.answers

    def add(self, answers: list[Answer]) -> None:
        longest = max(len(a.prompt) for a in answers)
        ids = torch.tensor([a.prompt + [self._pad] * (longest - len(a.prompt)) for a in answers])
        rows = [[1] * len(a.prompt) + [0] * (longest - len(a.prompt)) for a in answers]
        self._mask = torch.tensor(rows, device=self._forward.device)
        self.answers = list(answers)
        start = torch.full((len(answers), 1), self._start)
        self._opened = self._forward.open([a.tasks for a in answers], self._mask)
        out = self._forward(
            self._opened, input_ids=ids, attention_mask=self._mask, decoder_input_ids=start, use_cache=True
        )
        self._read = out.encoder_last_hidden_state
        self._keep(out)

    def step(self) -> None:
        ids = torch.tensor([[a.tokens[-1]] for a in self.answers])
        assert self._opened is not None  # there are answers, so their prompts were read
        self._keep(
            self._forward(
                self._opened,
                # Read once in `add`: what the encoder said does not depend on what is written.
                encoder_outputs=BaseModelOutput(last_hidden_state=self._read),
                attention_mask=self._mask,
                decoder_input_ids=ids,
                past_key_values=self._cache,
                use_cache=True,
            )
        )

    def drop_finished(self) -> None:
        keep = [i for i, a in enumerate(self.answers) if a.finished is None]
        if len(keep) == len(self.answers):
            return
        self.answers = [self.answers[i] for i in keep]
        if keep and self._opened is not None:
            rows = torch.tensor(keep, device=self._read.device)
            self._opened = self._forward.select(self._opened, keep)
            self._mask, self._read = self._mask[rows], self._read[rows]
            caches: EncoderDecoderCache = self._cache
            caches.batch_select_indices(rows)

    def _keep(self, out: Any) -> None:
        self._cache = out.past_key_values
        take_all(self.answers, out.logits[:, -1], self._ends)


Batch = DecoderBatch | EncoderDecoderBatch


def build_batch(base: LoadedBase, model: ModularModel, tuned: bool) -> Batch:
    """An empty batch for questions to a model, or to the untouched base model in it."""
    forward, pad = TaskForward(model, tuned), base.tokenizer.pad_token_id
    if base.architecture == "decoder":
        return DecoderBatch(forward, pad, end_tokens(base))
    return EncoderDecoderBatch(forward, model.config.decoder_start_token_id, pad, end_tokens(base))


def write_answers(batch: Batch, answers: Sequence[Answer], size: int) -> Iterator[list[Answer]]:
    """Writes all answers, at most `size` at the same time, and yields those that got done in the meantime.

    Finished ones leave at once, and when half of the places are free the next questions join, so that one long
    answer does not keep the others' places busy.
    """
    waiting, done = deque(answers), list[Answer]()
    while waiting or batch.answers:
        free = size - len(batch.answers)
        joins = 2 * free >= size and batch.can_join()
        joining = [waiting.popleft() for _ in range(min(free, len(waiting)))] if joins else []
        running = [*batch.answers, *joining]
        with torch.no_grad():
            if joining:
                batch.add(joining)
            else:
                batch.step()
            batch.drop_finished()
        done += [answer for answer in running if answer.finished is not None]
        if 2 * len(done) >= size:
            yield done
            done = []
    if done:
        yield done


def _join(mask: Tensor, cache: DynamicCache, new_mask: Tensor, new: DynamicCache) -> tuple[Tensor, DynamicCache]:
    """One cache of both batches: the shorter one gets masked columns on the left."""
    length = max(mask.shape[1], new_mask.shape[1])
    for layer, other in zip(cache.layers, new.layers, strict=True):
        for name in ("keys", "values"):
            pair = [_pad_left(getattr(one, name), length) for one in (layer, other)]
            setattr(layer, name, torch.cat(pair, 0))
    pad = torch.nn.functional.pad
    masks = [pad(m, (length - m.shape[1], 0)) for m in (mask, new_mask)]
    return torch.cat(masks, 0), cache


def _pad_left(kept_bhnd: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(kept_bhnd, (0, 0, length - kept_bhnd.shape[2], 0))
