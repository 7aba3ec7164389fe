"""One answer being written: its next token, when it ends, and how likely its tokens were.

Legend: b questions, n tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.models.forward import Blend

END, LIMIT, STOPPED = "end", "limit", "stopped"
SCORED_TOGETHER = 128  # tokens of a prompt whose V probabilities are held at a time


@dataclass(frozen=True)
class Scored:
    """A token, the logarithm of its probability (None: nothing stands before it), and the likeliest with theirs."""

    token: int
    logprob: float | None
    likely: list[tuple[int, float]]


@dataclass
class Answer:
    """One answer being written. `prompt` holds token ids; `finished` says why it ended (end, limit, stopped).
    `blend`: rows of the allocation with their shares, where the answer is to mix several; else {}.
    `allowed`: the tokens that may follow the tokens so far, where not every token may. `num_likely`: how many of
    the likeliest tokens `scores` tells beside each token written; None: there are no scores."""

    number: int
    task: int
    prompt: list[int]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    blend: Blend = field(default_factory=dict)
    allowed: Callable[[tuple[int, ...]], list[int]] | None = None
    tokens: list[int] = field(default_factory=list)
    finished: str | None = None
    num_likely: int | None = None
    scores: list[Scored] = field(default_factory=list)
    random: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = torch.Generator().manual_seed(self.seed)

    @property
    def tasks(self) -> Blend:
        """The tasks that it is answered as, with their shares."""
        return self.blend or {self.task: 1.0}

    def choose(self, logits_V: Tensor) -> int:
        """The next token from its logits."""
        if self.allowed is None:
            return choose_token(logits_V, self.temperature, self.top_p, self.random)
        tokens = self.allowed(tuple(self.tokens))
        return tokens[choose_token(logits_V[tokens], self.temperature, self.top_p, self.random)]

    def take(self, token: int, ends: frozenset[int], logits_V: Tensor) -> None:
        """One token more; an end token ends the answer and is not kept."""
        if token in ends:
            self.finished = END
            return
        self.tokens.append(token)
        if self.num_likely is not None:
            self.scores += score_tokens(logits_V[None], [token], self.num_likely)
        if len(self.tokens) >= self.max_new_tokens:
            self.finished = LIMIT


def choose_token(logits_V: Tensor, temperature: float, top_p: float, random: torch.Generator) -> int:
    """The likeliest token at temperature 0, else a draw from the smallest set of tokens with probability top_p."""
    if temperature <= 0:
        return int(logits_V.argmax())
    probability, order = torch.softmax(logits_V.float().cpu() / temperature, -1).sort(descending=True)
    if top_p < 1:
        before = probability.cumsum(-1) - probability
        probability = torch.where(before < top_p, probability, torch.zeros_like(probability))
    return int(order[torch.multinomial(probability, 1, generator=random)])


def take_all(answers: list[Answer], logits_bV: Tensor, ends: frozenset[int]) -> None:
    """The next token of every answer. Where all take the likeliest one, the device is waited for once."""
    if all(a.temperature <= 0 and a.allowed is None for a in answers):
        tokens = logits_bV.argmax(-1).tolist()
    else:
        tokens = [answer.choose(row) for answer, row in zip(answers, logits_bV, strict=True)]
    for answer, token, row in zip(answers, tokens, logits_bV, strict=True):
        answer.take(token, ends, row)


def score_tokens(logits_nV: Tensor, tokens: Sequence[int], num_likely: int) -> list[Scored]:
    """How likely each token was, at temperature 1, and the likeliest ones in its place."""
    found: list[Scored] = []
    for start in range(0, len(tokens), SCORED_TOGETHER):
        part = torch.log_softmax(logits_nV[start : start + SCORED_TOGETHER].float(), -1)
        chosen = torch.tensor(tokens[start : start + SCORED_TOGETHER], device=part.device)
        own = part.gather(-1, chosen[:, None])[:, 0].tolist()
        best, which = part.topk(num_likely, -1)
        likely = [list(zip(*pair, strict=True)) for pair in zip(which.tolist(), best.tolist(), strict=True)]
        found += [Scored(*values) for values in zip(chosen.tolist(), own, likely, strict=True)]
    return found
