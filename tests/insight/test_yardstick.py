"""Another model on the same exam rows: files, endpoints, prices, and a key that goes nowhere else."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.base.errors import RunError, SettingError, TaskFileError
from core.chat import other_model
from core.chat.other_model import Endpoint, OtherAnswer, ask_other
from core.commands import yardstick as command
from core.insight.yardstick import (
    ENDPOINT,
    FILE,
    Reply,
    Yardstick,
    add_replies,
    create_yardstick,
    describe_yardstick,
    exam_questions,
    list_yardsticks,
    measure_yardstick,
    read_replies,
    save_yardstick,
)
from core.messages import word
from core.tasks.dataset import SYSTEM_END
from tests.staged_runs import stages, write_stage

KEY = "sk-secret-0123456789"
GOOD = next(stage for stage in stages() if stage.name == "promising")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """200 exam rows of one task, of which our model answers about 70 % right."""
    return write_stage(GOOD, tmp_path / "run")


def write_csv(path: Path, head: list[str], rows: list[list[Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def test_answers_from_a_file_are_compared_on_the_same_rows(run_dir: Path, tmp_path: Path) -> None:
    questions = exam_questions(run_dir, rows=60)
    right = [GOOD.exam[q.row][1] for q in questions]
    path = write_csv(
        tmp_path / "big.csv", ["row", "answer"], [[q.row, a] for q, a in zip(questions, right, strict=True)]
    )
    made = create_yardstick(run_dir, "Big", FILE)
    made = add_replies(run_dir, made, read_replies(path, exam_questions(run_dir)).replies)
    assert [y.name for y in list_yardsticks(run_dir)] == ["Big"]
    found = measure_yardstick(run_dir, made)[0]
    assert (found.theirs.value, found.theirs.n, found.ours.n) == (1.0, 60, 60)
    assert 0.5 < found.ours.value < 0.85
    assert found.difference.value == pytest.approx(found.ours.value - 1)
    assert found.difference.is_sure
    said = describe_yardstick(made, [found], 0.5)
    assert [s.key for s in said] == ["yardstick.theirs"]
    assert "Big is better: 100.0" in said[0].text
    assert "Big 更好" in word(said[0], "zh")


def test_rows_are_found_by_their_question_too(run_dir: Path, tmp_path: Path) -> None:
    questions = exam_questions(run_dir, rows=3)
    path = write_csv(tmp_path / "a.csv", ["Question", "Answer"], [[q.prompt, "praise"] for q in questions])
    assert [r.row for r in read_replies(path, exam_questions(run_dir)).replies] == [0, 1, 2]
    lines = [json.dumps({"row": 2, "answer": "refund"}), json.dumps({"row": 1, "answer": " "})]
    jsonl = tmp_path / "b.jsonl"
    jsonl.write_text("\n".join(lines), encoding="utf-8")
    found = read_replies(jsonl, exam_questions(run_dir))
    assert [(r.row, r.text) for r in found.replies] == [(2, "refund")]
    assert found.unanswered == 1  # row 1


def test_answers_of_anybody_are_read_in_the_limited_child(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("read in this process")

    monkeypatch.setattr("core.tasks.reading.files.read_delimited", refuse)
    path = write_csv(tmp_path / "a.csv", ["row", "answer"], [[0, "praise"]])
    assert [r.row for r in read_replies(path, exam_questions(run_dir)).replies] == [0]
    monkeypatch.setattr("core.insight.yardstick.MOST_REPLIES", 1)
    with pytest.raises(TaskFileError) as caught:
        read_replies(path, exam_questions(run_dir))
    assert caught.value.key == "yardstick.many"


@pytest.mark.parametrize(
    ("head", "row", "key"),
    [
        (["row", "text"], [0, "x"], "yardstick.no_column"),
        (["number", "answer"], [0, "x"], "yardstick.no_column"),
        (["row", "answer"], [5000, "x"], "yardstick.no_row"),
        (["row", "answer"], ["x", "y"], "yardstick.no_row"),
        (["row", "answer"], [0, ""], "yardstick.unanswered"),
        (["row", "answer"], [0, " \u00a0"], "yardstick.unanswered"),
    ],
)
def test_files_that_do_not_fit_are_named(
    run_dir: Path, tmp_path: Path, head: list[str], row: list[Any], key: str
) -> None:
    path = write_csv(tmp_path / "odd.csv", head, [row, row])
    with pytest.raises(TaskFileError, match=r"odd\.csv") as error:
        read_replies(path, exam_questions(run_dir))
    assert error.value.key == key


def test_questions_of_unknown_tasks_and_runs_without_an_exam(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no task 'x'"):
        exam_questions(run_dir, "x")
    empty = write_stage(next(s for s in stages() if s.name == "no exam"), tmp_path / "empty")
    with pytest.raises(RunError, match="no exam results"):
        exam_questions(empty)


def test_of_equal_names_the_newest_counts_and_an_empty_one_not(run_dir: Path) -> None:
    first = add_replies(run_dir, create_yardstick(run_dir, "A", FILE), [Reply(0, 0, "x")])
    second = add_replies(run_dir, create_yardstick(run_dir, "A", FILE), [Reply(0, 0, "y"), Reply(0, 1, "y")])
    create_yardstick(run_dir, "B", FILE)
    assert [y.yardstick_id for y in list_yardsticks(run_dir)] == [second.yardstick_id]
    assert first.yardstick_id != second.yardstick_id


def test_price_and_time_stand_beside_ours() -> None:
    paid = Yardstick("y", "Big", ENDPOINT, answers=100, seconds=150.0, prompt_tokens=50_000, answer_tokens=2_000)
    assert paid.cost is None
    assert [s.text for s in describe_yardstick(paid, [], None)] == ["An answer of Big took 1.50 s."]
    priced = replace(paid, price_in=2.0, price_out=10.0)
    assert priced.cost == pytest.approx(0.12)
    said = [s.text for s in describe_yardstick(priced, [], 0.4)]
    assert "took 1.50 s; one of this model took 0.40 s in the exam, where it answers in batches" in said[0]
    assert said[1:] == ["100 answers of Big cost 0.1200 together, 1.2000 a thousand."]


def test_a_server_that_counts_no_tokens_has_no_price() -> None:
    silent = Yardstick("y", "Big", ENDPOINT, answers=100, seconds=150.0, price_in=2.0, price_out=10.0)
    assert silent.cost is None
    assert [s.key for s in describe_yardstick(silent, [], None)] == ["yardstick.time"]
    assert replace(silent, answer_tokens=1, price_out=0.0).cost == 0.0


def test_what_is_small_is_not_called_nothing() -> None:
    quick = Yardstick(
        "y", "Big", ENDPOINT, answers=100, seconds=0.2, prompt_tokens=100, price_in=0.1, price_out=0.0
    )
    said = " ".join(s.text for s in describe_yardstick(quick, [], 0.001))
    assert "took < 0.01 s; one of this model took < 0.01 s" in said
    assert "cost < 0.0001 together, 0.0001 a thousand" in said


@pytest.mark.parametrize(
    "url", ["https://api.example.com/v1", "http://localhost:8080/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1"]
)
def test_addresses_a_key_may_be_sent_to(url: str) -> None:
    assert Endpoint(url, "m", KEY).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/v1",
        "http://localhost.example.com/v1",
        "http://10.0.0.1/v1",
        "https://user:word@example.com/v1",
        "https://example.com/v1?key=1",
        "ftp://example.com",
        "file:///etc/passwd",
        "example.com/v1",
        "https://[x/v1",
        "https://user:word@[x/v1",
        "https://example.com:port/v1",
        "https://example.com:99999/v1",
        "https://exa mple.com/v1",
        "https://example..com/v1",
        "",
    ],
)
def test_addresses_a_key_may_not_be_sent_to(url: str) -> None:
    with pytest.raises(SettingError) as error:
        Endpoint(url, "m", KEY)
    assert KEY not in str(error.value)
    assert "word" not in str(error.value).split("Give")[0]


@pytest.mark.parametrize("key", ["ключ", "“sk-1”", "sk-1 sk-2", "sk-1\n", "sk-\x00"])
def test_a_key_that_no_request_can_carry_is_refused_in_words(key: str) -> None:
    with pytest.raises(SettingError) as error:
        Endpoint("https://api.example.com/v1", "m", key)
    assert error.value.key == "yardstick.bad_key"
    assert key not in str(error.value)


def answered(text: str, **usage: int) -> httpx2.Response:
    return httpx2.Response(200, json={"choices": [{"message": {"content": text}}], "usage": usage})


def ask(handler: Any, prompts: list[str], key: str = KEY) -> dict[int, OtherAnswer]:
    return dict(
        ask_other(
            Endpoint("https://api.example.com/v1/", "m", key, transport=httpx2.MockTransport(handler)), prompts
        )
    )


def test_questions_go_out_in_the_usual_form_and_answers_come_back_by_place() -> None:
    seen: list[tuple[str, str, dict[str, Any]]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        seen.append((str(request.url), request.headers.get("authorization", ""), body))
        return answered(f" {body['messages'][-1]['content'].upper()} ", prompt_tokens=7, completion_tokens=2)

    found = ask(handler, ["a", f"Be brief.{SYSTEM_END}b", "c"])
    assert [found[i].text for i in range(3)] == ["A", "B", "C"]
    assert found[0].prompt_tokens == 7
    assert {url for url, _, _ in seen} == {"https://api.example.com/v1/chat/completions"}
    assert {header for _, header, _ in seen} == {f"Bearer {KEY}"}
    assert {len(body["messages"]) for _, _, body in seen} == {1, 2}  # a system prompt is a turn of its own
    assert all(body["temperature"] == 0 and body["model"] == "m" for _, _, body in seen)


def test_a_busy_server_is_asked_again_as_late_as_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(threading.Event, "wait", lambda self, timeout=None: pauses.append(timeout))
    replies = iter([httpx2.Response(429, headers={"retry-after": "3"}), httpx2.Response(503), answered("yes")])
    response = other_model._ask(
        httpx2.Client(transport=httpx2.MockTransport(lambda _: next(replies))),
        Endpoint("https://a.example/v1", "m"),
        threading.Event(),
        "q",
    )
    assert response is not None
    assert response.text == "yes"
    assert pauses == [3.0, 2.0]


def test_a_model_that_takes_other_settings_is_asked_as_it_wants() -> None:
    bodies: list[dict[str, Any]] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        bodies.append(body)
        if "max_tokens" in body:
            return httpx2.Response(400, text="Unsupported 'max_tokens'. Use 'max_completion_tokens' instead.")
        if "temperature" in body:
            return httpx2.Response(400, text="'temperature' does not support 0 with this model.")
        return answered("yes")

    assert ask(handler, ["q"])[0].text == "yes"
    assert [len(body) for body in bodies] == [4, 4, 3]
    assert bodies[-1]["max_completion_tokens"] == 512
    with pytest.raises(RunError, match="refuses"):
        ask(lambda _: httpx2.Response(400, text="temperature"), ["q"])


@pytest.mark.parametrize(
    ("response", "key"),
    [
        (httpx2.Response(401, text=f"Incorrect key {KEY}"), "yardstick.refused"),
        (httpx2.Response(404, text="no such model"), "yardstick.refused"),
        (httpx2.Response(302, headers={"location": "https://evil.example/"}), "yardstick.refused"),
        (httpx2.Response(200, text=f"<html>{KEY}</html>"), "yardstick.other_form"),
        (httpx2.Response(200, json={"choices": []}), "yardstick.other_form"),
        (httpx2.Response(200, json=[1]), "yardstick.other_form"),
    ],
)
def test_refusals_are_worded_without_the_key(response: httpx2.Response, key: str) -> None:
    with pytest.raises(RunError) as error:
        ask(lambda _: response, ["q"])
    assert error.value.key == key
    assert KEY not in str(error.value)
    assert KEY not in repr(Endpoint("https://a.example", "m", KEY))


def test_a_server_that_is_not_there_is_said() -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"refused {KEY}", request=request)

    with pytest.raises(RunError, match="cannot be reached") as error:
        ask(handler, ["q", "r"])
    assert KEY not in str(error.value)


@pytest.fixture
def server() -> Iterator[str]:
    """A model on this machine that always says praise."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps({"choices": [{"message": {"content": "praise"}}], "usage": {"prompt_tokens": 5}})
            self.send_response(200 if self.headers["authorization"] == f"Bearer {KEY}" else 401)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}/v1"
    running.shutdown()
    thread.join()
    running.server_close()


