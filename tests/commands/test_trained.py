"""Verbs that need a trained run, in this process, on a tiny run whose adapter was given random numbers."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import RunError
from core.base.records import from_record
from core.insight.growth import Growth, describe_growth
from core.runs.folder import RunFolder
from core.tasks.store import read_rows
from tests.commands.conftest import Run

ROOT = Path(__file__).resolve().parents[2]


def write_exam(home: Path, run_id: str) -> None:
    from core.base.files import write_json_atomic
    from core.evaluation.results import build_results
    from core.tasks.dataset import load_saved_dataset

    folder = RunFolder(next(home.glob(f"projects/*/runs/{run_id}")))
    folder.predictions_dir.mkdir(exist_ok=True)
    rows = [{"row": i, "prompt": "p", "target": "yes", "base": "no", "tuned": "yes"} for i in range(10)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder.predictions_dir / "0.jsonl").write_text(text, encoding="utf-8")
    write_json_atomic(
        folder.results_path, build_results(load_saved_dataset(folder.data_dir), folder.predictions_dir)
    )


def test_evaluate_shows_the_exam(run: Run, home: Path, run_id: str) -> None:
    write_exam(home, run_id)
    outcome = run("evaluate", run_id)
    assert "100.0 [72.2, 100.0]" in outcome.out  # Wilson: ten of ten rows do not prove that all are right
    assert outcome.out.startswith("task 0: not yet. Exam rows: 10.")
    assert " no\n" in outcome.out  # ten rows are never sure
    assert "accuracy says how many answers are right" in outcome.out
    value = run("evaluate", run_id, "--json").value
    assert value["results"][0]["change"] == 1.0
    assert value["verdicts"][0]["rule"] == "exam_small"
    assert value["results"][0]["best_guess"] in value["results"][0]["guesses"]


def test_report_is_one_safe_page(run: Run, home: Path, run_id: str, tmp_path: Path) -> None:
    write_exam(home, run_id)
    path = next(home.glob(f"projects/*/runs/{run_id}/predictions/0.jsonl"))
    kept = path.read_text(encoding="utf-8")
    path.write_text(kept.replace('"tuned": "yes"', '"tuned": "<script>alert(1)</script>"', 1), encoding="utf-8")
    assert run("report", run_id, tmp_path / "page.html").code == 0
    assert "script" not in (tmp_path / "page.html").read_text(
        encoding="utf-8"
    )  # no row of the exam unless asked for
    assert run("report", run_id, tmp_path / "page.html", "--answers", "20").code == 0
    path.write_text(kept, encoding="utf-8")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page
    assert "Exam rows: 10." in page
    assert "Best guess" in page
    assert page.count("<tr>") > 10


def test_compare_a_run_with_itself_finds_nothing(run: Run, home: Path, run_id: str) -> None:
    write_exam(home, run_id)
    value = run("compare", run_id, run_id[:20], "--json").value
    assert value["comparisons"][0]["p_adjusted"] == 1.0
    assert "cannot tell" in value["sentences"][0]


def test_which_tasks_pull_the_same_way(run: Run, home: Path, run_id: str) -> None:
    path, none = next(home.glob(f"projects/*/runs/{run_id}")) / "evidence.json", [None] * 3
    names = [task["name"] for task in RunFolder(path.parent).read_run()["tasks"]]
    cosines = [[[1.0, 0.5, 0.0], [0.5, 1.0, 0.1], [0.0, 0.1, 1.0]]] * 5
    record = {"tasks": names, "skills": ["common 1"], "rows": [16] * 3, "own": [1.0] * 3, "base": [2.0] * 3}
    record |= {"cells": [[None]] * 3, "without_common": none, "without_private": none, "borrowed": [none] * 3}
    record["pull"] = {"tasks": [0, 1, 2], "rows": 16, "cosines": cosines}
    path.write_text(json.dumps(record), encoding="utf-8")
    try:
        assert "A pair is told above" in (told := run("skills", run_id, "--pull").out)
        assert f"{names[0]} and {names[1]} pull the common skills the same way" in told
        value = run("skills", run_id, "--pull", "--json").value
        assert value["pairs"] == [[names[0], names[1], 0.5]]
        assert run("skills", run_id, "--json").value["evidence"]["pull"]["cosine"] == value["cosine"]
    finally:
        path.unlink()


def test_skills_by_layer(run: Run, run_id: str) -> None:
    layers = run("skills", run_id, "--layers", "--json").value
    assert len(layers) > 2
    listed, shown = run("skills", run_id, "--layers").out, run("skills", run_id).out
    assert layers[0] in listed
    assert "block 1 of" in listed
    assert not any(
        name in shown for name in layers
    )  # said plainly; the path in the model is for --layer and --json
    one = run("skills", run_id, "--layer", layers[0], "--json").value
    mean = run("skills", run_id, "--json").value
    assert one["weights"] != mean["weights"]
    assert "common 1" in run("skills", run_id).out
    wrong = run("skills", run_id, "--pull")
    assert "was not measured" in wrong.err
    assert "--measure" in wrong.err
    wrong = run("skills", run_id, "--layer", "nothing")
    assert (wrong.code, wrong.out) == (2, "")


def test_knockout_and_transfer(run: Run, run_id: str) -> None:
    outcome = run("knockout", run_id, "--rows", "2")
    assert outcome.code == 0
    assert "common 1" in outcome.out
    assert "leaves out zero" in outcome.out
    value = run("knockout", run_id, "--json").value  # shows what was made
    assert value["change"]["task 0"]["private 2"] is None
    assert set(run("transfer", run_id, "--rows", "2", "--json").value["change"]) == {"task 0", "task 1", "pairs"}
    assert run("knockout", run_id, "--rows", "0", "--again").code == 2


def test_export_writes_what_peft_reads(run: Run, run_id: str, tmp_path: Path) -> None:
    run("evaluate", run_id)  # sits the exam, where no test before did
    said = run("export", run_id, tmp_path / "out", "--task", "task 1", "--language", "zh").out
    assert re.search(r"^task 1: (broken|not yet)\. ", said, re.MULTILINE)  # as Share says before the same
    assert "task 0:" not in said
    folder = next((tmp_path / "out").rglob("adapter_model.safetensors")).parent
    assert "终考" in (folder / "README.md").read_text(encoding="utf-8")
    value = run("export", run_id, tmp_path / "json", "--task", "task 1", "--json").value
    assert re.match(r"task 1: (broken|not yet)\. ", value[0]["warnings"][0])
    again = run("export", run_id, tmp_path / "out")
    assert again.code == 2
    assert "not empty" in again.err


def test_ask_several_columns_and_mistakes(run: Run, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["ask", run_id, "--task", "pairs", "--max-tokens", "3", "--json"]
    value = run(*words, "--input", "question=what is 3", "--input", "context=it is 3").value
    assert value["answers"]["tuned"]["tokens"] <= 3
    assert run("ask", run_id, "hello").err.startswith("error: The run has several tasks.")
    assert "of the form column=text" in run(*words, "--input", "question").err
    monkeypatch.setattr("sys.stdin", io.StringIO("message 4\n"))
    read = run("ask", run_id, "--task", "task 0", "--max-tokens", "3", "--base", "--json").value
    assert list(read["answers"]) == ["base"]


def test_the_task_can_be_detected(run: Run, home: Path, run_id: str) -> None:
    """By the text, and by a router that the run learns on request: `detect` and the chat process say the same."""
    assert run("detect", run_id, "what is 7", "--json").value["task"] == "pairs"
    assert "exam texts" in run("detect", run_id).out
    text = "message 3 of task 0"
    assert "has not learned" in run("detect", run_id, text, "--router").err
    assert run("detect", run_id, "--learn", "--json").value["ways"]["learn_s"] >= 0
    found = run("detect", run_id, text, "--router", "--json").value
    asked = run("ask", run_id, "--task", "auto", "--router", "--max-tokens", "2", "--json", text)
    assert asked.code == 2 if found["none"] else asked.value["task"] == found["task"]
    RunFolder(next(home.glob(f"projects/*/runs/{run_id}"))).router_path.unlink()
    value = run("ask", run_id, "--task", "auto", "--max-tokens", "2", "--json", "what is 7").value
    assert (value["task"], value["answers"]["tuned"]["tokens"] > 0) == ("pairs", True)  # a task of two columns


def test_chat_follows_commands(run: Run, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["what is 7", "/task task 1", "/base", "message 2", "/task nothing", "/quit", "never asked"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    outcome = run("chat", run_id, "--max-tokens", "3", "--json")
    asked = [(e["task"], e["tuned"], e["input"]) for e in outcome.value["exchanges"]]
    assert asked == [("pairs", True, "what is 7"), ("task 1", False, "message 2")]  # the first was found by itself
    assert "no task 'nothing'" in outcome.err


def test_chat_answers_no_foreign_question_and_takes_corrections(
    run: Run, home: Path, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        "Does warfarin interact with ibuprofen?",
        "/task task 0",
        "a new message",
        "/right nope",
        "/right! nope",
    ]
    lines += ["/right NO", "/right", "/task auto", "/quit"]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    outcome = run("chat", run_id, "--max-tokens", "3")
    assert "reads like none of the run's tasks" in outcome.err
    assert "no label that task 0 has so far" in outcome.err
    rows = next(path for path in home.glob("projects/*/tasks/*/train.jsonl") if "of task 0" in path.read_text())
    text = rows.read_text(encoding="utf-8")
    assert '"nope"' not in text  # the later answer took its place
    [row] = [line for line in text.splitlines() if '"a new message"' in line]
    assert '"no"' in row
    question = next(read_rows(rows.parent, "test"))[1]["text"]
    monkeypatch.setattr("sys.stdin", io.StringIO(f"/task task 0\n{question}\n/right yes\n/quit"))
    assert "stands in the final exam" in run("chat", run_id, "--max-tokens", "3").err


def test_serve_refuses_to_be_open_to_everybody(run: Run, run_id: str) -> None:
    outcome = run("serve", run_id, "--host", "0.0.0.0", "--no-token")
    assert outcome.code == 2
    assert "API key is needed" in outcome.err


def test_serve_answers_until_it_is_stopped(home: Path, run_id: str) -> None:
    environment = {**os.environ, "TASKLOOM_HOME": str(home), "TASKLOOM_SERVE_TOKEN": "secret-of-the-test"}
    command = [sys.executable, "-m", "core", "serve", run_id, "--port", "0"]
    # A test run in the background of a script has Ctrl-C switched off, and its children inherit that.
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+)/v1", process.stdout.readline())
            assert found is not None
            models = get(int(found.group(1)), "/v1/models")
            assert models["data"][0]["id"] == f"{run_id}/task 0"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()  # else a failed assertion waits for ever for a server nobody stops
    assert process.returncode == 0
    assert "secret" not in out + err
    assert "stopped" in err


def get(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={"Authorization": "Bearer secret-of-the-test"})
    value = json.loads(connection.getresponse().read())
    connection.close()
    return value


def test_study_shows_nothing_before_anything_ran(run: Run, run_id: str) -> None:
    outcome = run("study", "Desk", "--arm", "cpoly", "--arm", "lora", "--show")
    assert outcome.code == 2
    assert "no exam results" in outcome.err
    assert run("study", "Desk", "--name", "Other", "--arm", "magic", "--show").code == 2


def test_a_task_is_added_and_its_curve_has_a_band(run: Run, home: Path, run_id: str, tmp_path: Path) -> None:
    """The whole verb, with more than one draw: the report needs an interval over them."""
    rows = [{"text": f"parcel {i}", "label": ("late", "here")[i % 2]} for i in range(40)]
    path = tmp_path / "parcels.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    project = next(home.glob("projects/*")).name
    assert run("task", "add", project, path, "--name", "parcels").code == 0
    outcome = run("add-task", run_id, "parcels", "--rows", "5", "--draws", "2", "--steps", "2", "--json")
    assert outcome.code == 0, outcome.err
    assert list(map(len, outcome.value["curve"].values())) == [2]
    shown = run("add-task", run_id, "parcels", "--rows", "5", "--draws", "2", "--steps", "2")
    assert "95 % over draws" in shown.out
    assert f"{outcome.value['check_rows']} labelled check rows choose" in shown.out
    assert "exam questions; guessing (" in shown.out.splitlines()[0]
    assert (home / "projects" / project / "runs" / outcome.value["run_id"] / "DONE").exists()


def test_a_file_is_taught_in_one_step_unless_its_reading_is_in_question(
    run: Run, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a router that cannot be learned is told behind the success."""
    from core.chat import learning_router, routing

    def refuses(_: Path) -> None:
        raise RunError("chat.no_router_rows", least=10)

    monkeypatch.setattr(routing, "has_router", lambda _: True)
    monkeypatch.setattr(learning_router, "learn_router", refuses)
    quick = ("--steps", "2", "--json")
    path = tmp_path / "crates.jsonl"
    rows = [{"text": f"crate {i}", "label": ("full", "empty")[i % 2]} for i in range(40)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    value = run("add-task", run_id, path, *quick).value
    assert (value["task"], value["exam"]["n"]) == ("crates", value["questions"])
    assert len(value["curve"]) == 1  # all rows, once
    assert "at least 10 practice rows" in value["without_router"]
    told = describe_growth(from_record(Growth, value, "add-task"))
    assert [one.key for one in told[-2:]] == ["says.new_task_checked", "chat.no_router_yet"]
    doubtful = tmp_path / "mails.csv"
    text = "text,spam\n" + "".join(f"mail {i} to you,{('spam', 'ham')[i % 2]}\n" for i in range(12))
    doubtful.write_text(text, encoding="utf-8")
    refused = run("add-task", run_id, doubtful, *quick)
    assert refused.code == 2
    assert "QUESTION" in refused.err
    assert f"python -m core add-task {run_id}" in refused.err
    assert "mails" not in run("task", "list", "Desk").out  # nothing is left behind by an error
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert (
        run("add-task", run_id, "-", "--name", "pasted mails", "--as-read", *quick).value["task"] == "pasted mails"
    )
