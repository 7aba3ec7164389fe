"""An engine in memory that speaks the launcher protocol: a test moves its jobs by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.base.errors import RunError
from core.runs.folder import RunFolder
from core.runs.launchers import Answer, Expected, Identity, LaunchOrder, Sign
from core.runs.states import RunStatus


class FakeEngine:
    """`signs` says of every job where it is; `is_silent` makes the engine answer nothing."""

    is_here = False
    joins = True
    settings: Mapping[str, type] = {"flavor": str, "hours": float}

    def __init__(self) -> None:
        self.signs: dict[str, Sign] = {}
        self.commands: list[str] = []
        self.is_silent = self.refuses = False

    def submit(self, order: LaunchOrder) -> dict[str, Any]:
        if self.refuses:
            raise RunError("run.engine_refused", engine="fake", detail="no room")
        job = f"j{len(self.signs)}"
        self.signs[job] = "pending"
        self.commands.append(f"{order.folder.path} {order.launch_id} {dict(order.settings)}")
        return {"job": job}

    def alive(self, folder: RunFolder, launch: Identity) -> Answer:
        self._require_answer()
        return Answer(self.signs[launch["job"]], 2 if self.signs[launch["job"]] == "pending" else None)

    def cancel(self, folder: RunFolder, launch: Identity) -> None:
        self._require_answer()
        self.signs[launch["job"]] = "gone"

    def log(self, folder: RunFolder, launch: Identity, num_lines: int) -> str:
        self._require_answer()
        return f"said by {launch['job']}"

    def expect(self, settings: Mapping[str, Any]) -> Expected:
        return Expected(dollars_an_hour=0.8, waiting=1, limit_s=7200.0)

    def end(self, folder: RunFolder, state: str = "succeeded") -> None:
        """The worker has ended."""
        folder.write_done({"state": state, "ended": 1.0, "message_key": "run.finished"})
        folder.write_status(RunStatus(state=state, progress=1.0))
        self.signs[str(json.loads(folder.launch_path.read_text())["job"])] = "gone"

    def _require_answer(self) -> None:
        if self.is_silent:
            raise RunError("run.engine_no_answer", engine="fake", detail="timed out")
