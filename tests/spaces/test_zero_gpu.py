"""Chat where the card exists only inside marked functions: same events, marked once, faults in words."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.frame.serve import open_context, parse_arguments
from core.base.processes import child_environment
from core.chat.client import ChatClient
from core.chat.protocol import ChatEvent, ask
from core.chat.zero_gpu import ZeroGpuChat, answer_here, gpu_function
from core.runs.device_lease import lease_device
from tests.serving.conftest import run_dir, tiny_llama_dir

__all__ = ["run_dir", "tiny_llama_dir"]


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A package `spaces` that notes what is marked and called."""
    seen: list[Any] = []

    def gpu(duration: int) -> Callable[..., Any]:
        def mark(function: Callable[..., Any]) -> Callable[..., Any]:
            seen.append(("marked", duration))

            def call(*values: Any) -> Any:
                seen.append("called")
                return function(*values)

            return call

        return mark

    module = types.ModuleType("spaces")
    module.GPU = gpu  # type: ignore[attr-defined]
    module.__spec__ = types.SimpleNamespace(name="spaces")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "spaces", module)
    return seen


def test_the_answer_is_that_of_the_worker(spaces: list[Any], run_dir: Path) -> None:
    request = ask(run_dir, "task 0", "message 3 of task 0", max_new_tokens=6)
    here = ZeroGpuChat()
    assert spaces == [("marked", 60)]
    events = list(here.stream(request))
    assert spaces[1:] == ["called"]
    worker = ChatClient()
    expected = worker.answer(request)
    worker.close()
    assert events[-1].text == expected.text
    assert events[-1].weights == expected.weights
    assert "".join(e.text for e in events if e.kind == "delta") == expected.text


def test_an_error_of_ours_and_one_of_the_hub_arrive_as_events(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = list(ZeroGpuChat().stream(ask(run_dir, "no such task", "x")))[-1]
    assert unknown.kind == "error"
    assert "no such task" in unknown.message

    def refused(_: dict[str, Any]) -> Iterator[dict[str, Any]]:
        raise gr.Error("quota exceeded")

    last = list(ZeroGpuChat(function=refused, refusals=(gr.Error,)).stream(ask(run_dir, "task 0", "x")))[-1]
    assert (last.kind, last.key) == ("error", "serving.worker_failed")
    assert "quota exceeded" in last.message
    assert "in refused" in capsys.readouterr().err  # where it happened is in the Space's log


def test_stop_keeps_what_was_said() -> None:
    def endless(_: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            yield ChatEvent("delta", "x").as_dict()

    stop, events = threading.Event(), []
    for event in ZeroGpuChat(function=endless).stream(ask("r", "t", "q"), stop):
        events.append(event)
        if len(events) == 4:
            stop.set()
    assert (events[-1].kind, events[-1].stopped) == ("done", True)
    assert len(events[-1].text) == len([e for e in events if e.kind == "delta"])


def test_elsewhere_nothing_is_marked() -> None:
    assert gpu_function(answer_here) is answer_here


def test_the_app_chooses_by_the_hardware(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary"))
    arguments = parse_arguments(["--workspace", str(tmp_path)])
    assert not isinstance(open_context(arguments).chat, ZeroGpuChat)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert isinstance(open_context(arguments).chat, ZeroGpuChat)
    assert child_environment()["CUDA_VISIBLE_DEVICES"] == "-1"
    assert lease_device("auto") == "cpu"
