"""The tutorial tells the truth in both languages: commands parse, pictures exist, outputs stand behind commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from core.__main__ import parse

DOCS = Path(__file__).resolve().parents[1] / "assets" / "docs"
PAGES = {name: (DOCS / f"tutorial{name}.md").read_text(encoding="utf-8") for name in ("", ".zh")}
BLOCKS = {name: re.findall(r"```bash\n(.*?)```\n(.*?)\n", text, re.DOTALL) for name, text in PAGES.items()}
COMMANDS = [line for block, _ in BLOCKS[""] for line in block.splitlines()]


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) >= 8


def test_both_languages_give_the_same_commands() -> None:
    assert [block for block, _ in BLOCKS[""]] == [block for block, _ in BLOCKS[".zh"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses(command: str) -> None:
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "core"]
    assert callable(parse(words[3:]).command)


@pytest.mark.parametrize("name", PAGES)
def test_every_command_block_is_followed_by_its_output(name: str) -> None:
    text = PAGES[name]
    assert text.count("```bash") == len(re.findall(r"```\n<!-- output -->\n```text\n.+?\n```", text, re.DOTALL))


def test_the_outputs_are_the_same_in_both_languages() -> None:
    found = [re.findall(r"```text\n(.*?)```", text, re.DOTALL) for text in PAGES.values()]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", PAGES)
def test_every_linked_file_exists(name: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", PAGES[name])
    assert len(links) >= 8
    assert [link for link in links if not (DOCS / link).is_file()] == []
