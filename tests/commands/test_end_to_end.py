"""One real use of the command line in processes of its own, from an empty workspace to an answer."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAST = ["--set", "batch_size=8", "--set", "exam_rows=4", "--set", "max_new_tokens=4", "--set", "validation_rows=4"]


class Shell:
    """Runs `python -m core ...` in a workspace."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "TASKLOOM_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}

    def start(self, *words: object) -> subprocess.Popen[str]:
        # A test run in the background of a script has Ctrl-C switched off, and its children inherit that.
        command = [sys.executable, "-m", "core", *map(str, words)]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )

    def run(self, *words: object) -> tuple[int, str, str]:
        """In a process of its own."""
        with self.start(*words) as process:
            out, err = process.communicate(timeout=180)
            return process.returncode, out, err

    def value(self, *words: object) -> Any:
        """In this process, which saves the imports; fails unless the exit code is 0."""
        from core.__main__ import main

        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), pytest.MonkeyPatch.context() as patch:
            patch.setenv("TASKLOOM_HOME", self.environment["TASKLOOM_HOME"])
            assert main([*map(str, words), "--json"]) == 0
        return json.loads(printed.getvalue())


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A project with two tasks that answer the same inputs the other way round, and a tiny model."""
    from tests.tiny_models import build_tiny_llama

    folder = tmp_path_factory.mktemp("shell")
    build_tiny_llama(folder / "llama")
    made = Shell(folder)
    made.value("project", "create", "Desk")
    for index, name in enumerate(("first", "second")):
        rows = [{"text": f"message {i}", "label": ("yes", "no")[(i + index) % 2]} for i in range(40)]
        path = folder / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        made.value("task", "add", "Desk", path)
    return made


def test_from_files_to_an_answer(shell: Shell) -> None:
    code, out, err = shell.run(
        "train", "Desk", "--base-model", shell.folder / "llama", "--set", "max_steps=6", *FAST, "--name", "One"
    )
    assert code == 0, err
    assert "is done" in out
    assert ", step " in err
    [listed] = shell.value("runs", "Desk")
    assert (listed["name"], listed["state"], listed["method"]) == ("One", "succeeded", "cpoly")
    run_id = listed["run_id"]
    results = shell.value("evaluate", run_id)["results"]
    assert [(r["task"], r["n"]) for r in results] == [("first", 4), ("second", 4)]
    assert all(0 <= r["tuned"]["value"] <= 1 and r["base"] for r in results)
    code, out, err = shell.run("ask", run_id[:18], "--task", "second", "--both", "--max-tokens", "4", "message 7")
    assert (code, err) == (0, "")
    assert out.startswith("base: ")
    assert "tuned: " in out
    assert "where tasks differ most: common 1 0." in out
    skills = shell.value("skills", run_id)
    assert set(skills["weights"]) == {"first", "second"}
    assert skills["sentences"]
    again = shell.value("evaluate", run_id, "--rows", "2", "--no-base")["results"]
    assert [(r["n"], r["base"]) for r in again] == [(2, None), (2, None)]


def test_a_run_in_the_background_is_stopped_and_kept(shell: Shell) -> None:
    words = ["train", "Desk", "--base-model", shell.folder / "llama", "--set", "max_steps=4000", *FAST]
    run_id = shell.value(*words, "--background")["run_id"]
    wait_for(shell, run_id, lambda status: status["step"] > 2)
    shell.value("stop", run_id)
    ended = wait_for(shell, run_id, lambda status: status["state"] in ("succeeded", "failed"))
    assert ended["state"] == "succeeded"
    assert shell.value("skills", run_id)["weights"]


def test_ctrl_c_stops_and_keeps(shell: Shell) -> None:
    words = ["train", "Desk", "--base-model", shell.folder / "llama", "--set", "max_steps=4000", *FAST]
    with shell.start(*words, "--name", "C") as process:
        run_id = ""
        while not run_id:
            time.sleep(0.3)
            run_id = next((r["run_id"] for r in shell.value("runs", "Desk") if r["name"] == "C"), "")
        wait_for(shell, run_id, lambda status: status["step"] > 2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert "is done" in out
    assert "kept" in err


def test_a_failed_run_is_a_clear_line(shell: Shell) -> None:
    """The model's weights disappear between the checks and the training."""
    from tests.tiny_models import build_tiny_llama

    folder = build_tiny_llama(shell.folder / "broken")
    for path in folder.glob("*.safetensors"):
        path.write_bytes(b"nothing")
    code, out, err = shell.run("train", "Desk", "--base-model", folder, "--set", "max_steps=2", *FAST)
    assert code == 2
    assert "has failed" in err.splitlines()[-1] or "error:" in err.splitlines()[-1]
    assert out == ""


def wait_for(shell: Shell, run_id: str, enough: Any, seconds: float = 120) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = shell.value("status", run_id)
        if enough(status):
            return status
        time.sleep(0.3)
    raise AssertionError(f"not within {seconds} s: {status}")
