"""Two spellings of one label, and slips of the pen: what may be merged with one click, and what is only pointed at.

Labels that differ by a sign (-1 and 1, A+ and A, C and C++), by a decimal point (1.0 and 10) or by the case of a
single letter (A and a) are different labels. The same number written twice (2 and 2.0) is one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

MAX_COMPARED = 400
SLIP_RATIO = 10  # the commoner name comes this many times as often
SHORTEST = 6  # letters of a word in which a slip is looked for
_HIDDEN = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]")
_DASHES = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63]")
_QUOTES = str.maketrans("‘’‚‛`´“”„«»", "''''''\"\"\"\"\"")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(?:[.,]\d+)?")  # '02' is a code: its zero is not lost here
_SOFT = re.compile(
    r"(?<=[^\W\d_])[\s_'.-]+(?=[^\W\d_])"
)  # marks between two letters: card_lost, card-lost, card lost
_YES_NO = frozenset(["no", "ja", "da", "si", "sí", "ok", "ne", "на", "не", "да"])

Pair = tuple[str, str]  # (rarer, commoner)


def alike_labels(counts: Counter[str]) -> list[Pair]:
    """(rarer, commoner) pairs that are one label written twice: by case, blanks, letter width, dashes, quotes,
    marks between letters, or the same number."""
    owners: dict[str, str] = {}
    pairs = []
    for label, _ in counts.most_common():
        owner = owners.setdefault(_plain(label), label)
        if owner != label:
            pairs.append((label, owner))
    return pairs


def label_slips(counts: Counter[str]) -> list[Pair]:
    """(rare, common) pairs that a slip of the pen may explain: inside a word a letter doubled, lost or changed, or
    two swapped. Whether they are one label only a person can say: 'adsorption' is none of 'absorption'."""
    labels = [label for label, _ in counts.most_common()]
    if len(labels) > MAX_COMPARED:
        return []
    taken = {rare for rare, _ in alike_labels(counts)}
    pairs = []
    for number, label in enumerate(labels):
        for other in labels[:number]:
            rare = counts[label] * SLIP_RATIO <= counts[other]
            if rare and label not in taken and _is_slip(_plain(label), _plain(other)):
                pairs.append((label, other))
                taken.add(label)
    return pairs


def shown_pairs(pairs: Iterable[Pair], most: int) -> str:
    return "; ".join(f"{a!r} / {b!r}" for a, b in list(pairs)[:most])


def _plain(label: str) -> str:
    """One text for all spellings of a label."""
    text = unicodedata.normalize("NFC", _folded_width(_HIDDEN.sub("", label)))
    text = " ".join(_DASHES.sub("-", text.translate(_QUOTES)).split())
    if _NUMBER.fullmatch(text):
        return _plain_number(text)
    small = text.casefold()
    if len(text) < 3 and small not in _YES_NO:
        return text
    return _SOFT.sub(" ", small)


def _folded_width(text: str) -> str:
    """Full-width and half-width forms as usual ones; superscripts and other compatibility forms stay."""
    if text.isascii():
        return text
    kinds = ("<wide>", "<narrow>")
    return "".join(
        unicodedata.normalize("NFKC", c) if unicodedata.decomposition(c).startswith(kinds) or c == "\u3000" else c
        for c in text
    )


def _plain_number(text: str) -> str:
    """'2.0' and '2' alike, '2,5' and '2.5' too; a sign stays, and 1,000 is not taken for 1."""
    whole, _, part = text.replace(",", ".").partition(".")
    if "," in text and len(part) == 3:
        return text
    part = part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def _is_slip(a: str, b: str) -> bool:
    """One word differs, by a letter inside it; the others are the same."""
    words, others = a.split(), b.split()
    if len(words) != len(others):
        return False
    different = [(x, y) for x, y in zip(words, others, strict=True) if x != y]
    return len(different) == 1 and _is_slip_of_word(*different[0])


def _is_slip_of_word(a: str, b: str) -> bool:
    if min(len(a), len(b)) < SHORTEST or abs(len(a) - len(b)) > 1 or any(not c.isalpha() for c in a + b):
        return False
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    x, y = a[start:], b[start:]
    longer = a if len(a) > len(b) else b
    if len(a) != len(b) and (x[1:] == y or x == y[1:]) and longer[start : start + 1] == longer[start - 1 : start]:
        return True  # a letter doubled, at the end too
    if (
        start == 0 or not x[1:] or not y[1:]
    ):  # a first or a last letter more makes another word: a-typical, refund-s
        return False
    return x[1:] == y[1:] or x[1:] == y or x == y[1:] or (x[:2] == y[1::-1] and x[2:] == y[2:])
