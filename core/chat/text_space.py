"""Texts as rows of numbers in which likeness is a product: weighted n-grams, no word lists, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.evaluation.normalise import words

Array = NDArray[np.float64]
CHARACTERS, WORDS = "characters", "words"
LONGEST = 4  # characters of an n-gram
NUM_FEATURES = 2**18
HALF = 300  # characters kept from the beginning and from the end of a long text
SHARP = 3  # how many of the most similar rows tell how alike a text is


class TextSpace:
    """TF-IDF over hashed n-grams with sublinear counts (Manning et al. 2008, ch. 6).

    Hashed, not listed: an n-gram that no known text has still takes its share of a new text's length, and so makes
    the text less like the known ones.

    Args:
        unit: CHARACTERS (up to 4 in a row) or WORDS, as scores count them. known: what the rarity is counted over.
    """

    def __init__(self, unit: str, known: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self._count = HashingVectorizer(
            analyzer="char" if unit == CHARACTERS else words,
            ngram_range=(1, LONGEST),
            n_features=NUM_FEATURES,
            alternate_sign=False,
            norm=None,
            dtype=np.float32,
        )
        counts = self._count.transform(map(shorten, known))
        self._weigh = TfidfTransformer(sublinear_tf=True).fit(counts)
        self.known = self._weigh.transform(counts)  # [known, features], rows of length 1

    @property
    def rarity(self) -> Array:
        """[features] what an n-gram counts, the more the fewer known texts have it."""
        return np.asarray(self._weigh.idf_, dtype=np.float64)

    def place(self, texts: Sequence[str]) -> Any:
        """[texts, features], a sparse matrix whose rows have the length 1 (0 for a text without an n-gram)."""
        return self._weigh.transform(self._count.transform(map(shorten, texts)))


def shorten(text: str) -> str:
    """Beginning and end of a long text: more of it changes nothing but the waiting time."""
    return text if len(text) <= 2 * HALF else f"{text[:HALF]} {text[-HALF:]}"


def nearest(likeness: Array) -> Array:
    """[n, rows] -> [n] mean of the SHARP largest likenesses; 0 where there is nothing to be like."""
    count = min(SHARP, likeness.shape[1])
    if not count:
        return np.zeros(len(likeness))
    best: Array = np.partition(likeness, -count, axis=1)[:, -count:]
    return np.maximum(best, 0.0).mean(1).astype(np.float64)