def test_the_command_asks_and_the_key_is_kept_nowhere(
    run_dir: Path, server: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import argparse

    from core.runs.folder import RunFolder

    monkeypatch.setenv(command.KEY_NAME, KEY)
    monkeypatch.setattr(command, "find_run", lambda _: RunFolder(run_dir))
    known = {"run": "r", "name": None, "task": None, "rows": 30, "questions": None, "file": None, "json": False}
    price = {"endpoint": server, "model": "praiser", "price_in": 1.0, "price_out": 1.0}
    report = command.yardstick(argparse.Namespace(**known, **price))
    assert report.value[0]["answers"] == 30
    assert report.value[0]["cost"] == pytest.approx(150 / 1e6)
    assert report.value[0]["tasks"][0]["theirs"]["n"] == 30
    assert "praiser" in report.text
    written = b"".join(path.read_bytes() for path in run_dir.rglob("*") if path.is_file())
    assert KEY.encode() not in written
    assert KEY not in report.text
    assert KEY not in "".join(capfd.readouterr())


def test_the_questions_file_comes_back_as_answers(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import argparse

    from core.runs.folder import RunFolder

    monkeypatch.setattr(command, "find_run", lambda _: RunFolder(run_dir))
    known = {"run": "r", "name": "Mine", "task": None, "rows": 5, "endpoint": None, "json": False}
    target = tmp_path / "questions.csv"
    command.yardstick(argparse.Namespace(**known, questions=str(target), file=None))
    text = target.read_text(encoding="utf-8-sig")
    target.write_text(text.replace(",\n", ",praise\n").replace(",\r\n", ",praise\r\n"), encoding="utf-8")
    report = command.yardstick(argparse.Namespace(**known, questions=None, file=str(target)))
    assert report.value[0]["answers"] == 5
    assert report.value[0]["tasks"][0]["sure"] is False


def test_a_yardstick_takes_the_place_of_an_older_one_of_its_name(run_dir: Path) -> None:
    folder = run_dir / "yardsticks"

    def kept() -> list[str]:
        return sorted(path.parent.name for path in folder.glob("*/yardstick.json"))

    def make(name: str, made: float) -> Yardstick:
        return save_yardstick(run_dir, replace(create_yardstick(run_dir, name, FILE), made=made))

    first = add_replies(run_dir, make("Big", 1.0), [Reply(0, 0, "praise")])
    other = add_replies(run_dir, make("Small", 2.0), [Reply(0, 0, "praise")])
    second = make("Big", 3.0)
    assert kept() == sorted(y.yardstick_id for y in (first, other, second))  # it has no answers yet
    second = add_replies(run_dir, second, [Reply(0, 0, "refund")])
    assert kept() == sorted(y.yardstick_id for y in (other, second))
    add_replies(run_dir, first, [Reply(0, 1, "praise")])  # still asked, in another window
    add_replies(run_dir, second, [Reply(0, 1, "praise")])
    assert [y.answers for y in list_yardsticks(run_dir) if y.name == "Big"] == [2]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".xlsx"])
