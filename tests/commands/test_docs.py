"""The page about the command line names every verb, and every command on it is understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from core.__main__ import build_parser, parse

PAGE = Path(__file__).resolve().parents[2] / "assets" / "docs" / "command-line.md"


def all_verbs() -> set[str]:
    actions = [a for a in build_parser()._actions if a.choices]
    return set(actions[0].choices or ())


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("python -m core ")]


def test_every_verb_is_on_the_page() -> None:
    first_cells = re.findall(r"^\| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = {word.split()[0] for cell in first_cells for word in re.findall(r"`([^`]+)`", cell)}
    assert all_verbs() - named == set()


@pytest.mark.parametrize("command", commands())
def test_every_command_on_the_page_is_understood(command: str) -> None:
    assert callable(parse(shlex.split(command)[3:]).command)
