"""Calls by programs: the documented example works as printed, mistakes are sentences, a shared page has none."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.frame.api import NAMES
from app.frame.serve import launch, open_context, opened_paths, parse_arguments, wants_mcp
from app.frame.workbench import build_workbench
from app.shell.context import Context
from core.workspace import Workspace
from tests.serving.conftest import make_trained_run

PAGE = Path(__file__).resolve().parents[2] / "assets" / "docs" / "api.md"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a trained run, and a tiny base model beside it."""
    from tests.tiny_models import build_tiny_llama

    root = tmp_path_factory.mktemp("api")
    make_trained_run(root / "home", build_tiny_llama(root / "llama"))
    return root / "home"


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """The app on a free port of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(home / "temporary"))
        arguments = parse_arguments(["--workspace", str(home), "--port", "0"])
        arguments.port = None  # Gradio looks for a free one
        context = open_context(arguments)
        demo = build_workbench(context)
        _, url, _ = launch(demo, arguments, context, prevent_thread_lock=True, quiet=True)
        yield url.rstrip("/")
        demo.close()
        context.chat.close()


@pytest.fixture(scope="module")
def client(address: str) -> Any:
    from gradio_client import Client

    return Client(address, verbose=False)


def run_of(home: Path) -> str:
    return next(home.glob("projects/*/runs/r*")).name


def test_the_printed_example_works(address: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Its first lines name the address, files and settings; everything below them runs as it is printed."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]  # type: ignore[index]
    rows = "\n".join(f"message {i} about cards,{('yes', 'no')[i % 2]}" for i in range(40))
    file = tmp_path / "mails.csv"
    file.write_text(f"text,label\n{rows}\n", encoding="utf-8")
    settings = {
        "base_model": str(home.parent / "llama"),
        "max_steps": 2,
        "num_threads": 1,
        "exam_rows": 4,
        "max_tokens": 128,
    }
    given = {"ADDRESS": address, "FILES": [str(file)], "SETTINGS": settings, "QUESTION": "my card"}
    for name, value in given.items():
        line = re.search(rf"^{name} = .*$", code, re.MULTILINE)
        assert line is not None, name
        code = code.replace(line[0], f"{name} = {value!r}")
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    assert [task["name"] for task in names["tasks"]] == ["mails"]
    assert names["status"]["state"] == "succeeded", names["status"]
    assert names["answer"]["skills"]
    assert Path(names["packed"]).read_bytes()[:2] == b"PK"
    assert "lora" in Path(names["packed"]).name


def test_every_call_is_named_and_explained(address: str, client: Any) -> None:
    calls = client.view_api(return_format="dict")["named_endpoints"]
    assert set(calls) == {f"/{name}" for name in NAMES}
    listed = set(re.findall(r"`/(\w+)`", PAGE.read_text(encoding="utf-8")))
    assert set(NAMES) <= listed
    for name, call in calls.items():
        assert len(call["description"]) > 20, name
    assert [p["parameter_name"] for p in calls["/ask"]["parameters"]][:3] == ["run", "task", "inputs"]


def test_plain_http_answers_like_the_page_says(address: str, home: Path) -> None:
    body = json.dumps({"data": [run_of(home), "task 0", "message 3", True, 0, 0]}).encode()
    order = urllib.request.Request(f"{address}/gradio_api/call/ask", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(order, timeout=120) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/gradio_api/call/ask/{event}", timeout=120) as stream:
        text = stream.read().decode()
    assert "event: complete" in text
    assert '"skills"' in text


@pytest.mark.parametrize(
    ("call", "values", "said"),
    [
        ("/status", ["nothing"], "There is no run"),
        ("/train", ["Nowhere", {}], "There is no project 'Nowhere'"),
        ("/train", ["Desk", {"epochz": 1}], "epochz"),
        ("/ask", ["RUN", "no task", "x"], "no task 'no task'"),
        ("/export", ["RUN", "lora", "no task"], "no task 'no task'"),
    ],
)
def test_mistakes_are_sentences(client: Any, home: Path, call: str, values: list[Any], said: str) -> None:
    from gradio_client.exceptions import AppError

    values = [run_of(home) if value == "RUN" else value for value in values]
    with pytest.raises(AppError) as refused:
        client.predict(*values, api_name=call)
    assert said in str(refused.value)
    assert "<" not in str(refused.value)
    assert "&#" not in str(refused.value)


def test_a_file_outside_the_uploads_is_not_read(address: str) -> None:
    """A path instead of an upload would let any local program read files through the app."""
    secret = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
    order = urllib.request.Request(
        f"{address}/gradio_api/call/import",
        json.dumps({"data": ["Desk", [secret]]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(order, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/gradio_api/call/import/{event}", timeout=60) as stream:
        assert "event: error" in stream.read().decode()


def test_a_shared_page_offers_no_calls(tmp_path: Path) -> None:
    page = build_workbench(Context(Workspace(tmp_path), shared=True))
    assert [fn.name for fn in page.fns.values() if fn.api_visibility != "private"] == []
    assert opened_paths(shared=True, with_mcp=False) == ()


def test_mcp_only_on_request_and_never_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert not wants_mcp(parse_arguments([]))
    assert wants_mcp(parse_arguments(["--mcp"]))
    assert not wants_mcp(parse_arguments(["--mcp", "--shared"]))
    assert "/gradio_api/mcp" in opened_paths(shared=False, with_mcp=True)
    assert "/gradio_api/mcp" not in opened_paths(shared=False, with_mcp=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not wants_mcp(parse_arguments(["--mcp"]))  # the app starts without the extra package
