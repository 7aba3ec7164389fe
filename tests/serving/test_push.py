"""Pushing to the Hub: the right requests, the token only where it belongs, refusals in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from core.base.errors import RunError
from core.export.hub import Pushed, PushWish, push_folder
from tests.serving.fake_hub import COMMIT, FakeHub, running_hub

# huggingface_hub 2.4 hands its stream to httpx in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
ROOT = Path(__file__).resolve().parents[2]
TOKEN = "hf_NobodyMaySeeThisToken0123456789"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with running_hub(TOKEN) as fake:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", fake.address)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        yield fake


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    (folder / "tasks").mkdir(parents=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# 模型\n", encoding="utf-8")
    (folder / "tasks" / "adapter_model.safetensors").write_bytes(bytes(range(256)) * 40)
    return folder


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_model_arrives_whole_and_private(hub: FakeHub, export: Path) -> None:
    done = push_folder(export, PushWish("clinic", "lora"), TOKEN)
    assert done == Pushed("nurse/clinic", f"{hub.address}/nurse/clinic", COMMIT)
    assert hub.repos[("model", "nurse/clinic")]["visibility"] == "private"
    assert hub.files[("model", "nurse/clinic")] == content_of(export)
    assert not hub.faults
    assert "POST /nurse/clinic.git/info/lfs/objects/batch" in hub.seen
    assert TOKEN.encode() not in hub.bodies


def test_a_space_is_made_as_a_space_and_pushed_again(hub: FakeHub, export: Path) -> None:
    wish = PushWish("nurse/chat", "space", private=False)
    first = push_folder(export, wish, TOKEN)
    assert first.url.endswith("/spaces/nurse/chat")
    made = hub.repos[("space", "nurse/chat")]
    assert (made["sdk"], made["visibility"]) == ("gradio", "public")
    (export / "app.py").write_text("x", encoding="utf-8")
    push_folder(export, wish, TOKEN)  # it exists: the next commit
    assert hub.files[("space", "nurse/chat")]["app.py"] == b"x"
    assert not hub.faults


@pytest.mark.parametrize(
    ("repo", "token", "key"),
    [
        ("clinic", "hf_wrong_token_of_somebody", "push.not_allowed"),
        ("other/clinic", TOKEN, "push.not_allowed"),
        ("clinic", " ", "push.no_login"),
        ("../etc", TOKEN, "push.bad_name"),
        ("a/b/c", TOKEN, "push.bad_name"),
        ("nurse/echo", TOKEN, "push.refused"),
        ("nurse/a--b", TOKEN, "push.bad_name"),
        ("my model", TOKEN, "push.bad_name"),
    ],
)
def test_refusals_are_said_without_the_token(hub: FakeHub, export: Path, repo: str, token: str, key: str) -> None:
    with pytest.raises(RunError) as refused:
        push_folder(export, PushWish(repo, "lora"), token)
    assert refused.value.key == key
    assert refused.value.__cause__ is None
    assert token == " " or token not in str(refused.value)
    assert not hub.files
    if repo == "nurse/echo":
        assert "No room for ***" in str(refused.value)


def test_no_network_and_no_export(hub: FakeHub, export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunError) as refused:
        push_folder(export, PushWish("nurse/clinic", "lora"), TOKEN)
    assert refused.value.key == "push.unreachable"
    (export / "README.md").unlink()
    with pytest.raises(RunError, match="no model card"):
        push_folder(export, PushWish("nurse/clinic", "lora"), TOKEN)


def test_the_command_pushes_with_the_machines_login_and_leaves_no_token(run_dir: Path, tmp_path: Path) -> None:
    """The whole way in a process of its own: export, check, push; then no file and no line has the token."""
    home = run_dir.parents[3]
    with running_hub(TOKEN) as hub:
        environment = {
            **os.environ,
            "HF_ENDPOINT": hub.address,
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(tmp_path / "hf"),
            "TMPDIR": str(tmp_path),
            "TASKLOOM_HOME": str(home),
        }
        words = ["push", run_dir.name, "desk", "--task", "task 1", "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "core", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        [pushed] = json.loads(done.stdout)
        assert pushed["repo"] == "nurse/desk"
        files = hub.files[("model", "nurse/desk")]
        assert {"README.md", "adapter_config.json", "adapter_model.safetensors"} <= set(files)
        assert not hub.faults
        assert all(TOKEN.encode() not in text for text in files.values())
    assert TOKEN not in done.stdout + done.stderr
    left = [p for root in (home, tmp_path) for p in root.rglob("*") if p.is_file()]
    assert [p for p in left if TOKEN.encode() in p.read_bytes()] == []
