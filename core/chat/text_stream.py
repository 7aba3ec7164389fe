"""Tokens as text while they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TextStream:
    """Turns token ids into text as they come; half a character (a Chinese one may span tokens) waits. `behind`: the
    tokens that the text goes on from, so that a blank between them and the text is kept."""

    def __init__(self, tokenizer: Any, behind: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._tokens = list(behind)
        self._start = 0  # tokens before this one no longer change how later ones are spelled
        self._shown = len(self._tokens)  # tokens before this one are text already
        self.text = ""

    def push(self, tokens: list[int], is_last: bool = False) -> str:
        """New text after these tokens; with `is_last` also what waited."""
        self._tokens += tokens
        before = self._decode(self._tokens[self._start : self._shown])
        now = self._decode(self._tokens[self._start :])
        if now.endswith("�") and not is_last:
            return ""
        new = now[len(before) :]
        if len(self._tokens) - self._shown > 0 and new:
            self._start, self._shown = self._shown, len(self._tokens)
        self.text += new
        return new

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
