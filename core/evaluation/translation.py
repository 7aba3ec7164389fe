"""BLEU and chrF by sacrebleu, brought to the form of the other metrics: sufficient statistics per answer.

Sources: Papineni et al. 2002 and Post 2018 (BLEU, 4-grams, exponential smoothing, tokenizer 13a, characters for
CJK); Popović 2015 (chrF, 6-grams, beta 2). Values are divided by 100.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics import BLEU, CHRF

Array = NDArray[np.float64]  # as in metrics.py, which loads this file on first use
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


def _tokenizer(references: Sequence[str]) -> str:
    with_cjk = sum(bool(_CJK.search(text)) for text in references)
    return "zh" if with_cjk * 2 > len(references) else "13a"


def _rows(scorer: Any, predictions: Sequence[str], references: Sequence[str]) -> Array:
    # sacrebleu keeps these statistics for its own bootstrap; there is no public way to ask for them.
    rows = scorer._extract_corpus_statistics(list(predictions), [list(references)])
    return np.array(rows, dtype=np.float64)


def bleu_rows(predictions: Sequence[str], references: Sequence[str]) -> Array:
    return _rows(BLEU(tokenize=_tokenizer(references)), predictions, references)


def bleu_values(sums: Array) -> Array:
    scorer = BLEU()
    return np.array([_of_sums(scorer, row) for row in sums])


def chrf_rows(predictions: Sequence[str], references: Sequence[str]) -> Array:
    return _rows(CHRF(), predictions, references)


def chrf_values(sums: Array) -> Array:
    scorer = CHRF()
    return np.array([_of_sums(scorer, row) for row in sums])


def _of_sums(scorer: Any, sums: Array) -> float:
    return float(scorer._compute_score_from_stats([round(s) for s in sums]).score) / 100.0
