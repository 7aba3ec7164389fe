"""The base models of the catalogue as the choices of a field."""

from __future__ import annotations

from app.texts import TEXTS, say_or
from app.texts.words import Key
from core.models.known_models import CATALOGUE, BaseModelInfo


def model_offers() -> list[tuple[str, str]]:
    """The base models of the catalogue as choices of a field."""
    return [
        (Key(key) if (key := f"model.{m.model_id}") in TEXTS["en"] else f"{m.title} · {m.licence}", m.model_id)
        for m in CATALOGUE
    ]


def model_title(model: BaseModelInfo) -> str:
    """Models have the names their makers gave them; what is ours, the starter, is worded."""
    return say_or(f"model.{model.model_id}", model.title)


def word_known_title(title: str) -> str:
    """The same where only the title is at hand."""
    return next((model_title(model) for model in CATALOGUE if model.title == title), title)
