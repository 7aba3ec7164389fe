"""About how many tokens a text has, where no tokenizer is at hand."""

from __future__ import annotations

from collections.abc import Sequence

from core.tasks.reading.scripts import CJK


def estimate_tokens(text: str) -> int:
    """About how many tokens a base model makes of a text: 4 letters each, a Chinese character one."""
    if text.isascii():
        return len(text) // 4 + 1
    wide = len(CJK.findall(text))
    return wide + (len(text) - wide) // 4 + 1


def estimate_all(texts: Sequence[str]) -> list[int]:
    return [estimate_tokens(text) for text in texts]
