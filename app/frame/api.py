"""Calls by programs: what the screens do, by name, for gradio_client, plain HTTP and (with --mcp) MCP clients.

Only on one's own machine: a shared page offers none of them, since a program shows no visitor's login. They are
thin covers over the same functions of core as the screens and the command line; the docstrings are what the API
page and MCP clients say of them. assets/docs/api.md shows them in use.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.shell.context import Context
from app.shell.handlers import guarded
from app.shell.run_command import run_errand
from app.shell.upload_folders import export_name, new_export_folder, note_uploads
from core.base.errors import RunError, TaskloomError, WorkspaceError
from core.chat.protocol import ask
from core.commands.runs import run_value
from core.commands.task_options import task_value
from core.export.card import KINDS
from core.runs.creation import create_run
from core.runs.engine_terms import engine_begun
from core.runs.folder import RunFolder
from core.runs.launching import start_run, stop_run
from core.runs.summaries import list_summaries
from core.runs.where import HERE
from core.tasks.changing.domain import add_files
from core.tasks.store import list_tasks
from core.training.config import RunConfig, change_config
from core.workspace import Project

NAMES = ("projects", "import", "train", "status", "stop", "ask", "export")


@dataclass(frozen=True)
class Api:
    """The calls over one workspace. Errors are said in English: what happened and what to do."""

    context: Context

    def projects(self) -> list[dict[str, Any]]:
        """Lists the projects with their tasks and runs."""
        return [
            {
                "project": project.name,
                "project_id": project.project_id,
                "tasks": [task_value(spec) for spec in list_tasks(project)],
                "runs": [{"run": r.run_id, "name": r.name, "state": r.state} for r in list_summaries(project)],
            }
            for project in self.context.workspace.list_projects()
        ]

    def import_files(self, project: str, files: list[str]) -> list[dict[str, Any]]:
        """Adds task files (csv, tsv, txt, xlsx, json, jsonl, parquet, gzip'd text) to a project, one task a file.

        Columns, kind of task and score are guessed as on the Tasks screen.

        Args:
            project: name or id of the project; it is made when there is none of this name.
            files: the task files; those that belong together by their names (train, test, dev) become one task.
        """
        home = self._project(project)
        note_uploads(home, files or [])
        report = add_files(home, list(files or []))
        for problem in [*(p for _, p in report.failed), *(item.problem for item in report.lone)][:1]:
            raise gr.Error(f"{problem.message} {problem.hint}".strip(), print_exception=False)
        return [task_value(spec) for spec in report.added]

    def train(self, project: str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
        """Starts a training on all tasks of a project and returns at once; `status` tells how it goes.

        Args:
            project: name or id of the project.
            settings: settings that differ from the defaults, for example {"epochs": 3, "adapter.rank": 4}.
        """
        home = self.context.workspace.get_project(project)
        folder = create_run(home, change_config(RunConfig(), settings or {}))
        start_run(folder)
        return shown_run(folder)

    def status(self, run: str) -> dict[str, Any]:
        """Tells what a run is doing: state, stage, step, progress from 0 to 1, seconds left.

        Args:
            run: run id, or a unique beginning of it.
        """
        return shown_run(self._run(run))

    def stop(self, run: str) -> dict[str, Any]:
        """Stops a run and keeps what it has learned.

        Args:
            run: run id, or a unique beginning of it. An interrupted one of another engine is refused: it would have
                to be taken up there once more, to which a person has to agree.
        """
        folder = self._run(run)
        engine = engine_begun(folder, "stop")
        if engine != HERE:
            raise RunError("run.stop_there", name=folder.run_id, engine=engine.name)
        stop_run(folder)
        return shown_run(folder)

    def ask(
        self,
        run: str,
        task: str,
        inputs: dict[str, str] | str,
        tuned: bool = True,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Answers a question as one of the tasks of a trained run.

        Args:
            run: run id, or a unique beginning of it.
            task: name of the task.
            inputs: the text, or a text for each input column of the task.
            tuned: false asks the untouched base model.
            temperature: 0 gives the likeliest answer, more varies it.
            seed: the same seed gives the same answer.
        """
        how = {"tuned": tuned, "temperature": float(temperature), "seed": int(seed)}
        done = self.context.chat.answer(ask(self._run(run).path, task, inputs, **how))
        return {
            "answer": done.text,
            "tokens": done.tokens,
            "seconds": done.seconds,
            "skills": {weight.name: weight.weight for weight in done.weights},
        }

    def export(self, run: str, kind: str = "lora", task: str = "") -> str:
        """Exports a trained run, checked after reloading in a fresh process, as a zip file with a model card.

        Args:
            run: run id, or a unique beginning of it.
            kind: lora, merged, space or run.
            task: only this task; all when empty.
        """
        folder = self._run(run)
        place = new_export_folder(folder.run_id)
        only = [f"--task={task}"] if task else []
        run_errand(
            self.context.workspace.root, "export", folder.run_id, str(place / "files"), f"--as={kind}", *only
        )
        packed = shutil.make_archive(str(place / export_name(folder.path, kind, task)), "zip", place / "files")
        shutil.rmtree(place / "files")
        return packed

    def _project(self, name: str) -> Project:
        try:
            return self.context.workspace.get_project(name)
        except WorkspaceError:
            return self.context.workspace.create_project(name)

    def _run(self, run: str) -> RunFolder:
        return RunFolder(self.context.workspace.find_run_dir(run))


def shown_run(folder: RunFolder) -> dict[str, Any]:
    """A run as `status` gives it; clients would take a "path" for a file to download."""
    return {name: value for name, value in run_value(folder).items() if name != "path"}


def build_api(context: Context) -> None:
    """Offers the calls of NAMES; none on a shared page."""
    if context.shared:
        return
    api = Api(context)
    for name in ("projects", "train", "status", "stop", "ask"):
        gr.api(_said(getattr(api, name)), api_name=name, concurrency_limit=8)
    with gr.Row(visible=False):
        project, run, task = (gr.Textbox(label=name) for name in ("project", "run", "task"))
        files = gr.File(label="files", file_count="multiple", type="filepath")
        kind = gr.Dropdown(list(KINDS), value="lora", label="kind")
        added, packed = gr.JSON(label="tasks"), gr.File(label="zip")
        button = gr.Button()
    one = {"api_visibility": "public", "concurrency_limit": 1}
    button.click(_said(api.import_files), [project, files], added, api_name="import", **one)
    button.click(_said(api.export), [run, kind, task], packed, api_name="export", **one)


def _said(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call with our errors as plain sentences; anything unexpected becomes an id for the log."""

    @functools.wraps(call)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except TaskloomError as error:
            raise gr.Error(" ".join(str(error).split()), print_exception=False) from error

    return guarded(run)