def test_a_file_that_comes_back_half_filled_is_measured_on_what_was_filled(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """As people do: all 50 rows are there, ten of them answered, saved by a spreadsheet."""
    import argparse

    import pandas as pd

    from core.runs.folder import RunFolder

    monkeypatch.setattr(command, "find_run", lambda _: RunFolder(run_dir))
    known = {"run": "r", "name": "Mine", "task": None, "rows": 50, "endpoint": None, "json": False}
    target = tmp_path / "questions.csv"
    command.yardstick(argparse.Namespace(**known, questions=str(target), file=None))
    table = pd.read_csv(target, dtype=str, keep_default_na=False)
    assert len(table) == 50
    back = tmp_path / f"back{suffix}"

    def bring_back() -> Any:
        if suffix == ".xlsx":
            table.to_excel(back, index=False)
        else:
            table.to_csv(back, index=False, sep="\t" if suffix == ".tsv" else ",")
        return command.yardstick(argparse.Namespace(**known, questions=None, file=str(back)))

    with pytest.raises(TaskFileError, match="all 50 rows"):
        bring_back()
    table.loc[20:29, "answer"] = [GOOD.exam[row][1] for row in range(20, 30)]
    report = bring_back()
    assert (report.value[0]["answers"], report.value[0]["unanswered"]) == (10, 40)
    assert report.value[0]["tasks"][0]["theirs"]["value"] == 1.0
    assert report.value[0]["tasks"][0]["ours"]["n"] == 10
    assert report.value[0]["sentences"][0].startswith("40 of 50 rows of the file are not answered")
