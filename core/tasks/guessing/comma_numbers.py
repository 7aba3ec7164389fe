"""One comma between digits: '3,1' is a number with a decimal comma, or the codes 3 and 1."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_ONE_COMMA = re.compile(r"(\D{0,3})(\d[\d .'’\u00a0\u202f]*),(\d+)(\D{0,4})")
_SEVERAL_COMMAS = re.compile(r"\d{1,2}(?:,\d{1,2}){2,}")
_NO_DIGIT = re.compile(r"\D")
_MOST = 0.9  # of the cells with a comma
_EXPECTED = 3.0  # cells with a digit twice that chance would bring; codes bring none
_SOME = 0.3  # of those, from which they are no slips


@dataclass(frozen=True)
class CommaNumbers:
    """The cells of a column with one comma between digits: what stands before and behind it, of each."""

    pairs: tuple[tuple[str, str], ...]
    num_marked: int  # cells with more than digits and a comma: a unit, a sign, a currency

    @property
    def num_repeated(self) -> int:
        """Cells with the same digits on both sides: '2,2'. A code is written once."""
        return sum(a == b for a, b in self.pairs)

    @property
    def expected_repeats(self) -> float:
        """As many would be by chance if the two sides had nothing to do with each other, as in numbers."""
        front, behind = (Counter(side) for side in zip(*self.pairs, strict=True))
        return sum(front[part] * behind[part] for part in front) / len(self.pairs)

    @property
    def width(self) -> int:
        """Digits behind the comma, of most."""
        return Counter(len(b) for _, b in self.pairs).most_common(1)[0][0]

    def is_one_list(self, answers: Sequence[str]) -> bool:
        """Whether both sides are of one list, as codes are: most of what stands behind a comma stands before one or
        alone elsewhere. The 99 of '4,99' does not."""
        others = {a for a, _ in self.pairs}.union(a for a in answers if "," not in a)
        return sum(b in others for _, b in self.pairs) >= 0.5 * len(self.pairs)

    @property
    def are_sure(self) -> bool:
        """Nothing but numbers, whatever the column is called: most have a unit, or as many cells repeat digits as
        chance would bring, or the front is longer than a code behind the comma."""
        if self.num_marked > 0.5 * len(self.pairs):
            return True
        if self.num_repeated >= 2 and self.num_repeated >= _SOME * self.expected_repeats:
            return True
        return sum(len(a) > self.width for a, _ in self.pairs) > 0.5 * len(self.pairs)

    @property
    def are_likely(self) -> bool:
        """More likely numbers than codes, which are written in order, each once, and not the same one in each."""
        if self.num_repeated == 0 and self.expected_repeats >= _EXPECTED:
            return False
        if self.width > 1:
            return True
        out_of_order = sum(int(a[:15]) >= int(b[:15]) for a, b in self.pairs)
        (_, same), *_ = Counter(b for _, b in self.pairs).most_common(1)
        return out_of_order >= 0.2 * len(self.pairs) or (same >= _MOST * len(self.pairs) > 2)


def find_comma_numbers(answers: Sequence[str]) -> CommaNumbers | None:
    """The cells that may be numbers; None where the cells with a comma are something else, such as lists of three
    codes, or have as many digits behind it as comes."""
    with_comma = [a for a in answers if "," in a]
    found = [m for m in map(_ONE_COMMA.fullmatch, with_comma) if m]
    if not found or len(found) < _MOST * len(with_comma) or any(map(_SEVERAL_COMMAS.fullmatch, with_comma)):
        return None
    numbers = CommaNumbers(
        tuple((_NO_DIGIT.sub("", m[2]), m[3]) for m in found), sum(bool((m[1] + m[4]).strip()) for m in found)
    )
    same_width = sum(len(b) == numbers.width for _, b in numbers.pairs)
    return numbers if same_width >= _MOST * len(numbers.pairs) else None
