"""Many callers and bad ones: questions wait instead of failing, nobody costs a thread before the key is seen."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.chat import calls, endpoint, service
from tests.serving.calling import TOKEN, Caller, serving

CALL = b"POST /v1/chat/completions HTTP/1.1\r\n"
HEAD = b"Host: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
KEY = f"Authorization: Bearer {TOKEN}\r\n".encode()


@pytest.fixture(scope="module")
def call(run_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with serving([run_dir], tmp_path_factory.mktemp("log")) as caller:
        yield caller


def said(port: int, *parts: bytes) -> bytes:
    """What the endpoint says to raw bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
            for part in parts:
                line.sendall(part)
        answer = b""
        while True:
            try:
                more = line.recv(65536)
            except ConnectionResetError:
                return answer
            if not more:
                return answer
            answer += more


def test_eighty_questions_at_once_are_all_answered(call: Caller, run_dir: Path) -> None:
    found: dict[int, int] = {}
    before = threading.active_count()

    def run(number: int) -> None:
        found[number] = call.complete(f"{run_dir.name}/task {number % 2}", f"message {number}")[0]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert set(found.values()) == {200}
    assert len(found) == 80
    assert threading.active_count() - before <= service.MAX_OPEN + 1  # and the reader of the worker
    assert call.service.num_open == 0


def test_more_than_can_wait_are_told_to_come_back(
    call: Caller, run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_OPEN", 1)
    monkeypatch.setattr(service, "MAX_WAITING", 2)
    status, value = call.complete(f"{run_dir.name}/task 0", "message 3", n=4)
    assert (status, value["error"]["type"]) == (503, "overloaded_error")
    assert call.complete(f"{run_dir.name}/task 0", "message 3", n=3)[0] == 200


def test_hanging_up_frees_the_place_of_a_whole_answer(call: Caller, run_dir: Path) -> None:
    body = json.dumps(
        {
            "model": f"{run_dir.name}/pairs",  # written freely: a label would be chosen before anybody could look
            "max_tokens": 2000,
            "n": 8,
            "temperature": 5.0,
            "messages": [{"role": "user", "content": json.dumps({"question": "what is 3", "context": "it is 3"})}],
        }
    ).encode()
    with socket.create_connection(("127.0.0.1", call.port), timeout=30) as line:
        line.sendall(CALL + HEAD % call.port + KEY + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        for _ in range(200):
            if call.service.num_open == 8:
                break
            time.sleep(0.05)
        assert call.service.num_open == 8
    for _ in range(400):
        if not call.service.num_open and not call.client._open:
            break
        time.sleep(0.05)
    assert call.service.num_open == 0
    assert not call.client._open


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"messages": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        b"\xff\xfe",
        b'{"model": "\\ud800"}',
        b'{"seed": ' + b"9" * 5000 + b"}",
        b"NaN",
        b"",
        b"null",
    ],
)
def test_a_body_that_is_no_request_is_explained(call: Caller, body: bytes) -> None:
    status, data, _ = call("/v1/chat/completions", body)
    assert status == 400
    assert json.loads(data)["error"]["message"]


def test_a_deep_question_by_column_is_explained(call: Caller, run_dir: Path) -> None:
    status, value = call.complete(f"{run_dir.name}/pairs", "[" * 100_000)
    assert status == 400
    assert "question, context" in value["error"]["message"]


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"Content-Length: -5", b"400"),
        (b"Content-Length: many", b"400"),
        (b"Content-Length: 5\r\nContent-Length: 6", b"400"),
        (b"Content-Length: 99999999999999999999", b"413"),
        (b"Content-Length: 2000000", b"413"),
        (b"X: y", b"413"),
        (b"Transfer-Encoding: nonsense", b"501"),
    ],
)
def test_a_wrong_length_is_explained(call: Caller, head: bytes, code: bytes) -> None:
    answer = said(call.port, CALL + HEAD % call.port + KEY + head + b"\r\nConnection: close\r\n\r\n")
    assert answer.split(b"\r\n")[0].split(b" ")[1] in (code, b"400")
    assert len(answer.split(b"\r\n\r\n", 1)[1]) > 5


def test_a_body_in_pieces_has_the_same_bound(call: Caller) -> None:
    piece = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
    head = CALL + HEAD % call.port + KEY + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = said(call.port, head, *([piece] * 17))
    assert b"413" in answer.split(b"\r\n")[0]


def test_a_body_that_does_not_come_is_not_waited_for(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BODY_S", 0.5)
    began = time.monotonic()
    answer = said(call.port, CALL + HEAD % call.port + KEY + b'Content-Length: 100\r\n\r\n{"mod')
    assert b"408" in answer.split(b"\r\n")[0]
    assert time.monotonic() - began < 10


def test_strangers_cost_no_thread_and_their_bodies_are_not_read(call: Caller) -> None:
    before = threading.active_count()
    lines = [socket.create_connection(("127.0.0.1", call.port), timeout=30) for _ in range(300)]
    try:
        for line in lines:
            line.sendall(CALL + HEAD % call.port + b"Content-Length: 1000000\r\n\r\n")
        assert threading.active_count() == before
        assert call("/v1/models")[0] == 200
        assert b" 401 " in lines[0].recv(65536)
    finally:
        for line in lines:
            line.close()


def test_connections_that_only_stand_there_are_closed(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "IDLE_S", 0.5)
    with serving([run_dir], tmp_path) as caller:
        began = time.monotonic()
        assert said(caller.port) == b""
        assert said(caller.port, b"POST /v1/chat/comp") == b""
        assert time.monotonic() - began < 15
        assert caller("/v1/models")[0] == 200


def test_a_head_without_end_is_refused(call: Caller) -> None:
    endless = [b"X-%d: %s\r\n" % (number, b"y" * 8000) for number in range(20)]
    answer = said(call.port, b"GET /v1/models HTTP/1.1\r\n", *endless)
    assert answer == b"" or b" 400 " in answer.split(b"\r\n")[0]
