"""The bar of all jobs: whose they are, what they are called, where a click leads."""

from __future__ import annotations

import os
import types
from pathlib import Path

import pytest

from app.frame.job_bar import JobBar, open_job, word_work
from app.shell.context import WORK_SCREENS, Context
from app.shell.selection import Selection
from app.shell.work_list import Work, WorkList
from app.texts import say
from core.insight.jobs import job_dir, live_jobs
from core.insight.live_jobs import NOTES, note_job, place_of
from core.insight.probe_table import KINDS
from core.runs.folder import RunFolder
from core.runs.lock import try_lock
from core.runs.states import RunStatus
from core.workspace import Project, Workspace
from tests.app.panels import build_panel

MINE, THEIRS = "a" * 32, "b" * 32
RUN = "r20260101-000000-aaaaaaaa"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Workspace(tmp_path), shared=True, job_screens={"exam": "results", "study": "results"})


def project_with_run(context: Context, name: str, owner: str) -> Project:
    project = context.workspace.create_project(name, owner)
    folder = RunFolder(project.runs_dir / RUN)
    folder.path.mkdir(parents=True)
    folder.write_run({"name": "First <b>run", "tasks": []})
    folder.write_status(RunStatus(state="cancelled"))
    return project


def at_work(context: Context, place: Path, kind: str) -> int:
    """A job as `start_job` leaves it: noted, with its lock held."""
    folder = job_dir(place, kind)
    folder.mkdir(parents=True)
    lock = try_lock(folder / "lock")
    assert lock is not None
    note_job(context.workspace.root, folder)
    return lock


def test_jobs_of_a_run_and_of_a_project_are_in_the_bar_of_their_owner_only(context: Context) -> None:
    mine, theirs = project_with_run(context, "Ward", MINE), project_with_run(context, "Law", THEIRS)
    locks = [at_work(context, mine.runs_dir / RUN, "exam"), at_work(context, mine.path, "study")]
    locks.append(at_work(context, theirs.path, "study"))
    bar = build_panel(JobBar, context)
    try:
        shown = bar.draw(context, Selection(owner=MINE), None)[bar.bar]
        assert shown.count('class="job"') == 2
        assert "Law" not in shown
        assert "Ward · First &lt;b&gt;run" in shown
        assert f'data-place="results/{mine.project_id}/{RUN}"' in shown
        assert f'data-place="results/{mine.project_id}/"' in shown
        assert say("work.exam") in shown
        assert "%" not in shown.replace("width:100.0%", "")  # nobody knows yet how far they are
    finally:
        for lock in locks:
            os.close(lock)
    assert bar.draw(context, Selection(owner=MINE), None)[bar.bar] == ""
    assert live_jobs(context.workspace.root) == []
    assert list((context.workspace.root / NOTES).iterdir()) == []  # what has ended is not looked at again


def test_what_this_process_does_is_there_while_it_lasts(context: Context) -> None:
    project = project_with_run(context, "Ward", MINE)
    bar, here = build_panel(JobBar, context), Selection(owner=MINE, project_id=project.project_id)
    with context.at_work(here, "import"):
        shown = bar.draw(context, Selection(owner=MINE), None)[bar.bar]
        assert say("work.import") in shown
        assert bar.draw(context, Selection(owner=THEIRS), None)[bar.bar] == ""
    assert bar.draw(context, Selection(owner=MINE), None)[bar.bar] == ""


def test_a_click_leads_to_the_job_and_nowhere_else(context: Context) -> None:
    mine, theirs = project_with_run(context, "Ward", MINE), project_with_run(context, "Law", THEIRS)
    build_panel(JobBar, context)
    here = Selection(owner=MINE)

    def clicked(place: str) -> tuple[str, str, str]:
        shown = open_job(context, here, types.SimpleNamespace(place=place))
        found = shown[context.selection]
        return found.project_id, found.run_id, shown.get(context.tabs, {}).get("selected", "")

    assert clicked(f"results/{mine.project_id}/{RUN}") == (mine.project_id, RUN, "tab.results")
    assert clicked(f"tasks/{mine.project_id}/") == (mine.project_id, RUN, "tab.tasks")
    for place in (f"results/{theirs.project_id}/{RUN}", f"nowhere/{mine.project_id}/", "", "a/b/c/d", "results"):
        assert clicked(place) == ("", "", "")


def test_kinds_have_words_and_screens() -> None:
    for kind in (*WORK_SCREENS, *KINDS, "exam", "study", "measure", "add-task", "annotate", "detect"):
        assert word_work(kind) != say("work.other")
    assert word_work("of another day") == say("work.other")


@pytest.mark.parametrize("name", ["projects/../jobs/exam", "etc/passwd", "projects/p/runs/../jobs/x", ""])
def test_a_note_leads_into_projects_only(tmp_path: Path, name: str) -> None:
    assert place_of(tmp_path, name) is None


def test_the_list_of_work_forgets_one_of_two_alike() -> None:
    listed, work = WorkList(), Work(MINE, "p", "", "import", "tasks")
    with listed.doing(work):
        with listed.doing(work):
            assert len(listed.of(MINE)) == 2
        assert listed.of(MINE) == [work]
    assert listed.of(MINE) == []
