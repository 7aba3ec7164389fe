"""About how many tokens a text has, where no tokenizer is at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.tasks.reading.scripts import CJK


def estimate_tokens(text: str) -> int:
    """About how many tokens a base model makes of a text: 4 letters each, a Chinese character one."""
    if text.isascii():
        return len(text) // 4 + 1
    wide = len(CJK.findall(text))
    return wide + (len(text) - wide) // 4 + 1


def estimate_all(texts: Sequence[str]) -> list[int]:
    return [estimate_tokens(text) for text in texts]


class EstimatedTokens:
    """Stands in for a tokenizer where only numbers of tokens are asked for."""

    all_special_tokens: tuple[str, ...] = ()
    bos_token_id = eos_token_id = 0
    chat_template = "estimated"

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [0] * estimate_tokens(text)}

    def apply_chat_template(self, messages: Sequence[Mapping[str, str]], **_: Any) -> str:
        """The turns with marks around each, of about three tokens."""
        return "".join(f"<|{m['role']:_<8}|>{m['content']}<|e|>" for m in messages)
