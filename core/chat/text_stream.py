"""Tokens as text while they come."""

from __future__ import annotations

from typing import Any


class TextStream:
    """Turns token ids into text as they come; half a character (a Chinese one may span tokens) waits."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._start = 0  # tokens before this one no longer change how later ones are spelled
        self._shown = 0  # tokens before this one are text already
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
