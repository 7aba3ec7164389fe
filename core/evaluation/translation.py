"""BLEU and chrF by sacrebleu, brought to the form of the other metrics: sufficient statistics per answer.

Sources: Papineni et al. 2002 and Post 2018 (BLEU, 4-grams, exponential smoothing, tokenizer 13a; characters
for scripts without spaces); Popović 2015 (chrF, 6-grams, beta 2). Values are divided by 100.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import regex
from sacrebleu.metrics import BLEU, CHRF

from core.evaluation.intervals import Array
from core.evaluation.normalise import is_spaceless

_CHINESE, _WORDS, _CHARACTERS = "zh", "13a", "char"
_HAN_OR_KANA = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")


def _tokenizer(references: Sequence[str]) -> str:
    """sacrebleu's `zh` leaves Latin words whole; it knows no other script without spaces."""
    spaceless = sum(map(is_spaceless, references))
    if spaceless * 2 <= len(references):
        return _WORDS
    return _CHINESE if sum(bool(_HAN_OR_KANA.search(t)) for t in references) * 2 > spaceless else _CHARACTERS


def _rows(scorer: Any, predictions: Sequence[str], references: Sequence[str]) -> Array:
    # sacrebleu keeps these statistics for its own bootstrap; there is no public way to ask for them.
    answers, wanted = (
        [unicodedata.normalize("NFC", text) for text in texts] for texts in (predictions, references)
    )
    rows = scorer._extract_corpus_statistics(answers, [wanted])
    return np.array(rows, dtype=np.float64)


def bleu_rows(predictions: Sequence[str], references: Sequence[str]) -> Array:
    return _rows(BLEU(tokenize=_tokenizer(references)), predictions, references)


def bleu_values(sums: Array) -> Array:
    return _values(BLEU(), sums)


def chrf_rows(predictions: Sequence[str], references: Sequence[str]) -> Array:
    return _rows(CHRF(), predictions, references)


def chrf_values(sums: Array) -> Array:
    return _values(CHRF(), sums)


def _values(scorer: Any, sums: Array) -> Array:
    """0..1 from statistics that were added up, a row each."""
    scores = [scorer._compute_score_from_stats([round(s) for s in row]).score for row in sums]
    return np.array(scores) / 100.0
