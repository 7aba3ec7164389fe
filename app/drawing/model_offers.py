"""The base models of the catalogue as the choices of a field."""

from __future__ import annotations

from collections.abc import Iterable

from app.texts import say_or
from core.models.known_models import CATALOGUE, BaseModelInfo
from core.models.offers import ModelOffer


def model_offers() -> list[tuple[str, str]]:
    """The base models of the catalogue as choices of a field, before anything is known of this machine."""
    return [(say_or(f"model.{m.model_id}", f"{m.title} · {m.licence}"), m.model_id) for m in CATALOGUE]


def base_choices(offers: Iterable[ModelOffer], folders: Iterable[str]) -> list[tuple[str, str]]:
    """(label, value) of all base models that a plan can name: catalogue, store, then folders of earlier runs."""
    worded, added = {value: label for label, value in model_offers()}, []
    for offer in offers:
        parts = dict.fromkeys((offer.name, offer.title, offer.licence))  # what a user added goes by the user's name
        added.append((worded.get(offer.name) or " · ".join(filter(None, parts)), offer.name))
    return [*added, *((folder, folder) for folder in folders)]


def model_title(model: BaseModelInfo) -> str:
    """Models have the names their makers gave them; what is ours, the starter, is worded."""
    return say_or(f"model.{model.model_id}", model.title)


def word_known_title(title: str) -> str:
    """The same where only the title is at hand."""
    return next((model_title(model) for model in CATALOGUE if model.title == title), title)
