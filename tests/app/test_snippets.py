"""The code on the Share screen can be run as it is shown: it compiles, parses, and names the chosen task."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from app.share.snippets import COMMAND, HTTP, LOAD, PYTHON, snippet_for
from core.__main__ import parse
from core.export.card import KINDS, LORA, CardRequest
from core.tasks.spec import TaskSpec

ODD = 'it\'s a "name" 号'


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "r1" / "adapter").mkdir(parents=True)
    (tmp_path / "r1" / "adapter" / "adapter.json").write_text('{"architecture": "decoder"}', encoding="utf-8")
    return tmp_path / "r1"


def task(*inputs: str) -> TaskSpec:
    return TaskSpec("t1", ODD, inputs, ("label",), "Do it.", "{instruction}", "accuracy", "classification")


@pytest.mark.parametrize("inputs", [("text",), ("question one", "context")])
@pytest.mark.parametrize("kind", KINDS)
def test_commands_are_understood(run_dir: Path, kind: str, inputs: tuple[str, ...]) -> None:
    text = snippet_for(COMMAND, CardRequest(run_dir, kind, ODD), "starter", task(*inputs))
    words = [shlex.split(line) for line in text.splitlines()]
    assert [line[3] for line in words] == ["ask", "export", "push", "chat", "serve"]
    for line in words:
        assert callable(parse(line[3:]).command)
    assert parse(words[0][3:]).task == ODD
    assert parse(words[2][3:]).task == [ODD]


@pytest.mark.parametrize("inputs", [("text",), ("question one", "context")])
def test_python_and_http_name_the_task(run_dir: Path, inputs: tuple[str, ...]) -> None:
    request = CardRequest(run_dir, LORA, ODD)
    code = snippet_for(PYTHON, request, "starter", task(*inputs))
    compile(code, "snippet", "exec")
    assert repr(ODD) in code
    words = shlex.split(snippet_for(HTTP, request, "starter", task(*inputs)).split("\n\n")[1])
    body = json.loads(words[words.index("-d") + 1])
    assert body["model"] == f"r1/{ODD}"
    content = body["messages"][0]["content"]
    assert content == "... text ..." if len(inputs) == 1 else set(json.loads(content)) == set(inputs)


def test_loading_code_hides_the_folder_of_this_machine(run_dir: Path) -> None:
    code = snippet_for(LOAD, CardRequest(run_dir, LORA, ODD, "zh"), str(run_dir), task("text"))
    compile(code.replace("PROMPT", "'x'"), "snippet", "exec")
    assert "PATH_TO/r1" in code
    assert str(run_dir) not in code
    online = snippet_for(LOAD, CardRequest(run_dir, LORA, ODD), "Qwen/Qwen2.5-0.5B", task("text"))
    assert "source = 'Qwen/Qwen2.5-0.5B'" in online
