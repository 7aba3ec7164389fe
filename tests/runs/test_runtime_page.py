"""The page about the runtime names a test for every fault, and each of these tests exists."""

from __future__ import annotations

import re
from pathlib import Path

from core.runs.states import FAILURE_CLASSES, STATES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "assets" / "docs" / "runtime.md").read_text(encoding="utf-8")


def test_every_named_test_exists() -> None:
    named = re.findall(r"`(test_\w+\.py)::(\w+)`", PAGE)
    assert len(named) > 20
    for file, test in named:
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {test}(" in path.read_text(encoding="utf-8"), f"{file}::{test}"


def test_every_state_and_failure_class_is_on_the_page() -> None:
    assert [word for word in (*STATES, *FAILURE_CLASSES) if word not in PAGE] == []
