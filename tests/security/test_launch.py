"""How the page is started: flags, defaults, warnings, secrets of the environment."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.frame.serve import launch, on_space, open_context, parse_arguments
from app.frame.workbench import build_workbench
from core.base.processes import child_environment
from core.base.warm import WarmProgram
from core.chat.protocol import ask
from core.runs.launchers import worker_command
from core.tasks.changing.isolation import ORDER

SAFE = {
    "ssr_mode": False, "run_history": False, "show_error": False, "allowed_paths": [], "strict_cors": True,
    "share": False, "enable_monitoring": False,
}  # fmt: skip


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """-> what Gradio's launch is called with, for given arguments."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary"))

    def start(*words: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        ready = dict[tuple[str, ...], Any]()
        monkeypatch.setattr("core.base.processes._READY", ready)
        monkeypatch.setattr(gr.Blocks, "launch", lambda self, **given: seen.update(given, ready=dict(ready)))
        with gr.Blocks() as demo:
            pass
        launch(demo, parse_arguments([*words, "--workspace", str(tmp_path)]))
        return seen | {"max_size": demo._queue.max_size}

    return start


def test_flags_are_the_strict_ones(launched: Any) -> None:
    given = launched()
    assert {name: given[name] for name in SAFE} == SAFE
    assert given["server_name"] == "127.0.0.1"
    assert isinstance(given["ready"][ORDER.command].__self__, WarmProgram)  # while the page is served
    assert 0 < given["max_size"] <= 512
    assert given["max_file_size"] == "1gb"
    assert launched("--shared")["max_file_size"] == "200mb"
    assert not given["mcp_server"]
    assert not launched("--shared", "--mcp")["mcp_server"]


def test_an_open_page_without_owners_is_warned_about(launched: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        launched("--host", "127.0.0.1")
        launched("--host", "0.0.0.0", "--shared")
    assert "password" not in caplog.text
    with caplog.at_level(logging.WARNING):
        launched("--host", "0.0.0.0")
    assert "without a password" in caplog.text


def test_a_space_is_shared_and_open_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not on_space()
    assert not parse_arguments([]).shared
    monkeypatch.setenv("SPACE_ID", "me/loom")
    found = parse_arguments([])
    assert (found.shared, found.host) == (True, "0.0.0.0")


def test_every_endpoint_is_private_and_analytics_are_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary"))
    demo = build_workbench(open_context(parse_arguments(["--workspace", str(tmp_path), "--shared"])))
    assert {fn.api_visibility for fn in demo.fns.values()} == {"private"}
    assert not demo.analytics_enabled


def test_no_field_takes_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No component fetches an address that a visitor typed, and no file field takes one."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "temporary"))
    demo = build_workbench(open_context(parse_arguments(["--workspace", str(tmp_path), "--shared"])))
    kinds = {block.get_block_name() for block in demo.blocks.values()}
    assert not kinds & {"image", "audio", "video", "model3d", "multimodaltextbox", "gallery", "fileexplorer"}
    uploads = [b for b in demo.blocks.values() if b.get_block_name() == "file" and b.interactive is not False]
    assert uploads
    for upload in uploads:
        assert upload.file_types, upload.elem_id
        assert {".zip", ".pkl", ".html", ".svg", "file"}.isdisjoint(upload.file_types), upload.elem_id


def test_secrets_reach_no_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OAUTH_CLIENT_SECRET", "WANDB_API_KEY", "AWS_SECRET_KEY"):
        monkeypatch.setenv(name, "hf_secret123")
    assert "hf_secret123" not in str(child_environment())
    from core.runs.folder import RunFolder

    assert "hf_secret123" not in " ".join(worker_command(RunFolder(tmp_path / "r1"), 3))


def test_settings_and_requests_have_no_place_for_a_token() -> None:
    from core.base.settings import describe_settings
    from core.training.config import RunConfig

    names = [info.name for info in describe_settings(RunConfig)] + list(ask("r", "t", "x").as_dict())
    assert not [n for n in names if any(word in n for word in ("secret", "password", "api_key", "hub_token"))]
