"""Every word of the interface, by key and language, from the locale files in `assets/locales`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from core.adapters.registry import METHODS
from core.base.errors import Problem, TaskloomError
from core.base.settings import SettingInfo, describe_settings
from core.messages import MESSAGES, fill
from core.messages.locales import LANGUAGES, load_pairs, load_texts
from core.training.config import RunConfig

_SKILL = re.compile(r"\b(common|private|adapter|shared|expert) (\d+)\b")
_OTHER_COLUMNS = {"own adapters": "skill.own", "(another seed)": "skill.chance"}
_NAMES_SKILLS = ("skills", "skill", "other")  # values of sentences that name skills
_LISTED = {
    "languages": "spoken",
    "kinds": "found",
}  # values of findings that list names, and where those are worded
_OF_SETTINGS = ("setting.type", "setting.low", "setting.high", "setting.choice")  # errors that name a setting
_PHRASED = ("detail", "expected", "found")  # values of errors that may hold words of core, see `phrases`
_NAME = re.compile("[A-Za-z]+")
LANGUAGE_NAMES = {"en": "English", "zh": "中文"}

TEXTS = {language: load_texts(language, "screens") for language in LANGUAGES}
ERRORS = {language: load_pairs(language, "messages") for language in LANGUAGES}
SETTINGS = {language: load_pairs(language, "settings") for language in LANGUAGES}
PHRASES = {language: load_texts(language, "phrases") for language in LANGUAGES}


def say(language: str, key: str, /, **values: Any) -> str:
    """The text of a key; a key that a language lacks falls back to English."""
    text = TEXTS[language].get(key) or TEXTS["en"][key]
    return text.format(**values) if values else text


def word_error(language: str, key: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """What happened and what to do, for an error or problem key of core."""
    wording = ERRORS[language].get(key) or MESSAGES[key]
    worded = {"purpose": f"purpose.{values.get('purpose')}", "stage": f"during.{values.get('stage')}"}
    known = {name: say(language, word) for name, word in worded.items() if word in TEXTS[language]}
    known |= {name: word_names(language, name, str(values[name])) for name in _LISTED if name in values}
    if key in _OF_SETTINGS:
        known["name"] = name_setting(language, str(values.get("name")))
    phrases = PHRASES[language]
    known |= {name: phrases[said] for name in _PHRASED if (said := str(values.get(name))) in phrases}
    return fill(wording, {**values, **known})


def word_problem(language: str, problem: Problem | TaskloomError) -> str:
    return word_whole(language, problem.key, problem.values)


def word_whole(language: str, key: str, values: Mapping[str, Any]) -> str:
    """As `word_error`, in one text; Chinese sentences follow each other without a space."""
    return ("" if language == "zh" else " ").join(part for part in word_error(language, key, values) if part)


def listing(language: str, items: Iterable[str]) -> str:
    return ("、" if language == "zh" else ", ").join(items)


def clauses(language: str, items: Iterable[str]) -> str:
    """Parts that hold commas themselves."""
    return ("；" if language == "zh" else "; ").join(items)


def word_names(language: str, value: str, text: str) -> str:
    """What core lists by name ('English 80 %, German 20 %', 'email 3, phone 1') in a language; `value` says of what
    kind the names are, other text passes unchanged."""
    group = _LISTED[value]
    return _NAME.sub(lambda found: TEXTS[language].get(f"{group}.{found[0]}", found[0]), text)


def word_skills(language: str, text: str) -> str:
    """Names of skills ('common 1, private 2') in a language; other text passes unchanged."""
    if text in _OTHER_COLUMNS:
        return say(language, _OTHER_COLUMNS[text])
    return _SKILL.sub(lambda found: say(language, f"skill.{found[1]}", n=found[2]), text)


def word_sentence(language: str, key: str, values: Mapping[str, Any]) -> str:
    """A sentence of core about a table, with the names of skills in the user's language."""
    named = {k: word_skills(language, v) if k in _NAMES_SKILLS else v for k, v in values.items()}
    if "skills" in named:
        named["skills"] = listing(language, str(named["skills"]).split(", "))
    return word_error(language, key, named)[0]


def word_method(language: str, name: str) -> str:
    """The title of an adapter method; one that a language has no words for keeps its own."""
    if f"method.{name}" in TEXTS[language]:
        return say(language, f"method.{name}")
    return METHODS.get(name).title if name in METHODS else name


def word_setting(language: str, info: SettingInfo) -> tuple[str, str]:
    """Label (with its unit) and help of a setting."""
    label, explained = SETTINGS[language].get(info.name) or (info.label, info.help)
    unit = say(language, f"unit.{info.unit}") if info.unit and f"unit.{info.unit}" in TEXTS[language] else info.unit
    return (f"{label} ({unit})" if unit else label), explained


@lru_cache(maxsize=1)
def _known_settings() -> dict[str, SettingInfo]:
    """By name; of settings that methods share, as the first method, the default one, calls them."""
    classes = [RunConfig, *(method.config_class for method in METHODS)][::-1]
    return {info.name: info for cls in classes for info in describe_settings(cls)}


def name_setting(language: str, name: str) -> str:
    """A setting as its field is labelled, with what a config calls it: 'Rank of a skill (rank)'."""
    info = _known_settings().get(name)
    if info is None:
        return name
    label = (SETTINGS[language].get(name) or (info.label,))[0]
    return say(language, "form.named", label=label, name=name)


def word_choice(language: str, name: str, value: str) -> str:
    """One choice of a setting; a choice without words (of a method that was added) keeps what a config calls it."""
    key = f"choice.{name.rpartition('.')[2]}.{value}"
    return say(language, key) if key in TEXTS["en"] else value


def word_value(language: str, name: str, value: Any) -> str:
    """What a config holds of a setting (`schedule`, `adapter.rank`), to be read."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return say(language, "word.yes" if value else "word.no")
    return word_method(language, value) if name == "method" else word_choice(language, name, str(value))
