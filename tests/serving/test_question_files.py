"""A file of questions: found by column, answered in order, scored where right answers stand; faults are named."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.__main__ import main
from core.base.errors import TaskFileError
from core.chat.client import ChatClient
from core.chat.protocol import ask
from core.chat.question_files import answer_questions, judge, outcome_csv, read_questions
from core.tasks.dataset import load_saved_tasks


@pytest.fixture
def two_rows(tmp_path: Path) -> Path:
    path = tmp_path / "questions.csv"
    path.write_text("Text,label,note\nmessage 1,yes,=1+1\nmessage 2,no,b\n,yes,empty\n", encoding="utf-8")
    return path


def test_answers_come_back_in_order_with_a_score(run_dir: Path, two_rows: Path, tmp_path: Path) -> None:
    spec = load_saved_tasks(run_dir / "data")[0]
    read = read_questions(two_rows, spec)
    questions = read.questions
    assert [(q.line, q.content, q.target) for q in questions] == [(2, "message 1", "yes"), (3, "message 2", "no")]
    client = ChatClient(log_path=tmp_path / "log")
    request = ask(run_dir, spec.name, "-", max_new_tokens=4)
    answers = dict(answer_questions(client, request, questions))
    alone = client.answer(ask(run_dir, spec.name, "message 2", max_new_tokens=4)).text
    client.close()
    assert answers[1].text == alone
    right = [replace(answers[0], text="yes"), replace(answers[1], text="yes")]
    outcome = judge(spec, right, read)
    assert [(note.key, note.values["rows"]) for note in outcome.notes] == [("questions.blank", 1)]
    assert outcome.score is not None
    assert (outcome.score.value, outcome.score.n, outcome.values) == (0.5, 2, [1.0, 0.0])
    rows = list(csv.DictReader(io.StringIO(outcome_csv(outcome))))
    assert rows[0] == {
        "Text": "message 1",
        "label": "yes",
        "note": "'=1+1",
        "answer": "yes",
        "right answer": "yes",
        "score": "1.0",
    }


def test_a_file_without_right_answers_has_no_score(run_dir: Path, tmp_path: Path) -> None:
    spec = load_saved_tasks(run_dir / "data")[0]
    path = tmp_path / "plain.jsonl"
    path.write_text('{"anything": "hello there"}\n{"anything": "and more"}\n', encoding="utf-8")
    read = read_questions(path, spec)
    assert read.notes == ()
    questions = read.questions
    bare = tmp_path / "bare.csv"  # of one column, whose name is not the task's: it may be a question
    bare.write_text("phrase\nhello there\n", encoding="utf-8")
    assert [(n.key, n.values["text"]) for n in read_questions(bare, spec).notes] == [("questions.header", "phrase")]
    bare.write_text('text\nhello there\n""\n\nand more\n', encoding="utf-8")  # lines that the reader passes over
    assert [(n.key, n.values["rows"]) for n in read_questions(bare, spec).notes] == [("questions.blank", 2)]
    assert [q.content for q in questions] == ["hello there", "and more"]
    assert [q.target for q in questions] == ["", ""]


def test_what_does_not_fit_is_named(run_dir: Path, two_rows: Path, tmp_path: Path) -> None:
    pairs = load_saved_tasks(run_dir / "data")[2]
    with pytest.raises(TaskFileError, match=r"mine\.csv has no column question, context"):
        read_questions(two_rows, pairs, "mine.csv")
    empty = tmp_path / "empty.csv"
    empty.write_text("text,label\n ,yes\n", encoding="utf-8")
    with pytest.raises(TaskFileError, match="no row with a text"):
        read_questions(empty, load_saved_tasks(run_dir / "data")[0])
    with pytest.raises(
        TaskFileError, match="3 questions or more"
    ):  # also where the rows that were read hold blanks
        read_questions(two_rows, load_saved_tasks(run_dir / "data")[0], most=2)


def test_the_command_line_answers_a_file(
    run_dir: Path, two_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers.csv"
    words = ["ask", run_dir.name, "--task", "task 0", "--file", str(two_rows), "--out", str(out)]
    words += ["--max-tokens", "3"]
    assert main([*words, "--workspace", str(run_dir.parents[3]), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert [row["line"] for row in value["rows"]] == [2, 3]
    assert value["score"]["n"] == 2
    assert len(out.read_text(encoding="utf-8-sig").splitlines()) == 3
