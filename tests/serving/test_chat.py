"""The client and its worker process: streams, stops, is replaced when killed or hung, leaves when idle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.base.errors import RunError
from core.chat.client import ChatClient
from core.chat.protocol import ask

HANGS = (sys.executable, "-c", "import time; time.sleep(60)", "--")
BREAKS = (sys.executable, "-c", "import sys; sys.stdin.readline(); sys.exit(3)", "--")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatClient]:
    made = ChatClient(log_path=tmp_path_factory.mktemp("log") / "chat.log")
    yield made
    made.close()
    assert made.worker_pid is None


def test_an_answer_streams_from_the_worker(client: ChatClient, run_dir: Path) -> None:
    events = list(client.stream(ask(run_dir, "task 0", "message 3", max_new_tokens=12, answers="free")))
    assert events[0].text == "starting"
    assert sum(e.kind == "delta" for e in events) > 1
    assert events[-1].kind == "done"
    first_pid = client.worker_pid
    again = client.answer(ask(run_dir, "task 0", "message 3", max_new_tokens=12, answers="free"))
    assert again.text == events[-1].text
    assert client.worker_pid == first_pid
    assert again.seconds < 5


def test_many_threads_get_their_own_answers(client: ChatClient, run_dir: Path) -> None:
    requests = [ask(run_dir, f"task {i % 2}", f"message {i}", max_new_tokens=8, answers="free") for i in range(8)]
    alone = [client.answer(request).text for request in requests]
    together: dict[int, str] = {}

    def run(index: int) -> None:
        together[index] = client.answer(requests[index]).text

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [together[i] for i in range(8)] == alone


def test_stop_ends_an_answer_early(client: ChatClient, run_dir: Path) -> None:
    events = []
    for event in client.stream(ask(run_dir, "task 0", "message 1", max_new_tokens=400, answers="free")):
        events.append(event)
        if event.kind == "delta":
            client.stop()
    assert events[-1].kind == "done"
    assert events[-1].stopped
    assert events[-1].tokens < 400


def test_closing_the_stream_stops_the_answer(client: ChatClient, run_dir: Path) -> None:
    stream = client.stream(ask(run_dir, "task 0", "message 1", max_new_tokens=5000, answers="free"))
    while next(stream).kind != "delta":
        pass
    stream.close()
    began = time.monotonic()
    client.answer(ask(run_dir, "task 1", "message 1", max_new_tokens=2, answers="free"))
    assert time.monotonic() - began < 5  # the closed answer no longer takes turns


def test_a_worded_error_of_the_worker_reaches_the_caller(client: ChatClient, run_dir: Path) -> None:
    with pytest.raises(RunError, match="no task 'missing'"):
        client.answer(ask(run_dir, "missing", "x"))


def test_a_killed_worker_is_reported_and_replaced(client: ChatClient, run_dir: Path) -> None:
    events = []
    for event in client.stream(ask(run_dir, "task 0", "message 1", max_new_tokens=400, answers="free")):
        events.append(event)
        if event.kind == "delta" and client.worker_pid is not None:
            os.kill(client.worker_pid, signal.SIGKILL)
    assert events[-1].kind == "error"
    assert events[-1].key == "serving.worker_died"
    assert "exit code -9" in events[-1].message
    assert client.answer(ask(run_dir, "task 0", "message 1", max_new_tokens=3, answers="free")).kind == "done"


def test_a_worker_lost_before_its_first_word_is_replaced_and_asked_again(run_dir: Path, tmp_path: Path) -> None:
    """The first process dies on the question; the caller hears of it and gets the answer of the second."""
    script = 'if [ -e "$1" ]; then shift; exec "$@"; else touch "$1"; read line; exit 3; fi'
    real = (sys.executable, "-u", "-m", "core.chat_worker")
    command = ("/bin/sh", "-c", script, "sh", str(tmp_path / "died"), *real)
    client = ChatClient(command=command, log_path=tmp_path / "log")
    events = list(client.stream(ask(run_dir, "task 0", "message 1", max_new_tokens=3, answers="free")))
    client.close()
    assert [e.text for e in events if e.kind == "phase"][:2] == ["starting", "replaced"]
    assert events[-1].kind == "done"


def test_a_wish_to_stop_ends_one_answer_and_keeps_its_text(client: ChatClient, run_dir: Path) -> None:
    wish, events = threading.Event(), []
    for event in client.stream(ask(run_dir, "task 0", "message 1", max_new_tokens=4000, answers="free"), wish):
        events.append(event)
        if event.kind == "delta":
            wish.set()
    assert (events[-1].kind, events[-1].stopped) == ("done", True)
    assert events[-1].text


def test_a_worker_that_breaks_is_an_error_event(tmp_path: Path) -> None:
    client = ChatClient(command=BREAKS, log_path=tmp_path / "log")
    events = list(client.stream(ask("r", "t", "x")))
    assert events[-1].key == "serving.worker_died"
    assert events[-1].values["code"] == 3
    assert "replaced" in [e.text for e in events]
    client.close()


def test_a_silent_worker_is_killed_and_reported(tmp_path: Path) -> None:
    client = ChatClient(command=HANGS, silence_s=0.3, loading_s=0.3, log_path=tmp_path / "log")
    events = list(client.stream(ask("r", "t", "x")))
    assert events[-1].key == "serving.worker_silent"
    assert client.worker_pid is None
    client.close()


def test_a_worker_that_cannot_start_is_an_error_event(tmp_path: Path) -> None:
    client = ChatClient(command=(str(tmp_path / "nothing"),), log_path=tmp_path / "log")
    events = list(client.stream(ask("r", "t", "x")))
    assert events[-1].key == "serving.worker_start"
    client.close()


def worker(idle_s: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-u", "-m", "core.chat_worker", "--idle", str(idle_s)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def test_the_worker_leaves_when_nobody_listens_or_asks() -> None:
    """Two processes at once: one whose input closes, one that gets no question."""
    orphan, idle = worker(600), worker(0.2)
    with orphan, idle:
        for process in (orphan, idle):
            assert process.stdout is not None
            assert b"ready" in process.stdout.readline()
        assert orphan.stdin is not None
        orphan.stdin.close()
        assert orphan.wait(20) == 0
        assert idle.wait(20) == 0
