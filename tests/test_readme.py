"""The README tells the truth: its commands parse, its files exist, its versions are the pinned ones."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from core.__main__ import build_parser, parse

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FRONT = yaml.safe_load(README.split("---")[1])
REQUIREMENTS = (ROOT / "requirements.txt").read_text(encoding="utf-8")
COMMANDS = [line for line in README.splitlines() if line.startswith("python -m core ")]


def pinned(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)$", REQUIREMENTS, re.MULTILINE)
    assert found, f"{package} is not pinned"
    return found[1]


def test_spaces_front_matter_matches_the_pins() -> None:
    assert FRONT["sdk_version"] == pinned("gradio")
    assert FRONT["sdk"] == "gradio"
    assert (ROOT / FRONT["app_file"]).is_file()
    assert FRONT["license"] == "apache-2.0"
    assert len(FRONT["short_description"]) <= 60
    assert tuple(map(int, FRONT["python_version"].split(".")[:2])) >= (3, 11)
    assert pinned("torch") == "2.13.0"


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command: str) -> None:
    assert callable(parse(shlex.split(command)[3:]).command)


def test_every_verb_named_in_the_text_exists() -> None:
    sentence = re.search(r"`python -m core --help` lists all verbs \((.*?)\)", README, re.DOTALL)
    assert sentence
    known = build_parser().format_help()
    for verb in re.findall(r"`(\w+)`", sentence[1]):
        assert re.search(rf"^\s+{verb}\s", known, re.MULTILINE), verb


def test_every_linked_file_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert len(links) >= 6
    missing = [link for link in links if not (ROOT / link).is_file()]
    assert not missing
