"""Where a run is started: seen only where there is a choice, worded with what the engine knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.shell.context import Context
from app.shell.selection import Selection
from app.texts.language import speaking
from app.train.where_panel import WherePanel
from core.runs.launchers import LAUNCHERS
from core.runs.where import FILE
from core.workspace import Workspace
from tests.app.panels import build_panel
from tests.runs.fake_engine import FakeEngine

ONE = "far: {launcher: fake, hours: 2}\n"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    LAUNCHERS.register("fake", FakeEngine())
    yield Context(Workspace(tmp_path))
    LAUNCHERS.remove("fake")


def test_nothing_is_seen_while_there_is_only_this_machine(context: Context) -> None:
    panel = build_panel(WherePanel, context)
    shown = panel.draw(context, Selection(), "local")
    assert not shown[panel.choice]["visible"]
    assert shown[panel.told] == ""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_engine_is_offered_with_price_limit_and_queue(context: Context, language: str) -> None:
    (context.workspace.root / FILE).write_text(ONE, encoding="utf-8")
    panel = build_panel(WherePanel, context)
    with speaking(language):
        shown = panel.draw(context, Selection(language=language), "far")
        assert shown[panel.choice]["visible"]
        assert shown[panel.choice]["value"] == "far"
        assert [name for _, name in shown[panel.choice]["choices"]] == ["local", "far"]
        chosen = panel.tell(context, Selection(language=language), "far")
        told = chosen[panel.told]
        assert chosen[context.selection].engine == "far"
        assert "0.80" in told
        assert "1.60" in told
        assert ("leave this machine" if language == "en" else "离开本机") in told
        assert panel.tell(context, Selection(), "local")[panel.told] == ""


def test_a_choice_that_is_gone_falls_back_and_a_broken_file_is_named(context: Context) -> None:
    file = context.workspace.root / FILE
    file.write_text(ONE, encoding="utf-8")
    panel = build_panel(WherePanel, context)
    assert panel.draw(context, Selection(), "gone")[panel.choice]["value"] == "local"
    file.write_text("far: 3", encoding="utf-8")
    shown = panel.draw(context, Selection(), "far")
    assert shown[panel.choice]["value"] == "local"
    assert "engines.yaml" in shown[panel.told]


def test_a_visitor_sees_only_what_is_for_visitors(context: Context) -> None:
    (context.workspace.root / FILE).write_text(ONE, encoding="utf-8")
    panel = build_panel(WherePanel, context)
    assert not panel.draw(context, Selection(owner="ann"), "far")[panel.choice]["visible"]
