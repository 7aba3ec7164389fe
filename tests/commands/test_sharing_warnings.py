"""What is said of a run before others get it."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.commands import export as command
from core.insight import verdicts
from core.insight.verdict_rules import BROKEN
from core.insight.verdicts import Verdict
from core.messages import Sentence


@pytest.mark.parametrize("wanted", ["mails", "t1"])
def test_a_broken_task_is_told_by_name_and_by_id(
    wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [{"name": "mails", "task_id": "t1"}, {"name": "notes", "task_id": "t2"}]
    run = SimpleNamespace(path=tmp_path, read_run=lambda: {"tasks": records})
    found = [Verdict(r["name"], BROKEN, "rule", Sentence("unsure.few"), "step") for r in records]
    monkeypatch.setattr(command, "find_run", lambda args: run)
    monkeypatch.setattr(verdicts, "read_verdicts", lambda run_dir: found)
    said = "\n".join(command.warn_before_sharing(Namespace(task=[wanted])))
    assert "mails:" in said
    assert "notes:" not in said
