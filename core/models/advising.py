"""Which base model suits texts, by what its makers say it was made for and by the letters the texts are written in.

No score is promised: what a model reaches on a project is known when it was trained. Torch-free.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.models.offers import RECOMMENDED, TO_FETCH, ModelOffer

MANY_LANGUAGES = ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen3-0.6B", "gemma-3-270m")
LATIN, OTHER = "latin", "other"
_ENOUGH = 0.05  # of the letters; names and signs of another script stay below


@dataclass(frozen=True)
class BaseAdvice:
    """The name of a base model and why: `latin` or `other` letters; `share` of the letters that are not Latin."""

    name: str
    reason: str
    share: float


def advise_base(texts: Iterable[str], offers: Sequence[ModelOffer]) -> BaseAdvice:
    """The English model for Latin letters; for others one of many languages, one that is here already first."""
    share = foreign_share(texts)
    if share < _ENOUGH:
        return BaseAdvice(RECOMMENDED, LATIN, share)
    here = [offer.name for offer in offers if offer.state != TO_FETCH]
    found = next((name for name in MANY_LANGUAGES if name in here), MANY_LANGUAGES[-1])
    return BaseAdvice(found, OTHER, share)


def foreign_share(texts: Iterable[str]) -> float:
    """The share of letters that no Latin alphabet has; 0 where there are no letters."""
    letters = [c for text in texts for c in text if c.isalpha()]
    foreign = sum(1 for c in letters if not unicodedata.name(c, "").startswith("LATIN"))
    return foreign / len(letters) if letters else 0.0
