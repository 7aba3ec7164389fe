"""A workspace of its own for every test, and the command line called in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """run("project", "list") -> exit code and output, in the workspace tmp_path/home."""
    from core.__main__ import main

    monkeypatch.setenv("TASKLOOM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TASKLOOM_TRACE", raising=False)

    def call(*words: object) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as exit:
            code = int(exit.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """Forty rows of a small classification."""
    rows = [{"text": f"message {i} about cards", "label": ("yes", "no")[i % 2]} for i in range(40)]
    path = tmp_path / "mails.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the trained run."""
    from tests.serving.conftest import make_trained_run
    from tests.tiny_models import build_tiny_llama

    folder = tmp_path_factory.mktemp("trained")
    make_trained_run(folder / "home", build_tiny_llama(folder / "llama"))
    return folder / "home"


@pytest.fixture
def run_id(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TASKLOOM_HOME", str(home))
    return min(path.name for path in home.glob("projects/*/runs/r*"))
