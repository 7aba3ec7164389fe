"""Every word of the interface, by key and language, from the locale files in `assets/locales`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from app.texts.language import current_language
from core.adapters.registry import METHODS
from core.base.errors import Problem, TaskloomError
from core.base.settings import SettingInfo, describe_settings
from core.messages import MESSAGES, Sentence, fill
from core.messages.locales import LANGUAGES, load_pairs, load_texts
from core.messages.plural import fill_text
from core.runs.skill_names import DRAFT
from core.tasks.guessing.kinds import KINDS
from core.training.config import RunConfig

_SKILL = re.compile(r"\b(common|private|adapter|shared|expert) (\d+)\b")
_DRAFTED = re.compile(rf"(?<={DRAFT} )({'|'.join(KINDS)})(?=[:,]|$)")
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


def say(key: str, /, **values: Any) -> str:
    """The text of a key in the language of the request; a key that it lacks falls back to English."""
    text = TEXTS[current_language()].get(key) or TEXTS["en"][key]
    return fill_text(text, values) if values else text


def say_or(key: str, otherwise: str) -> str:
    """The text of a key, or another one where nobody has worded it."""
    return say(key) if key in TEXTS["en"] else otherwise


def word_error(key: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """What happened and what to do, for an error or problem key of core."""
    language = current_language()
    wording = ERRORS[language].get(key) or MESSAGES[key]
    inner = {name: v for name, v in values.items() if isinstance(v, Sentence)}
    worded = {"purpose": f"purpose.{values.get('purpose')}", "stage": f"during.{values.get('stage')}"}
    known = {name: say(word) for name, word in worded.items() if word in TEXTS[language]}
    known |= {name: word_names(name, str(values[name])) for name in _LISTED if name in values}
    if key in _OF_SETTINGS:
        known["name"] = name_setting(str(values.get("name")))
    phrases = PHRASES[language]
    known |= {name: phrases[said] for name in _PHRASED if (said := str(values.get(name))) in phrases}
    known |= {name: word_error(part.key, part.values)[0] for name, part in inner.items()}
    return fill(wording, {**values, **known})


def word_problem(problem: Problem | TaskloomError) -> str:
    return word_whole(problem.key, problem.values)


def word_whole(key: str, values: Mapping[str, Any]) -> str:
    """As `word_error`, in one text; Chinese sentences follow each other without a space."""
    return ("" if current_language() == "zh" else " ").join(part for part in word_error(key, values) if part)


def listing(items: Iterable[str]) -> str:
    return ("、" if current_language() == "zh" else ", ").join(items)


def clauses(items: Iterable[str]) -> str:
    """Parts that hold commas themselves."""
    return ("；" if current_language() == "zh" else "; ").join(items)


def word_names(value: str, text: str) -> str:
    """What core lists by name ('English 80 %, German 20 %', 'email 3, phone 1') in a language; `value` says of what
    kind the names are, other text passes unchanged."""
    group = _LISTED[value]
    return _NAME.sub(lambda found: say_or(f"{group}.{found[0]}", found[0]), text)


def word_skills(text: str) -> str:
    """Names of skills ('common 1, private 2') in a language; other text passes unchanged."""
    if text in _OTHER_COLUMNS:
        return say(_OTHER_COLUMNS[text])
    named = _SKILL.sub(lambda found: say(f"skill.{found[1]}", n=found[2]), text)
    return _DRAFTED.sub(lambda found: say(f"kind.{found[1]}"), named)


def word_sentence(key: str, values: Mapping[str, Any]) -> str:
    """A sentence of core about a table, with the names of skills in the user's language."""
    named = {k: word_skills(v) if k in _NAMES_SKILLS else v for k, v in values.items()}
    if "skills" in named:
        named["skills"] = listing(str(named["skills"]).split(", "))
    return word_error(key, named)[0]


def word_method(name: str) -> str:
    """The title of an adapter method; one that a language has no words for keeps its own."""
    return say_or(f"method.{name}", METHODS.get(name).title if name in METHODS else name)


def word_setting(info: SettingInfo) -> tuple[str, str]:
    """Label (with its unit) and help of a setting."""
    label, explained = SETTINGS[current_language()].get(info.name) or (info.label, info.help)
    unit = say_or(f"unit.{info.unit}", info.unit)
    return (f"{label} ({unit})" if unit else label), explained


@lru_cache(maxsize=1)
def _known_settings() -> dict[str, SettingInfo]:
    """By name; of settings that methods share, as the first method, the default one, calls them."""
    classes = [RunConfig, *(method.config_class for method in METHODS)][::-1]
    return {info.name: info for cls in classes for info in describe_settings(cls)}


def name_setting(name: str) -> str:
    """A setting as its field is labelled, with what a config calls it: 'Rank of a skill (rank)'."""
    info = _known_settings().get(name)
    if info is None:
        return name
    label = (SETTINGS[current_language()].get(name) or (info.label,))[0]
    return say("form.named", label=label, name=name)


def word_choice(name: str, value: str) -> str:
    """One choice of a setting; a choice without words (of a method that was added) keeps what a config calls it."""
    key = f"choice.{name.rpartition('.')[2]}.{value}"
    return say_or(key, value)


def word_value(name: str, value: Any) -> str:
    """What a config holds of a setting (`schedule`, `adapter.rank`), to be read."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return say("word.yes" if value else "word.no")
    return word_method(value) if name == "method" else word_choice(name, str(value))
