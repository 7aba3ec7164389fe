"""Texts that end an answer where they appear; the answer goes up to them."""

from __future__ import annotations

from collections.abc import Sequence


class StopWords:
    """Looks for stop words in a text that comes in pieces. What may be the beginning of one waits."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [word for word in words if word]
        self._waiting = ""
        self.found = False

    def push(self, piece: str, is_last: bool = False) -> str:
        """-> what of the text so far may be shown; nothing any more once a stop word was found."""
        if self.found or not self._words:
            return "" if self.found else piece
        text = self._waiting + piece
        places = [place for place in map(text.find, self._words) if place >= 0]
        if places:
            self.found, self._waiting = True, ""
            return text[: min(places)]
        kept = 0 if is_last else max(_begun(text, word) for word in self._words)
        self._waiting = text[len(text) - kept :]
        return text[: len(text) - kept]


def _begun(text: str, word: str) -> int:
    """How many of the last characters are the beginning of the word."""
    longest = min(len(text), len(word) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(word[:n])), 0)
