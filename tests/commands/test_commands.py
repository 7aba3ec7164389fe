"""Every verb in this process: what it prints, what --json gives, one clear line and exit code 2 on a mistake."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from core.__main__ import build_parser
from core.base.errors import RunError
from core.commands import VERBS
from core.commands.output import ProgressLine, duration, progress_bar, table
from core.commands.probe import _tell_waiting
from core.commands.study import _tell_all
from core.runs.launchers import Expected
from core.runs.states import RunStatus
from core.workspace import Workspace
from tests.commands.conftest import Outcome, Run


def is_one_line(outcome: Outcome, *parts: str) -> bool:
    """Exit code 2, nothing printed, and a single line on standard error that holds all parts."""
    text = outcome.err.strip()
    return outcome.code == 2 and not outcome.out and "\n" not in text and all(part in text for part in parts)


def test_projects_are_made_listed_and_deleted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("project", "list").out.startswith("No projects yet")
    made = run("project", "create", "My desk", "--json").value
    assert Path(made["path"]).is_dir()
    assert is_one_line(run("project", "create", "My desk"), "My desk", "exists already")
    assert "My desk" in run("project", "list").out
    assert run("project", "list", "--json").value[0]["tasks"] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "Nothing was deleted" in run("project", "delete", "My desk").out
    assert run("project", "delete", "My desk", "--yes").code == 0
    assert run("project", "list", "--json").value == []


@pytest.mark.parametrize(("typed", "starts"), [("", False), ("n\n", False), ("y\n", True)])
def test_rows_leave_this_machine_after_a_yes_only(
    run: Run, rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, starts: bool
) -> None:
    begun: list[str] = []
    monkeypatch.setattr("core.runs.launching.begin_run", lambda *_, on, **__: begun.append(on) or refuse())
    monkeypatch.setattr("core.runs.engines.hf_jobs.HubLauncher.expect", lambda *_: Expected(0.8, limit_s=7200))
    run("project", "create", "Desk")
    run("task", "add", "Desk", rows_file)
    (tmp_path / "home" / "engines.yaml").write_text("far: {launcher: hf_jobs, bucket: me/b}", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    told = run("train", "Desk", "--on", "far", "--base-model", "not/there")
    assert "leave this machine: far gets a copy" in told.err
    assert "$0.80 an hour" in told.err
    assert "At most $1.60" in told.err
    assert begun == (["far"] if starts else [])
    run("train", "Desk", "--on", "far", "--yes")
    assert begun == ["far"] * (1 + starts)
    assert "leave" not in run("train", "Desk").err


def test_a_study_elsewhere_says_how_many_runs_and_what_all_of_them_cost(
    run: Run, rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.engines.hf_jobs.HubLauncher.expect", lambda *_: Expected(0.8, limit_s=7200))
    run("project", "create", "Desk")
    run("task", "add", "Desk", rows_file)
    (tmp_path / "home" / "engines.yaml").write_text("far: {launcher: hf_jobs, bucket: me/b}", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    told = run("study", "Desk", "--on", "far", "--arm", "cpoly", "--arm", "lora", "--seeds", "2")
    assert told.code == 2
    assert "4 runs are started there" in told.err
    assert "$6.40 for these 4" in told.err


def test_why_runs_wait_is_said_once_even_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    line, reason = ProgressLine(), {"engine": "nodes", "why": "no node is that large"}
    waits = RunStatus(state="pending", message_key="run.pending_why", message_values=reason)
    for progress in (0.0, 0.1, 0.2):
        _tell_all(line, "nodes", [waits, RunStatus(state="running", progress=progress)])
    assert capsys.readouterr().err.count("no node is that large") == 1
    look = _tell_waiting(line)
    for _ in range(2):
        look([RunStatus(state="pending", message_key="run.pending"), waits])
    assert capsys.readouterr().err.count("no node is that large") == 1


def refuse() -> None:
    raise RunError("run.not_found", run="r")


def test_the_workspace_option_chooses_the_folder(run: Run, tmp_path: Path) -> None:
    run("project", "create", "There", "--workspace", tmp_path / "other")
    assert run("project", "list", "--json").value == []
    assert [p.name for p in Workspace(tmp_path / "other").list_projects()] == ["There"]


def test_tasks_are_added_shown_and_removed(run: Run, rows_file: Path) -> None:
    run("project", "create", "Desk")
    words = ["--name", "cards", "--instruction", "Is it a card?", "--json"]
    added = run("task", "add", "Desk", rows_file, *words).value
    assert added[0]["name"] == "cards"
    assert added[0]["train"] + added[0]["validation"] + added[0]["test"] == 40
    assert "cards" in run("task", "list", "Desk").out
    shown = run("task", "show", "Desk", "cards", "--rows", "1").out
    assert "Is it a card?" in shown
    assert "message" in shown
    assert run("task", "remove", "Desk", "cards").code == 0
    assert "No tasks yet" in run("task", "list", "Desk").out


def test_columns_metric_and_test_file_are_taken_from_the_options(run: Run, tmp_path: Path) -> None:
    run("project", "create", "Desk")
    head = "id,question,context,reply\n"
    for name in ("train", "exam"):
        body = "".join(f"{i},what {name} {i},here {i},it is {i}\n" for i in range(30))
        (tmp_path / f"{name}.csv").write_text(head + body, encoding="utf-8")
    words = ["--input", "question", "--input", "context", "--target", "reply", "--metric", "exact_match", "--json"]
    outcome = run("task", "add", "Desk", "--test", tmp_path / "exam.csv", *words, tmp_path / "train.csv")
    task = outcome.value[0]
    assert (task["inputs"], task["targets"], task["metric"]) == (["question", "context"], ["reply"], "exact_match")
    assert task["test"] == 30


def test_a_domain_folder_is_added_whole(run: Run, rows_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "domain"
    folder.mkdir()
    (folder / "mails.jsonl").write_bytes(rows_file.read_bytes())
    hint = {
        "domain": "desk",
        "tasks": [
            {
                "name": "mails",
                "train": "mails.jsonl",
                "inputs": ["text"],
                "target": "label",
                "instruction": "Card?",
                "metric": "accuracy",
            }
        ],
    }
    (folder / "domain.json").write_text(json.dumps(hint), encoding="utf-8")
    run("project", "create", "Desk")
    assert [t["name"] for t in run("task", "add", "Desk", "--domain", folder, "--json").value] == ["mails"]
    assert is_one_line(run("task", "add", "Desk", "--domain", folder, "--name", "x"), "--name", "domain.json")
    assert is_one_line(run("task", "add", "Desk", rows_file, "--domain", folder), "FILE")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["project"], ["ACTION"]),
        (["projekt", "list"], ["invalid choice", "projekt"]),
        (["project", "create", "  "], ["no name yet"]),
        (["task", "add", "Nowhere", "x.csv"], ["no project 'Nowhere'", "Known projects"]),
        (["task", "add", "Desk", "missing.csv"], ["no file missing.csv"]),
        (["task", "add", "Desk"], ["--domain"]),
        (["task", "show", "Desk", "none"], ["no task 'none'"]),
        (["train", "Desk", "--set", "batch_size"], ["key=value"]),
        (["train", "Desk", "--set", "nothing=1"], ["no setting 'nothing'"]),
        (["train", "Desk", "--set", "batch_size=many"], ["batch_size", "whole number"]),
        (["train", "Desk", "--method", "magic"], ["magic", "cpoly"]),
        (["train", "Desk", "--config", "no.yaml"], ["no file no.yaml"]),
        (["train", "Desk"], ["task"]),
        (["status", "r-nothing"], ["no run 'r-nothing'"]),
        (["status", "../x"], ["outside the workspace"]),
        (["ask", "r-nothing", "hello"], ["no run"]),
        (["ask", "r-nothing", "hello", "you"], ["unknown words: you"]),
        (["skills", "r-nothing", "--speed", "9"], ["unknown words"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_two(run: Run, words: list[str], parts: list[str]) -> None:
    run("project", "create", "Desk")
    outcome = run(*words)
    assert is_one_line(outcome, *parts), outcome


def test_a_broken_line_is_named_and_a_useless_file_adds_nothing(run: Run, rows_file: Path) -> None:
    run("project", "create", "Desk")
    lines = rows_file.read_text(encoding="utf-8").splitlines()
    rows_file.write_text("\n".join([*lines[:6], '{"text": "cut', *lines[6:]]), encoding="utf-8")
    outcome = run("task", "add", "Desk", rows_file)
    assert outcome.code == 0
    assert "mails: " in outcome.out
    assert "line 7" in outcome.out
    rows_file.write_text("nothing of use", encoding="utf-8")
    assert is_one_line(run("task", "add", "Desk", rows_file, "--name", "other"), "mails.jsonl")
    assert [t["name"] for t in run("task", "list", "Desk", "--json").value] == ["mails"]


def test_errors_are_json_too(run: Run) -> None:
    outcome = run("runs", "Nowhere", "--json")
    assert outcome.code == 2
    assert outcome.value["error"]["key"] == "workspace.no_project"


def test_an_unexpected_error_is_one_line_and_exit_code_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Workspace) -> None:
        raise ZeroDivisionError("a fault\nin two lines")

    monkeypatch.setattr(Workspace, "list_projects", broken)
    outcome = run("project", "list")
    assert outcome.code == 1
    assert outcome.err == (
        "unexpected error: ZeroDivisionError: a fault in two lines (set TASKLOOM_TRACE=1 to see where)\n"
    )


def test_ctrl_c_is_exit_code_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Workspace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Workspace, "list_projects", interrupted)
    assert run("project", "list").code == 130


def test_a_run_in_the_background_can_be_cancelled_before_it_trains(run: Run, rows_file: Path) -> None:
    """The model folder is a wrong one on purpose: nothing is trained, the states are what counts here."""
    from core.runs.creation import create_run
    from core.training.config import RunConfig

    run("project", "create", "Desk")
    run("task", "add", "Desk", rows_file)
    project = Workspace().get_project("Desk")
    folder = create_run(project, RunConfig(base_model=str(_tiny(rows_file.parent))), name="Try")
    listed = run("runs", "Desk", "--json").value
    assert [(r["name"], r["state"], r["tasks"]) for r in listed] == [("Try", "draft", ["mails"])]
    assert "Try" in run("runs", "Desk").out
    assert "draft" in run("status", folder.run_id[:20], "--log").out
    assert is_one_line(run("stop", folder.run_id), "not at work")
    assert run("cancel", folder.run_id, "--json").value["state"] == "cancelled"
    assert is_one_line(run("resume", folder.run_id), "cancelled")
    assert is_one_line(run("evaluate", folder.run_id), "not saved a trained model")
    assert is_one_line(run("skills", folder.run_id), "no allocation yet")


def _tiny(folder: Path) -> Path:
    from tests.tiny_models import build_tiny_llama

    return build_tiny_llama(folder / "llama")


def test_doctor_reports_what_is_here(run: Run) -> None:
    outcome = run("doctor", "--json")
    names = {f["name"] for f in outcome.value["findings"]}
    assert {"python", "packages", "cores", "memory", "disk", "workspace", "torch", "bfloat16", "speed"} <= names
    assert outcome.value["healthy"] is True
    assert not any("could not" in f["text"] for f in outcome.value["findings"])


def test_doctor_finds_a_workspace_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    outcome = run("doctor", "--workspace", tmp_path / "file", "--json")
    assert outcome.value["healthy"] is False


def test_every_verb_explains_itself(run: Run) -> None:
    verbs = next(action.choices for action in build_parser()._actions if action.choices)
    assert len(verbs) >= len(VERBS)
    for verb in verbs:
        outcome = run(verb, "--help")
        assert outcome.code == 0, verb
        assert verb in outcome.out


def test_tables_count_chinese_characters_as_two_columns() -> None:
    lines = table([["银行", 3, None], ["ab", 12, 0.5]], ["name", "n", "x"]).splitlines()
    assert lines[2] == "银行   3      -"
    assert lines[3] == "ab    12  0.500"


def test_rows_wider_than_their_heads_are_shown_whole(run: Run, tmp_path: Path) -> None:
    lines = table([["a", "b", "c"], ["d"]], ["one", "two"]).splitlines()
    assert [line.split() for line in lines] == [["one", "two"], ["---", "---", "-"], ["a", "b", "c"], ["d"]]
    assert table([], []) == "\n"
    path = tmp_path / "one.csv"
    path.write_text("note\nfirst note, one; two\nsecond; third\n")
    assert "one; two" in run("task", "preview", path, "--delimiter", ",").out


def test_durations_and_bars() -> None:
    assert [duration(s) for s in (None, 4, 65, 7300)] == ["?", "4 s", "1 min 5 s", "2 h 1 min"]
    assert progress_bar(0.5, "half") == "[############------------]  50 %  half"
    assert progress_bar(7, "") == "[" + "#" * 24 + "] 100 %  "
