"""Near-duplicates among many texts: MinHash of word pairs, bands, then the true overlap of each candidate.

Broder 1997 (resemblance), Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, section 3.4 (banding).
20 hashes in 5 bands of 4: a pair of overlap 0.8 becomes a candidate with probability 0.93, of 0.9 with 0.995.
Shapes: R texts, W word pairs of all texts of a chunk, H hashes.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

NUM_HASHES, NUM_BANDS = 20, 5
THRESHOLD = 0.8
MIN_TOKENS = 4  # shorter texts are alike too easily
CHUNK_ROWS = 4_000  # its word pairs stay in the processor's cache
MAX_RUN = 200  # texts of one bucket compared with its first ones
_TOKENS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_PLAIN = bytes(ord(chr(c).lower()) if chr(c).isalnum() and c < 128 else 32 for c in range(256))

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]


def tokens(text: str) -> list[str]:
    """Words in small letters; every Chinese, Japanese or Korean character is a word."""
    if text.isascii():
        return text.encode("ascii").translate(_PLAIN).decode("ascii").split()
    return _TOKENS.findall(text.lower())


class _Numbering(dict[str, int]):
    """Word -> a number of its letters, looked up but once. It does not depend on what was seen before: a report on
    all tasks and a fix of one of them find the same rows."""

    def __missing__(self, word: str) -> int:
        number = self[word] = zlib.crc32(word.encode("utf-8", "replace"))
        return number


class NearIndex:
    """Signatures of texts; a text has the same one whatever stands beside it."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._a = rng.integers(1, 1 << 32, NUM_HASHES, dtype=np.uint32) | np.uint32(1)
        self._b = rng.integers(0, 1 << 32, NUM_HASHES, dtype=np.uint32)
        self._words = _Numbering()

    def signatures(self, texts: Sequence[str]) -> U32:
        """[R, H]; texts of fewer than MIN_TOKENS words get a row of zeros and match nothing."""
        found = np.zeros((len(texts), NUM_HASHES), dtype=np.uint32)
        for start in range(0, len(texts), CHUNK_ROWS):
            self._fill(found[start : start + CHUNK_ROWS], texts[start : start + CHUNK_ROWS])
        return found

    def _fill(self, rows: U32, texts: Sequence[str]) -> None:
        numbers: list[int] = []
        lengths = np.zeros(len(texts), dtype=np.int64)
        number_of = self._words.__getitem__
        for index, text in enumerate(texts):
            words = tokens(text)
            if len(words) >= MIN_TOKENS:
                numbers += map(number_of, words)
                lengths[index] = len(words)
        used = np.flatnonzero(lengths)
        if not len(used):
            return
        words_W = _mixed(np.asarray(numbers, dtype=np.uint64))
        pairs_W = _mixed(words_W[:-1] * np.uint64(3) + words_W[1:])
        ends = np.cumsum(lengths[used])
        keep = np.ones(len(pairs_W), dtype=bool)
        keep[ends[:-1] - 1] = False  # pairs across two texts
        starts = np.concatenate(([0], np.cumsum(lengths[used] - 1)[:-1]))
        kept_W = (pairs_W[keep] >> np.uint64(32)).astype(np.uint32)  # well mixed, so half of the bits will do
        hashed = np.empty_like(kept_W)
        for h in range(NUM_HASHES):
            np.multiply(kept_W, self._a[h], out=hashed)
            np.add(hashed, self._b[h], out=hashed)
            rows[used, h] = np.maximum(np.minimum.reduceat(hashed, starts), 1)


def _mixed(values: U64) -> U64:
    """splitmix64's finaliser: neighbouring numbers become unrelated ones."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def near_pairs(
    texts: Sequence[str],
    signatures: U32,
    threshold: float = THRESHOLD,
    wanted: Callable[[int, int], bool] | None = None,
) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, whose word pairs overlap (Jaccard) by the threshold or more; each found once. Pairs that
    are not `wanted` are not looked at.

    In a bucket of more than MAX_RUN texts every text is compared with its neighbour and the first one only.
    """
    seen: set[tuple[int, int]] = set()
    found = []
    shingles: dict[int, frozenset[tuple[str, str]]] = {}
    for pair in _candidates(signatures):
        if pair in seen:
            continue
        seen.add(pair)
        if wanted is not None and not wanted(*pair):
            continue
        if _overlap(*(_shingles(texts, i, shingles) for i in pair)) >= threshold:
            found.append(pair)
    return sorted(found)


def _candidates(signatures: U32) -> Iterator[tuple[int, int]]:
    width = NUM_HASHES // NUM_BANDS
    usable = np.flatnonzero(signatures[:, 0])
    for band in range(NUM_BANDS):
        part = signatures[usable, band * width : (band + 1) * width].astype(np.uint64)
        key = np.zeros(len(usable), dtype=np.uint64)
        for column in range(width):
            key = _mixed(key * np.uint64(31) + part[:, column])
        order = np.argsort(key, kind="stable")
        sorted_key = key[order]
        same = np.flatnonzero(sorted_key[1:] == sorted_key[:-1])  # places whose neighbour to the right is equal
        for block in np.split(same, np.flatnonzero(np.diff(same) > 1) + 1) if len(same) else []:
            yield from _pairs_of_run([int(i) for i in usable[order[block[0] : block[-1] + 2]]])


def _pairs_of_run(run: list[int]) -> Iterator[tuple[int, int]]:
    if len(run) <= 12:
        yield from ((a, b) for n, a in enumerate(run) for b in run[n + 1 :])
        return
    for n in range(1, len(run)):
        yield run[n - 1], run[n]
        if n < MAX_RUN:
            yield run[0], run[n]


def _shingles(
    texts: Sequence[str], index: int, known: dict[int, frozenset[tuple[str, str]]]
) -> frozenset[tuple[str, str]]:
    if index not in known:
        known[index] = _word_pairs(texts[index])
    return known[index]


def _word_pairs(text: str) -> frozenset[tuple[str, str]]:
    return frozenset(itertools.pairwise(tokens(text)))


def text_overlap(a: str, b: str) -> float:
    """Jaccard overlap of the word pairs of two texts, 0 to 1; single words must be the same."""
    one, other = _word_pairs(a), _word_pairs(b)
    return _overlap(one, other) if one or other else float(tokens(a) == tokens(b))


def _overlap(a: frozenset[tuple[str, str]], b: frozenset[tuple[str, str]]) -> float:
    union = len(a | b)
    return len(a & b) / union if union else 0.0
