"""How likely is each of some labels as the answer? The prompt is read once, then all its labels side by side.

Legend: b questions, r pairs of a question and a label, n tokens of a label, V vocabulary. The log-likelihood of a
label is the sum over its tokens, end token included, so that "no" is not preferred to "not sure" for being its
beginning. The first token of every label costs nothing (the prompt's last logits); the others are read in rows that
begin with copies of the prompt's cache. A label whose first token is already too unlikely need not be read: its
value can only fall.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from core.models.forward import Blend, TaskForward
from core.models.loading import LoadedBase
from core.models.modular import ModularModel

# Labels of a question that are read at first, the likeliest by their first token; then twice as many.
FIRST_ROUND = 8
ROW_TOKENS = 4096  # cached tokens of the rows that are read at once
LOGIT_TOKENS = 256  # tokens whose logits exist at once


@dataclass(frozen=True)
class LabelQuestion:
    """A prompt's tokens, the tasks it is answered as with their shares, and its labels' tokens with their end."""

    prompt: Sequence[int]
    tasks: Blend
    labels: Sequence[Sequence[int]]


class LabelScorer:
    """Scores labels with a model, or with the untouched base model in it.

    Args:
        length_power: a label's log-likelihood is divided by its number of tokens to this power (0: not at all).
    """

    def __init__(self, base: LoadedBase, model: ModularModel, tuned: bool, length_power: float = 0.0) -> None:
        self._forward, self._base, self._config = TaskForward(model, tuned), base, model.config
        self._power = length_power

    @torch.no_grad()
    def score(self, questions: Sequence[LabelQuestion], slack: float | None = None) -> list[Tensor]:
        """For each question [labels] the values of its labels in nats.

        slack: labels that stay more than so many nats behind the best one may be told by an upper bound of their
        value, which is then more than `slack` behind as well. None: all values are exact.
        """
        read = self._read(questions)
        first_bV = read.logits.float().log_softmax(-1).cpu()
        tables = [_Table(q.labels, row, self._power) for q, row in zip(questions, first_bV, strict=True)]
        count = FIRST_ROUND
        while pairs := [(q, label) for q, table in enumerate(tables) for label in table.next(count, slack)]:
            for part in self._parts(pairs, questions):
                ids, lengths = _padded([questions[q].labels[label] for q, label in part], read.pad)
                # The last token predicts nothing that is asked.
                logits = read.follow([q for q, _ in part], ids[:, :-1])
                for (q, label), value in zip(part, _sums(logits, ids, lengths), strict=True):
                    tables[q].add(label, value)
            count *= 2
        return [table.values() for table in tables]

    def _read(self, questions: Sequence[LabelQuestion]) -> _DecoderPrompts | _EncoderPrompts:
        pad = self._base.tokenizer.pad_token_id
        if self._base.architecture == "decoder":
            return _DecoderPrompts(self._forward, pad, questions)
        return _EncoderPrompts(self._forward, pad, questions, self._config.decoder_start_token_id)

    def _parts(
        self, pairs: list[tuple[int, int]], questions: Sequence[LabelQuestion]
    ) -> list[list[tuple[int, int]]]:
        """Pairs whose rows fit into memory together, labels of like length side by side."""
        longest = max(len(q.prompt) for q in questions)
        parts: list[list[tuple[int, int]]] = [[]]
        for pair in sorted(pairs, key=lambda pair: len(questions[pair[0]].labels[pair[1]])):
            width, rows = len(questions[pair[0]].labels[pair[1]]), len(parts[-1]) + 1
            if parts[-1] and (rows * (longest + width) > ROW_TOKENS or rows * width > LOGIT_TOKENS):
                parts.append([])
            parts[-1].append(pair)
        return parts


class _Table:
    """The labels of one question: what is known of their values so far."""

    def __init__(self, labels: Sequence[Sequence[int]], first_V: Tensor, power: float) -> None:
        self._first = first_V[[ids[0] for ids in labels]].double()
        self._share = torch.tensor([len(ids) for ids in labels], dtype=torch.float64) ** -power
        self._rest = torch.zeros(len(labels), dtype=torch.float64)
        # A label of one token is known from the prompt's logits alone.
        self._known = torch.tensor([len(ids) == 1 for ids in labels])

    def values(self) -> Tensor:
        """[labels]; of a label that was not read the value it cannot exceed."""
        return (self._first + self._rest) * self._share

    def add(self, label: int, rest: float) -> None:
        self._rest[label], self._known[label] = rest, True

    def next(self, count: int, slack: float | None) -> list[int]:
        """The most promising labels that are not known yet; [] when the others are out of reach."""
        values = self.values()
        open_ = ~self._known
        if slack is not None and bool(self._known.any()):
            # The rest of a label's tokens can only make it less likely, so what is behind by now stays behind.
            open_ &= values >= values[self._known].max() - slack
        places = open_.nonzero().flatten()
        return places[values[places].argsort(descending=True, stable=True)][:count].tolist()


class _DecoderPrompts:
    """Prompts of a decoder-only model, padded on the left, with their cache and their last logits [b, V]."""

    def __init__(self, forward: TaskForward, pad: int, questions: Sequence[LabelQuestion]) -> None:
        self._forward, self.pad = forward, pad
        names = forward.accepted_names()
        self._takes_positions, keeps = "position_ids" in names, "logits_to_keep" in names
        longest = max(len(q.prompt) for q in questions)
        ids = torch.tensor([[pad] * (longest - len(q.prompt)) + list(q.prompt) for q in questions])
        padded = [[0] * (longest - len(q.prompt)) + [1] * len(q.prompt) for q in questions]
        self._mask = torch.tensor(padded, device=forward.device)
        self._opened = forward.open([q.tasks for q in questions], self._mask)
        out = forward(
            self._opened,
            input_ids=ids,
            attention_mask=self._mask,
            use_cache=True,
            **({"logits_to_keep": 1} if keeps else {}),
            **self._positions((self._mask.cumsum(-1) - 1).clamp_min(0)),
        )
        self._cache, self.logits = out.past_key_values, out.logits[:, -1]

    def follow(self, rows: list[int], ids_rn: Tensor) -> Tensor:
        """[r, n, V] logits behind each of the tokens that follow the prompts `rows`."""
        prompts = self._mask[rows]
        mask = torch.cat([prompts, prompts.new_ones(ids_rn.shape)], 1)
        positions = prompts.sum(-1, keepdim=True) + torch.arange(ids_rn.shape[1], device=prompts.device)
        out = self._forward(
            self._forward.select(self._opened, rows),
            input_ids=ids_rn,
            attention_mask=mask,
            past_key_values=repeat_cache(self._cache, rows),
            use_cache=True,
            **self._positions(positions),
        )
        logits: Tensor = out.logits
        return logits

    def _positions(self, positions: Tensor) -> dict[str, Tensor]:
        return {"position_ids": positions} if self._takes_positions else {}


class _EncoderPrompts:
    """Prompts that an encoder has read, with the cache behind the decoder's start token and its logits [b, V]."""

    def __init__(self, forward: TaskForward, pad: int, questions: Sequence[LabelQuestion], start: int) -> None:
        self._forward, self.pad = forward, pad
        longest = max(len(q.prompt) for q in questions)
        ids = torch.tensor([list(q.prompt) + [pad] * (longest - len(q.prompt)) for q in questions])
        padded = [[1] * len(q.prompt) + [0] * (longest - len(q.prompt)) for q in questions]
        self._mask = torch.tensor(padded, device=forward.device)
        self._opened = forward.open([q.tasks for q in questions], self._mask)
        begin = torch.full((len(questions), 1), start)
        out = forward(
            self._opened, input_ids=ids, attention_mask=self._mask, decoder_input_ids=begin, use_cache=True
        )
        self._read = out.encoder_last_hidden_state
        self._cache, self.logits = out.past_key_values, out.logits[:, -1]

    def follow(self, rows: list[int], ids_rn: Tensor) -> Tensor:
        """[r, n, V] logits behind each of the tokens that follow the start token."""
        out = self._forward(
            self._forward.select(self._opened, rows),
            encoder_outputs=BaseModelOutput(last_hidden_state=self._read[rows]),
            attention_mask=self._mask[rows],
            decoder_input_ids=ids_rn,
            past_key_values=repeat_cache(self._cache, rows),
            use_cache=True,
        )
        logits: Tensor = out.logits
        return logits


