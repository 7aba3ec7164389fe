"""English wording of every error, problem and sentence of core: key -> (what happened, what to do)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.messages.locales import load_pairs, load_texts
from core.messages.plural import fill_text

Wording = tuple[str, str]
MESSAGES = load_pairs("en", "messages")
_DURING = "during."  # keys of what a run does in a stage, said inside other sentences


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def fill(wording: Wording, values: Mapping[str, Any]) -> Wording:
    """Puts the values into a wording; a missing one stays visible as {name}: an error path never raises."""
    blank = _Blank(values)
    return fill_text(wording[0], blank), fill_text(wording[1], blank)


def stage_word(stage: str | None) -> str:
    """What a run does in a stage, '' for an unknown one and for a run that waits for its turn (None)."""
    return load_texts("en", "screens/runs").get(f"{_DURING}{stage}", "")


@dataclass(frozen=True)
class Sentence:
    """One statement: a key that every language words, and its values, which may be statements themselves."""

    key: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return english(self.key, self.values)[0]


def word(said: Sentence, language: str) -> str:
    """A statement in a language, for documents that leave the workbench; English where the language lacks it."""
    if language == "en":
        return said.text
    wording = load_pairs(language, "messages").get(said.key) or MESSAGES[said.key]
    inner = {n: word(v, language) if isinstance(v, Sentence) else v for n, v in said.values.items()}
    return fill(wording, inner)[0]


def english(key: str, values: Mapping[str, Any]) -> Wording:
    """What happened and what to do, for a key of core."""
    stage = stage_word(str(values["stage"])) if "stage" in values else ""
    worded = {name: said.text if isinstance(said, Sentence) else said for name, said in values.items()}
    return fill(MESSAGES[key], {**worded, "stage": stage} if stage else worded)
