"""Both languages say the same things: same keys, same {values}, a label for every setting."""

from __future__ import annotations

import importlib
import json
import re
import string
from pathlib import Path

import pytest

from app.texts import TEXTS, word_choice
from app.texts.language import in_language
from core.base.settings import describe_settings
from core.messages import MESSAGES, locales
from core.messages.locales import LANGUAGES, LOCALES, load_pairs, load_texts, locale_files
from tests.sort_locales import sorted_text

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("messages", "screens", "settings", "phrases", "card")


def rooms_of(language: str, part: str) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in locale_files(language, part)}


def values_in(text: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("room", sorted(rooms_of("en", "messages")))
def test_every_error_is_worded_in_chinese_with_the_same_values(room: str) -> None:
    english, chinese = rooms_of("en", "messages")[room], rooms_of("zh", "messages")[room]
    assert set(english) == set(chinese)
    for key, wording in english.items():
        assert values_in(" ".join(wording)) == values_in(" ".join(chinese[key])), key
        assert wording[0].strip(), f"{key} does not say what happened"
        filled = [[bool(part.strip()) for part in words] for words in (wording, chinese[key])]
        assert filled[0] == filled[1], f"{key} says what to do in one language only"
        assert any("一" <= c <= "鿿" for c in "".join(chinese[key])), f"{key} is not Chinese"


def test_no_error_key_is_used_without_wording() -> None:
    """Keys in the code are literals of the form room.name in the first place of a raise or a Problem."""
    import ast

    errors = {
        "TaskloomError",
        "TaskFileError",
        "SettingError",
        "WorkspaceError",
        "MissingFileError",
        "ModelError",
        "RunError",
    }
    for path in sorted((ROOT / "core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            place = 1 if node.func.id == "Problem" else 0 if node.func.id in errors else None
            if place is None or len(node.args) <= place or not isinstance(node.args[place], ast.Constant):
                continue
            key = node.args[place].value
            assert key in MESSAGES, f"{path.name}:{node.lineno} uses the key {key!r}, which is not worded"
            if node.func.id != "Problem":  # statuses and sentences ask for no action, errors do
                assert MESSAGES[key][1].strip(), f"{path.name}:{node.lineno}: {key!r} does not say what to do"
            given = {k.arg for k in node.keywords}
            if node.func.id != "Problem" and None not in given:
                missing = values_in(" ".join(MESSAGES[key])) - given
                assert not missing, f"{path.name}:{node.lineno} leaves {missing} of {key!r} empty"


def setting_classes() -> list[type]:
    config = pytest.importorskip("core.training.config")
    methods = pytest.importorskip("core.adapters.registry")
    return [config.RunConfig, *(info.config_class for info in methods.METHODS)]


def test_every_setting_has_a_chinese_label_and_help() -> None:
    chinese = load_pairs("zh", "settings")
    used = set()
    for cls in setting_classes():
        for info in describe_settings(cls):
            used.add(info.name)
            assert info.label, info.name
            assert info.help, info.name
            for language in ("en", "zh") if info.unit else ():
                assert f"unit.{info.unit}" in TEXTS[language], f"the unit of {info.name} has no words"
            assert info.name in chinese, f"setting {info.name} of {cls.__name__} has no Chinese label"
            assert all(part.strip() for part in chinese[info.name]), info.name
    assert not set(chinese) - used - every_setting(), "Chinese labels of settings that do not exist"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_choice_of_every_setting_is_worded_with_what_a_config_calls_it(language: str) -> None:
    used = set()
    for cls in setting_classes():
        for info in describe_settings(cls):
            for choice in info.choices:
                key = f"choice.{info.name}.{choice}"
                used.add(key)
                assert key in TEXTS[language], f"{choice!r} of the setting {info.name} has no words"
                label = in_language(language, word_choice, info.name, choice)
                assert choice in label.casefold(), f"{label!r} hides what a config calls it"
                named = choice in ("tensorboard", "trackio", "wandb")  # products are called the same everywhere
                assert named or label != choice, label
                assert named or language == "en" or re.search("[一-鿿]", label), label
    stale = {key for key in TEXTS[language] if key.startswith("choice.")} - used
    assert not stale, "words of choices that do not exist"


def every_setting() -> set[str]:
    """Settings of the other settings classes in core, which forms may show as well."""
    names = set()
    for path in sorted((ROOT / "core").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "= setting(" in text and not path.name.startswith("__"):
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for value in vars(module).values():
                if isinstance(value, type) and hasattr(value, "__dataclass_fields__"):
                    names |= {info.name for info in describe_settings(value)}
    return names


@pytest.mark.parametrize("part", ["screens", "card"])
def test_the_screens_say_the_same_in_both_languages(part: str) -> None:
    english, chinese = rooms_of("en", part), rooms_of("zh", part)
    assert set(english) == set(chinese)
    for room, texts in english.items():
        assert set(texts) == set(chinese[room]), room
        for key, text in texts.items():
            assert values_in(text) == values_in(chinese[room][key]), key


def test_every_locale_file_belongs_to_a_part_and_is_sorted() -> None:
    """Sorted files take new keys of several people without a conflict."""
    read = {path for language in LANGUAGES for part in PARTS for path in locale_files(language, part)}
    assert read == set(LOCALES.rglob("*.*"))
    for path in sorted(read):
        assert path.read_text(encoding="utf-8") == sorted_text(path), f"{path}: python tests/sort_locales.py"


@pytest.mark.parametrize("part", ["messages", "screens"])
def test_the_first_word_of_a_key_tells_its_file(part: str) -> None:
    found: dict[str, set[str]] = {}
    for room, table in rooms_of("en", part).items():
        for key in table:
            found.setdefault(key.partition(".")[0], set()).add(room)
    assert not {word: rooms for word, rooms in found.items() if len(rooms) > 1}, "python tests/sort_locales.py"


def test_a_key_that_stands_twice_or_is_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locales, "LOCALES", tmp_path)
    folder = tmp_path / "xx" / "screens"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text('{"a.b": "1", "a.b": "2"}', encoding="utf-8")
    with pytest.raises(ValueError, match="worded twice"):
        load_texts("xx", "screens")
    (folder / "a.json").write_text('{"a.b": "1"}', encoding="utf-8")
    (folder / "b.json").write_text('{"a.b": "2"}', encoding="utf-8")
    with pytest.raises(ValueError, match="another file"):
        load_texts("xx", "screens")
    (folder / "b.json").write_text('{"a.c": ["2", 3]}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.c is not one text"):
        load_texts("xx", "screens")
    with pytest.raises(ValueError, match=r"a\.b is not a list of two"):
        load_pairs("xx", "screens")
