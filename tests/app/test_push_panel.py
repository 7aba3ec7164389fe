"""Whose login a push uses: what was typed, the visitor's own, the machine's only on one's own machine."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.share import push_panel
from app.share.push_panel import choose_token, export_words
from app.shell import visitors
from app.shell.context import Context
from app.texts.language import in_language
from core.base.errors import RunError
from core.workspace import Workspace


@pytest.fixture(autouse=True)
def machine_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_panel, "login_token", lambda: "hf_machine")


def test_the_machines_login_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, shared = (Context(Workspace(tmp_path), shared=value) for value in (False, True))
    assert choose_token(mine, "") == "hf_machine"
    assert choose_token(mine, " hf_typed ") == "hf_typed"
    assert choose_token(shared, "hf_typed") == "hf_typed"
    with pytest.raises(RunError, match="no login"):
        choose_token(shared, None)
    monkeypatch.setattr(push_panel, "signed_in_token", lambda: "hf_visitor")
    assert choose_token(shared, "") == "hf_visitor"


def test_a_visitors_token_comes_from_a_login_that_has_not_expired() -> None:
    def request(expires_in: float) -> SimpleNamespace:
        login = {
            "userinfo": {"preferred_username": "nurse"},
            "expires_at": time.time() + expires_in,
            "access_token": "hf_visitor",
        }
        return SimpleNamespace(scope={"session": {"oauth_info": login}})

    assert visitors.signed_in_token(request(60)) == "hf_visitor"
    assert visitors.signed_in_token(request(-60)) == ""
    assert visitors.signed_in_token(SimpleNamespace(scope={})) == ""


def test_rows_leave_only_with_consent_and_no_token_is_a_word(tmp_path: Path) -> None:
    words = in_language("zh", export_words, tmp_path / "r1", tmp_path, "lora", "--task 1", False)
    assert "--task=--task 1" in words
    assert "--examples" not in words
    assert "--examples" in export_words(tmp_path / "r1", tmp_path, "lora", "a", True)
    assert not any(word.startswith("--task") for word in export_words(tmp_path, tmp_path, "space", "a", True))
