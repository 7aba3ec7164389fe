"""A person's way with runs on another engine, by the command line and by the page's own code: one waits and is
shown so, also after the page began anew, and is cancelled; another works, is ended, resumed, and deleted with its
project."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.drawing.curves import Curves
from app.home.screen import Home
from app.shell.context import Context
from app.shell.selection import Selection
from app.train.run_actions import act
from app.train.screen import RunPanel, read_log
from core.__main__ import main
from core.runs import where
from core.runs.folder import RunFolder
from core.training.config import config_to_yaml
from core.workspace import Project, Workspace
from tests.app.panels import build_panel
from tests.toy_project import quick_config

BUTTONS = ("stop", "cancel", "kill", "resume", "delete")


@dataclass(frozen=True)
class Walk:
    """What the walk needs of an engine: `hold` says whether a job that starts waits; `begin` lets the newest one
    begin; `said` is a word of its log; `begun_anew` forgets what a process that ends forgets."""

    project: Project
    model: Path
    engine: str
    hold: Callable[[bool], object]
    begin: Callable[[RunFolder], object]
    begun_anew: Callable[[], object]
    said: str

    def go(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.hold(True)
        waits = self._train(capsys)
        for _ in range(2):
            assert self._state(capsys, waits) == "pending"
            assert self._page(waits) == ("pending", ["stop", "cancel"])
            where._said.clear()
            where._asking.clear()
            self.begun_anew()
        assert self._delete_project(capsys) == 2
        assert "(pending)" in capsys.readouterr().err
        context, selection = self._open(waits)
        with pytest.raises(gr.Error):
            build_panel(Home, context).remove_project(context, selection, True)
        panel = build_panel(RunPanel, context)
        panel.grant(context, selection, ("cancel", waits.run_id))
        assert self._state(capsys, waits) == "cancelled"
        self.hold(False)
        works = self._train(capsys)
        self.begin(works)
        context, selection = self._open(works)
        assert self.said in self._told(capsys, works)
        assert self.said in read_log(context, selection)
        act(context, selection, name="kill")
        assert self._page(works) == ("interrupted", ["cancel", "resume", "delete"])
        self.hold(True)
        act(context, selection, name="resume")
        assert self._page(works)[0] == "pending"
        assert main(["cancel", works.run_id, *self._there]) == 0
        assert self._page(works) == ("cancelled", ["delete"])
        assert self._delete_project(capsys) == 0
        assert not self.project.path.exists()

    @property
    def _there(self) -> list[str]:
        return ["--workspace", str(self.project.path.parents[1])]

    def _train(self, capsys: pytest.CaptureFixture[str]) -> RunFolder:
        plan = self.project.path.parents[1] / "plan.yaml"
        plan.write_text(config_to_yaml(quick_config(self.model)), encoding="utf-8")
        words = ["train", "toy", "--config", str(plan), "--on", self.engine, "--yes", "--background", "--json"]
        assert main([*words, *self._there]) == 0, capsys.readouterr().err
        return RunFolder(Path(json.loads(capsys.readouterr().out)["path"]))

    def _state(self, capsys: pytest.CaptureFixture[str], folder: RunFolder) -> str:
        return str(json.loads(self._show(capsys, folder))["state"])

    def _told(self, capsys: pytest.CaptureFixture[str], folder: RunFolder) -> str:
        return str(json.loads(self._show(capsys, folder, "--log"))["log"])

    def _show(self, capsys: pytest.CaptureFixture[str], folder: RunFolder, *words: str) -> str:
        capsys.readouterr()
        assert main(["status", folder.run_id, "--json", *words, *self._there]) == 0
        return capsys.readouterr().out

    def _delete_project(self, capsys: pytest.CaptureFixture[str]) -> int:
        capsys.readouterr()
        return main(["project", "delete", "toy", "--yes", *self._there])

    def _open(self, folder: RunFolder) -> tuple[Context, Selection]:
        context = Context(Workspace(self.project.path.parents[1]))
        return context, Selection().with_project(self.project.project_id, folder.run_id)

    def _page(self, folder: RunFolder) -> tuple[str, list[str]]:
        """The state that the page's panel shows, and the buttons that it offers."""
        context, selection = self._open(folder)
        panel = build_panel(RunPanel, context)
        shown: dict[Any, Any] = panel.draw(context, selection, Curves())
        offered = [name for name in BUTTONS if shown[panel.buttons[name]]["visible"]]
        return str(shown[panel.seen][0]), offered
