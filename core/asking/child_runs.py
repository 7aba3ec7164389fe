"""Runs that a question trains for itself, one after the other: ordinary runs of the project, made from the asking
run's own frozen rows and settings, each known by its place in the question.

    <run>/probes/<question>_runs.json    {rules, runs: {place: run id}}, kept while the question is at work
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import RunError, WorkspaceError
from core.base.files import new_id, read_json, write_json_atomic
from core.base.folders import whole_folder
from core.runs.creation import fill_run
from core.runs.folder import RunFolder
from core.runs.liveness import run_state
from core.runs.states import SUCCEEDED, RunStatus
from core.runs.together import OnStatuses, begin_here, count_due, run_together
from core.runs.where import HERE, Engine
from core.tasks.dataset import TaskDataset
from core.training.config import RunConfig, config_to_dict

POLL_S = 0.5
PARTS = 1000  # progress is told in thousandths of all runs
OnProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wanted:
    """A run to be made: what it learns from, how, and the name it gets."""

    label: str
    dataset: TaskDataset
    config: RunConfig


@dataclass
class ChildRuns:
    """The runs of a question so far: place -> run id. `rules`: settings that all were made by; runs of other rules
    are not taken over."""

    folder: RunFolder
    kind: str
    rules: RunConfig
    path: Path
    runs: dict[str, str]

    @classmethod
    def open(cls, folder: RunFolder, kind: str, rules: RunConfig) -> ChildRuns:
        """With the runs of a question that was interrupted."""
        path = folder.probe_path(f"{kind}_runs")
        path.parent.mkdir(exist_ok=True)
        record = read_json(path) if path.is_file() else {}
        runs = dict(record["runs"]) if record.get("rules") == config_to_dict(rules) else {}
        return cls(folder, kind, rules, path, runs)

    def train_all(
        self,
        places: list[str],
        make: Callable[[str], Wanted],
        on_progress: OnProgress,
        engine: Engine = HERE,
        on_statuses: OnStatuses | None = None,
    ) -> None:
        """Every place's run, to its end, in turn here or all at once on another engine; goes on where it was
        interrupted.

        Raises:
            RunError: one of them did not succeed.
        """
        if engine != HERE:

            def tell_all(statuses: list[RunStatus]) -> None:
                if on_statuses is not None:
                    on_statuses(statuses)
                on_progress(round(PARTS * sum(status.progress for status in statuses)), PARTS * len(statuses))

            run_together([self._run_of(place, make) for place in places], engine, tell_all)
            return
        for number, place in enumerate(places):

            def tell(share: float, number: int = number) -> None:
                on_progress(round(PARTS * (number + share)), PARTS * len(places))

            self._train(place, make, tell)

    def count_due(self, places: list[str]) -> int:
        """How many of them `train_all` would start."""
        return count_due(self._find(place) for place in places)

    def made(self, place: str) -> RunFolder:
        return RunFolder(self.folder.path.with_name(self.runs[place]))

    def _run_of(self, place: str, make: Callable[[str], Wanted]) -> RunFolder:
        """The run of one place, made if need be."""
        folder = self._find(place)
        if folder is None:
            folder = self._make(make(place))
            self.runs[place] = folder.run_id
            write_json_atomic(self.path, {"rules": config_to_dict(self.rules), "runs": self.runs})
        return folder

    def _train(self, place: str, make: Callable[[str], Wanted], on_share: Callable[[float], None]) -> None:
        folder = self._run_of(place, make)
        begin_here(folder)
        while (status := run_state(folder)).is_live:
            on_share(status.progress)
            time.sleep(POLL_S)
        if status.state != SUCCEEDED:
            raise RunError("command.run_ended", run=folder.run_id, state=status.state)
        on_share(1.0)

    def _find(self, place: str) -> RunFolder | None:
        """A run that was made before and has not failed."""
        if place not in self.runs:
            return None
        folder = self.made(place)
        if not folder.run_path.is_file():
            return None
        status = run_state(folder)
        return None if status.is_terminal and status.state != SUCCEEDED else folder

    def _make(self, wanted: Wanted) -> RunFolder:
        run_id, asking = new_id("r"), self.folder
        final = asking.path.with_name(run_id)
        more = {"run_id": run_id, "made_from": asking.run_id, "part_of": f"{self.kind}:{asking.run_id}"}
        try:
            with whole_folder(final) as building:
                inside = RunFolder(building)
                fill_run(inside, wanted.label[:80], wanted.config, wanted.dataset, more, asking)
        except OSError as error:
            raise WorkspaceError("workspace.read_only", path=str(final), detail=error.strerror or "") from error
        return RunFolder(final)
