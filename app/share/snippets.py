"""Code that a user copies from the Share screen: load an export, call the app, the command line, plain HTTP."""

from __future__ import annotations

import json
import shlex

from core.export.base_names import public_name
from core.export.card import CardRequest, snippet
from core.tasks.spec import TaskSpec

LOAD, PYTHON, COMMAND, HTTP = "load", "python", "command", "http"
WAYS = (LOAD, COMMAND, PYTHON, HTTP)
LANGUAGE_OF = {LOAD: "python", PYTHON: "python", COMMAND: "shell", HTTP: "shell"}


def snippet_for(way: str, request: CardRequest, base_model: str, task: TaskSpec) -> str:
    """The text for one of WAYS; `task` gives names and columns, its rows are not shown."""
    run = request.run_dir.name
    inputs = {name: f"... {name} ..." for name in task.inputs}
    content = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    if way == LOAD:
        return snippet(request, public_name(base_model)).split("\n", 1)[1].rsplit("\n", 1)[0]
    if way == COMMAND:
        return _commands(request, task, content)
    if way == PYTHON:
        lines = (
            "from gradio_client import Client",
            "",
            'client = Client("http://127.0.0.1:7860")',
            f"answer = client.predict({run!r}, {task.name!r}, {content!r}, api_name='/ask')",
            'print(answer["answer"])',
            "client.view_api()",
        )
        return "\n".join(lines)
    return _http(f"{run}/{task.name}", run, content)


def _commands(request: CardRequest, task: TaskSpec, content: str | dict[str, str]) -> str:
    run = request.run_dir.name
    given = (
        [shlex.quote(content)]
        if isinstance(content, str)
        else [f"--input {shlex.quote(f'{name}={text}')}" for name, text in content.items()]
    )
    only = f" --task {shlex.quote(request.task)}" if request.task else ""
    lines = (
        f"python -m core ask {run} --task {shlex.quote(task.name)} {' '.join(given)}",
        f"python -m core export {run} exported --as {request.kind}{only}",
        f"python -m core push {run} my-model --as {request.kind}{only}",
        f"python -m core chat {run}",
        f"python -m core serve {run} --port 8000",
    )
    return "\n".join(lines)


def _http(model: str, run: str, content: str | dict[str, str]) -> str:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True}
    lines = (
        f"python -m core serve {run} --port 8000",
        "",
        "curl http://127.0.0.1:8000/v1/chat/completions \\",
        '  -H "Authorization: Bearer KEY" \\',
        '  -H "Content-Type: application/json" \\',
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
    )
    return "\n".join(lines)