def repeat_cache(cache: Any, rows: list[int]) -> Any:
    """A cache whose rows are copies of these rows of another one, which stays as it is."""
    twin = copy.copy(cache)
    if isinstance(cache, EncoderDecoderCache):
        twin.self_attention_cache = repeat_cache(cache.self_attention_cache, rows)
        twin.cross_attention_cache = repeat_cache(cache.cross_attention_cache, rows)
        twin.is_updated = dict(cache.is_updated)
        return twin
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in twin.layers:  # recurrent layers keep their states in dictionaries
        vars(layer).update({name: dict(kept) for name, kept in vars(layer).items() if isinstance(kept, dict)})
        layer.reorder_cache(torch.tensor(rows))
    return twin


def _padded(labels: Sequence[Sequence[int]], pad: int) -> tuple[Tensor, Tensor]:
    """[r, n] tokens padded on the right, where nothing that counts can see them; [r] their numbers."""
    width = max(map(len, labels))
    ids = torch.tensor([list(label) + [pad] * (width - len(label)) for label in labels])
    return ids, torch.tensor([len(label) for label in labels])


def _sums(logits_rnV: Tensor, ids_rn: Tensor, lengths_r: Tensor) -> list[float]:
    """Log-likelihood of each label's tokens from the second on."""
    wanted = ids_rn[:, 1:].to(logits_rnV.device)
    logits = logits_rnV.float()
    # Minus logsumexp instead of a log_softmax: no second array of the vocabulary's size.
    found = logits.gather(-1, wanted[..., None])[..., 0] - logits.logsumexp(-1)
    # Shorter labels of the part are padded; what the model says there counts for nobody.
    inside = torch.arange(1, ids_rn.shape[1])[None, :] < lengths_r[:, None]
    sums: list[float] = (found.cpu().double() * inside).sum(-1).tolist()
    return sums
