"""A prompt that knows where the texts of its columns stand, so that a prompt that is too long can give way there.

What gives way: the middle of the longest column first, down to the next longest, and so on; the instruction, the
template's own words and short columns (such as a question beside its passage) stay. GAP stands where text
is missing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

Value = tuple[str, int, int]  # column, where its text begins and ends in the prompt
GAP = " … "
_NEAR = 16  # characters in which a blank is looked for, so that no word is cut


class Prompt(str):
    """Text with the places of its `values`; everywhere else it is an ordinary string."""

    values: tuple[Value, ...]

    def __new__(cls, text: str, values: Iterable[Sequence[Any]] = ()) -> Prompt:
        prompt = super().__new__(cls, text)
        prompt.values = tuple((str(name), int(begin), int(end)) for name, begin, end in values)
        return prompt

    def __reduce__(self) -> tuple[Any, ...]:
        return Prompt, (str(self), self.values)

    def behind(self, place: int) -> Prompt:
        """The prompt from a place on."""
        moved = ((name, max(0, begin - place), end - place) for name, begin, end in self.values if end > place)
        return Prompt(str(self)[place:], moved)

    def below(self, head: str) -> Prompt:
        """The prompt with a head in front."""
        size = len(head)
        return Prompt(head + str(self), ((name, begin + size, end + size) for name, begin, end in self.values))

    def shortened(self, kept: Sequence[int]) -> Prompt:
        """Every value reduced to so many characters, from both of its ends."""
        parts: list[str] = []
        values: list[Value] = []
        last = size = 0
        for (name, begin, end), keep in zip(self.values, kept, strict=True):
            text = str(self)[begin:end]
            text = text if keep >= len(text) else both_ends(text, keep)
            between = str(self)[last:begin]
            begin_now = size + len(between)
            size = begin_now + len(text)
            values.append((name, begin_now, size))
            parts += [between, text]
            last = end
        return Prompt("".join(parts) + str(self)[last:], values)


def both_ends(text: str, keep: int) -> str:
    """About `keep` characters of a text: its beginning and its end, cut at blanks where some are near."""
    head, tail = text[: (keep + 1) // 2], text[len(text) - keep // 2 :] if keep > 1 else ""
    blank = max(head.rfind(" "), head.rfind("\n"))
    if blank >= len(head) - _NEAR > 0:
        head = head[:blank]
    blank = min((place for place in (tail.find(" "), tail.find("\n")) if place >= 0), default=-1)
    if 0 <= blank < _NEAR < len(tail):
        tail = tail[blank + 1 :]
    while tail and unicodedata.category(tail[0])[0] == "M":  # a mark needs its letter
        tail = tail[1:]
    return f"{head.rstrip()}{GAP}{tail.lstrip()}".strip()


def level_down(sizes: Sequence[int], total: int) -> list[int]:
    """Sizes reduced to `total` by lowering the largest to one level, as water finds it; the small ones stay."""
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    left, found = max(0, total), list(sizes)
    for number, index in enumerate(order):
        share = left // (len(order) - number)
        found[index] = min(sizes[index], share)
        left -= found[index]
    return found
