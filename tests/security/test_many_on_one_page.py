"""Many people on one page: a foreign site drives nothing, one visitor fills neither queue nor disk, and what nobody
waits for any more ends."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import threading
import time
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import gradio as gr
import psutil
import pytest
from gradio import route_utils
from gradio.server_messages import EstimationMessage, ProcessCompletedMessage

from app.frame.serve import launch, parse_arguments
from app.shell.acting import CHILDREN, LONG_CHILDREN, Room, acting_for
from app.shell.callers import find_caller, networks, origin_of
from app.shell.context import Context
from app.shell.fair_queue import SHARES, weight_of
from app.shell.mailboxes import MOST_MESSAGES, Mailbox
from app.shell.page_html import script_hashes, with_token
from app.shell.page_token import mark_of, visitor_token
from app.shell.sessions import IN_USE, OF_ADDRESS, PageStates
from app.shell.upload_shares import SHARES_OF_ADDRESS, UploadShares, note_pieces
from app.shell.watched_answer import MAX_POST_BYTES
from core.base.errors import RunError, SettingError, WorkspaceError
from core.base.gate import Gate, current_gate, gated
from core.base.processes import Order, python, run_to_end
from core.runs.quotas import Quota, owner_mark
from core.workspace import Workspace
from tests.browser.driving import free_port
from tests.security.conftest import ALICE, BOB, SharedPage
from tests.visiting import VisitError, Visitor

EVIL = "http://evil.example"
EVENT = {"data": [], "fn_index": 0, "session_hash": "x"}
JOIN = "/gradio_api/queue/join"


# Foreign sites
@pytest.mark.parametrize("said", ["X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto"])
def test_what_anybody_may_write_makes_no_site_ours(shared_page: SharedPage, said: str) -> None:
    visitor = Visitor(shared_page.address)
    own = visitor.headers["Origin"]
    for origin in (EVIL, own.replace("http:", "https:"), "http://localhost:1"):
        host = origin.split("//")[1]
        value = {"Forwarded": f"host={host}", "X-Forwarded-Proto": "https"}.get(said, host)
        assert visitor.request("POST", JOIN, EVENT, {"Origin": origin, said: value})[0] == 403


def test_no_other_site_is_told_that_it_may_ask(shared_page: SharedPage) -> None:
    line = http.client.HTTPConnection("127.0.0.1", Visitor(shared_page.address).port)
    for method, more in (("OPTIONS", {"Access-Control-Request-Method": "POST"}), ("GET", {})):
        line.request(method, "/config", headers={"Origin": EVIL, **more})
        answer = line.getresponse()
        answer.read()
        assert not [name for name in answer.headers if name.lower().startswith("access-control")], method
        assert answer.status == (403 if method == "OPTIONS" else 200)
    line.close()


def test_a_post_shows_the_word_of_the_page(shared_page: SharedPage) -> None:
    visitor = Visitor(shared_page.address)
    for word in ("", "0" * 32, "é"):
        assert visitor.request("POST", JOIN, EVENT, {"x-taskloom-page": word})[0] == 403
    assert visitor.request("POST", JOIN, {**EVENT, "fn_index": 10**6})[0] != 403


def test_only_a_named_proxy_says_who_asks() -> None:
    def caller(peer: str, proxies: tuple[str, ...], **said: str) -> Any:
        headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in said.items()]
        scope = {"client": (peer, 1), "scheme": "http", "headers": [(b"host", b"box:7860"), *headers]}
        return find_caller(scope, networks(proxies)), scope

    said = {"x_forwarded_for": "6.6.6.6, 9.9.9.9", "x_forwarded_proto": "https", "x_forwarded_host": "box.lan"}
    stranger, scope = caller("8.8.8.8", ("10.0.0.0/8",), **said)
    assert (stranger.address, stranger.origins) == ("8.8.8.8", {"http://box:7860"})
    assert scope["headers"] == [(b"host", b"box:7860")]  # Gradio builds addresses from them
    known, _ = caller("10.0.0.7", ("10.0.0.0/8",), **said)
    assert (known.address, known.origins) == ("9.9.9.9", {"https://box:7860", "https://box.lan"})
    scope = {"client": ("3.3.3.3", 1), "scheme": "http", "headers": [(b"x-forwarded-for", b"9.9.9.9, 10.0.0.1")]}
    assert find_caller(scope, networks(("10.0.0.0/8",)), behind_one=True).address == "9.9.9.9"  # as on a Space
    with pytest.raises(SettingError, match="10\\.0\\.0\\.0/8"):
        networks(("my proxy",))


def test_origins_are_compared_whole() -> None:
    assert origin_of("https://Box.lan:443") == origin_of("https://box.lan") != origin_of("http://box.lan")
    assert origin_of("null") == origin_of("") == ""
    assert origin_of("http://box.lan:8080") != origin_of("http://box.lan:80")


def test_scripts_of_the_page_are_known_by_their_hash() -> None:
    page = with_token(b"<html><head><script>let a=1</script><script src='x.js'></script></head>", "abc")
    assert b"'x-taskloom-page', 'abc'" in page
    assert "'sha256-" in script_hashes(page)
    assert len(script_hashes(page).split()) == 2
    assert script_hashes(page) != script_hashes(page.replace(b"a=1", b"a=2"))


# The queue
@pytest.fixture(scope="module")
def slow_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[gr.Blocks, str, threading.Event]]:
    """A shared page whose one button waits -> demo, address, what lets the waiting go on."""
    go_on = threading.Event()
    with gr.Blocks(analytics_enabled=False) as demo:
        shown = gr.Textbox(elem_id="shown")
        gr.Button(elem_id="wait").click(lambda: str(go_on.wait(60)), None, shown, concurrency_limit=None)
        gr.Button(elem_id="ask").click(lambda: "told", None, shown, concurrency_limit=None)
    port, folder = free_port(), tmp_path_factory.mktemp("slow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        launch(demo, parse_arguments(["--shared", "--port", str(port)]), prevent_thread_lock=True, quiet=True)
        yield demo, f"http://127.0.0.1:{port}", go_on
        go_on.set()
        demo.close()


def test_one_page_fills_no_queue(slow_page: tuple[gr.Blocks, str, threading.Event]) -> None:
    """Before, 300 posts in a second were taken, and everybody else was told that the queue is full."""
    demo, address, go_on = slow_page
    hostile, other = Visitor(address), Visitor(address)
    (waits,) = hostile.listening(hostile.ids["wait"], "click")
    event = {"data": [], "fn_index": waits["id"], "session_hash": hostile.session}
    answers = [hostile.request("POST", JOIN, event) for _ in range(100)]
    asked = [json.loads(body)["event_id"] for status, body in answers if status == 200]
    assert len(asked) == SHARES["page"].open
    assert {status for status, _ in answers} == {200, 429}
    other.fire("ask", "click")  # gets its turn while all of that waits
    assert other.value("shown") == "told"
    assert sum(job is not None for job in demo._queue.active_jobs) == SHARES["page"].running
    go_on.set()
    end = time.monotonic() + 30
    while demo._queue.event_ids_to_events and time.monotonic() < end:
        time.sleep(0.05)
    assert hostile.request("POST", JOIN, event)[0] == 429  # nobody fetches the answers: they lie in memory
    hostile._listen(dict.fromkeys(asked, waits["id"]), lambda *_: None)
    assert hostile.request("POST", JOIN, event)[0] == 200  # and the share is there again


def test_a_long_post_counts_as_several(slow_page: tuple[gr.Blocks, str, threading.Event]) -> None:
    """Posts of 4 MB take a hundred once they are read, and wait as events do."""
    _, address, go_on = slow_page
    go_on.clear()
    hostile = Visitor(address)
    (waits,) = hostile.listening(hostile.ids["wait"], "click")
    event = {"data": [], "fn_index": waits["id"], "session_hash": hostile.session, "event_data": "x" * (3 << 20)}
    try:
        assert [hostile.request("POST", JOIN, event)[0] for _ in range(3)] == [200, 429, 429]
        for name in (None, "x" * 1000):  # of no page of ours
            status, _ = hostile.request("POST", JOIN, {**event, "event_data": None, "session_hash": name})
            assert status in (400, 429)
    finally:
        go_on.set()


def test_a_post_that_does_not_tell_its_length_counts_as_the_longest() -> None:
    lengths = ({}, {"content-length": str(MAX_POST_BYTES)}, {"content-length": "10"})
    weights = [weight_of(types.SimpleNamespace(headers=headers)) for headers in lengths]
    assert weights[0] == weights[1] > 1 == weights[2]


def test_what_a_page_does_not_fetch_is_bounded_and_goes_with_it() -> None:
    box = Mailbox()
    for number in range(MOST_MESSAGES + 40):
        box.put_nowait(ProcessCompletedMessage(event_id=f"e{number}", output={}, success=True))
    assert (box.qsize(), len(box.unread)) == (MOST_MESSAGES, MOST_MESSAGES)
    assert box.get_nowait().event_id == "e40"
    assert "e40" not in box.unread
    box.put_nowait(EstimationMessage(queue_size=1))
    assert box.qsize() == MOST_MESSAGES - 1
    states, queue = PageStates(), types.SimpleNamespace(event_ids_to_events={"at work": 1})
    queue.pending_messages_per_session = dict.fromkeys(("open", "closed", "busy"), box)
    queue.pending_event_ids_session = {"open": {"e"}, "closed": {"e"}, "busy": {"e", "at work"}}
    states.blocks = types.SimpleNamespace(_queue=queue)
    for name in ("open", "closed", "busy"):
        states.session_data[name] = types.SimpleNamespace(is_closed=name != "open")
        states.time_last_used[name] = datetime.now() - 2 * IN_USE
    states.delete_all_expired_state()
    assert set(queue.pending_messages_per_session) == set(queue.pending_event_ids_session) == {"open", "busy"}


def test_more_events_a_minute_than_a_page_needs_are_refused(
    slow_page: tuple[gr.Blocks, str, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    demo, address, _ = slow_page
    monkeypatch.setattr("app.shell.fair_queue.SHARES", {kind: type(s)(64, 8, 5) for kind, s in SHARES.items()})
    demo._queue._begun.clear()
    eager = Visitor(address)
    for _ in range(5):
        eager.fire("ask", "click")
    with pytest.raises(VisitError, match=r"429.*Wait a moment"):  # as JSON, which Gradio's page shows
        eager.fire("ask", "click")


def test_new_pages_take_no_place_of_those_in_use() -> None:
    states = PageStates()
    states.capacity = OF_ADDRESS + 10
    assert [states.has_room(f"bot {n}", "1.1.1.1") for n in range(OF_ADDRESS + 20)].count(True) == OF_ADDRESS
    assert [states.has_room(f"page {n}", f"2.2.2.{n}") for n in range(12)].count(True) == 10
    assert states.has_room("page 0", "2.2.2.0")  # that is known already


# Processes
def test_a_process_ends_with_the_wish_for_it(tmp_path: Path) -> None:
    """Before, a cancelled export gave its place to the next and went on: twelve at once, 6 GB."""
    told = tmp_path / "pid"
    program = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    order, began = Order(python("-c", program), tmp_path), time.monotonic()
    gate = Gate(lambda _: contextlib.nullcontext(), lambda: not (told.exists() and told.read_text()))
    with gated(gate), pytest.raises(RunError, match="nobody waits"):
        run_to_end(order, 50)
    assert time.monotonic() - began < 45
    assert not psutil.pid_exists(int(told.read_text()))


def test_a_cancelled_event_is_not_wanted_and_its_handler_counts_until_it_ends(
    slow_page: tuple[gr.Blocks, str, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradio.context import LocalContext

    from app.shell.acting import is_wanted

    demo = slow_page[0]
    demo._queue.event_ids_to_events["e1"] = types.SimpleNamespace()  # type: ignore[assignment]
    LocalContext.blocks.set(demo)
    LocalContext.event_id.set("e1")
    try:
        wanted = is_wanted()
        assert wanted()
        del demo._queue.event_ids_to_events["e1"]
        assert not wanted()
    finally:
        LocalContext.event_id.set(None)
        LocalContext.blocks.set(None)
    assert is_wanted()()  # no event, such as on the command line
    monkeypatch.setattr("app.shell.acting.HANDLERS", Room(1, 10))
    with acting_for(ALICE), pytest.raises(RunError, match="no room for more"), acting_for(ALICE):
        pass
    with acting_for(ALICE), acting_for(BOB):
        pass


def test_one_visitor_has_so_many_processes_and_all_together_too() -> None:
    room = Room(CHILDREN.of_owner, CHILDREN.of_all)
    assert [room.enter(ALICE) for _ in range(5)].count(True) == CHILDREN.of_owner
    assert [room.enter(f"{n}") for n in range(10)].count(True) == CHILDREN.of_all - CHILDREN.of_owner
    room.leave(ALICE)
    assert room.enter(BOB)


def test_two_visitors_at_long_work_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, three slow files of each held all places for ten minutes."""
    monkeypatch.setattr("app.shell.acting.LONG_CHILDREN", Room(LONG_CHILDREN.of_owner, LONG_CHILDREN.of_all))
    monkeypatch.setattr("app.shell.acting.CHILDREN", Room(CHILDREN.of_owner, CHILDREN.of_all))
    monkeypatch.setattr("app.shell.acting.PATIENCE_S", 0.0)

    def child(owner: str, seconds: float, held: contextlib.ExitStack) -> str:
        held.enter_context(acting_for(owner))
        gate = current_gate()
        assert gate is not None
        try:
            held.enter_context(gate.room(seconds))
        except RunError as error:
            return error.key
        return ""

    with contextlib.ExitStack() as held:
        assert [child(who, 600, held) for who in (ALICE, BOB) for _ in range(3)] == ["", "", "visitor.busy"] * 2
        assert [child("third", 600, held), child("fourth", 120, held)] == ["", ""]
        assert [child("fifth", 600, held), child("fifth", 120, held)] == ["visitor.crowded"] * 2
    with contextlib.ExitStack() as held:
        assert child("fifth", 600, held) == ""  # all places are free again


# Uploads
@pytest.fixture
def shares(tmp_path: Path) -> UploadShares:
    note_pieces()
    context = Context(Workspace(tmp_path), shared=True, quota=Quota(disk_mb=2, free_mb=1))
    return UploadShares(context, tmp_path / "temporary")


def bring(shares: UploadShares, length: int, mark: str = owner_mark(ALICE), **how: Any) -> None:
    """An upload of so many bytes in pieces; `announced` beforehand, `stops` in its midst."""

    async def run() -> None:
        async with shares.taking((mark, how.get("address", "1.1.1.1")), how.get("announced", length)) as count:
            made = [
                route_utils.NamedTemporaryFile(delete=False, dir=shares.store) for _ in range(how.get("pieces", 1))
            ]
            for _ in range(length // 1024):
                count(1024)
            if how.get("stops"):
                raise ConnectionError
            for piece in made:
                piece.close()
                Path(piece.name).unlink()

    with ThreadPoolExecutor(1) as other:  # the browser tests keep a loop running in this thread
        other.submit(asyncio.run, run()).result()


def test_an_upload_counts_at_once_and_belongs_to_a_visitor(shares: UploadShares) -> None:
    bring(shares, 1 << 20)
    with pytest.raises(WorkspaceError, match="a visitor has 2 MB"):
        bring(shares, 3 << 19)
    with pytest.raises(WorkspaceError, match="a visitor has 2 MB"):
        bring(shares, 3 << 19, announced=0)  # without a word of its length
    bring(shares, 3 << 19, owner_mark(BOB))
    with pytest.raises(WorkspaceError, match="does not know who you are"):
        bring(shares, 1 << 10, "")
    for number in range(SHARES_OF_ADDRESS):  # who is somebody else each time
        bring(shares, 2 << 20, owner_mark(str(number)), address="6.6.6.6")
    with pytest.raises(WorkspaceError, match=f"by all who share it.* {2 * SHARES_OF_ADDRESS} MB"):
        bring(shares, 1 << 20, owner_mark("another"), address="6.6.6.6")


def test_projects_count_beside_uploads(shares: UploadShares) -> None:
    project = shares.context.workspace.create_project("Mine", ALICE)
    (project.path / "large").write_bytes(b"x" * (3 << 19))
    with pytest.raises(WorkspaceError, match="a visitor has 2 MB"):
        bring(shares, 1 << 20)
    bring(shares, 1 << 20, owner_mark(BOB))


def test_what_was_broken_off_leaves_nothing(shares: UploadShares) -> None:
    with pytest.raises(ConnectionError):
        bring(shares, 1 << 20, announced=2 << 20, stops=True)
    assert not any(shares.store.iterdir())
    bring(shares, 2 << 20)


def test_many_small_files_count_as_what_they_take(shares: UploadShares) -> None:
    bring(shares, 100 << 10, pieces=60)
    with pytest.raises(WorkspaceError, match="a visitor has 2 MB"):
        bring(shares, 100 << 10, pieces=80)


def test_an_upload_is_of_files_which_are_closed_as_they_come(shared_page: SharedPage) -> None:
    """Before, what belonged to no file was kept in memory, up to 2 GB of it, and all files of a post stood open."""
    visitor = shared_page.visit(BOB)
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    field = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"x" * (1 << 20) + b"\r\n--b--\r\n"
    status, said = visitor.request("POST", "/gradio_api/upload", field, kind)
    assert (status, said) == (400, b"An upload is of files.")
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="%d.csv"\r\n\r\n%d\r\n'
    many = b"".join(head % (number, number) for number in range(60)) + b"--b--\r\n"
    page = next(child for child in psutil.Process().children() if str(visitor.port) in _words_of(child))
    before = page.num_fds()
    line = http.client.HTTPConnection("127.0.0.1", visitor.port)
    line.request("POST", "/gradio_api/upload", None, {**visitor.headers, **kind, "Content-Length": str(len(many))})
    line.send(many[:-200])  # the last files never come
    store = shared_page.workspace.root / "uploads"
    try:
        wait_until(lambda: len(list(store.glob("tmp*"))) > 40)
        assert page.num_fds() - before < 15
    finally:
        line.close()
    status, said = visitor.request("POST", "/gradio_api/upload", many, kind)
    assert status == 200
    paths = [Path(path) for path in json.loads(said)]
    assert [path.read_bytes() for path in paths] == [b"%d" % number for number in range(60)]


def test_the_end_of_an_upload_leaves_what_is_not_its_own(shares: UploadShares, tmp_path: Path) -> None:
    """The folder may be /tmp, and another app on this workspace may be writing a piece of its own."""
    shares.store.mkdir()
    own, strange, left = (shares.store / name for name in ("letter.txt", "tmp9", "tmp8"))
    for path in (own, strange, left):
        path.write_text("x")
    os.utime(left, (1, 1))  # of a process that was ended in its midst
    bring(shares, 1 << 10)
    assert sorted(shares.store.iterdir()) == [own, strange]
    elsewhere = UploadShares(shares.context, tmp_path / "tmp")
    elsewhere.store.mkdir()
    old = elsewhere.store / "tmp7"
    old.write_text("x")
    os.utime(old, (1, 1))
    with pytest.raises(ConnectionError):
        bring(elsewhere, 1 << 10, announced=2 << 10, stops=True)
    assert list(elsewhere.store.iterdir()) == [old]


def test_the_page_removes_the_piece_of_an_upload_that_is_cut_off(shared_page: SharedPage) -> None:
    """Through Gradio itself, which writes the piece under a name of its own choosing."""
    store = shared_page.workspace.root / "uploads"  # as running_app sets it
    visitor = shared_page.visit(BOB)
    headers = {**visitor.headers, "Content-Type": "multipart/form-data; boundary=b", "Content-Length": "100000"}
    line = http.client.HTTPConnection("127.0.0.1", visitor.port)
    line.request("POST", "/gradio_api/upload", headers=headers)
    line.send(b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n' + b"x" * 5000)
    wait_until(lambda: any(store.glob("tmp*")))
    line.close()
    wait_until(lambda: not any(store.glob("tmp*")))


def _words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended and nobody has looked at it yet
        return []


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_below_the_floor_of_free_disk_nothing_is_taken(
    shares: UploadShares, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=3 << 19))
    with pytest.raises(WorkspaceError, match="almost full"):
        bring(shares, 1 << 20)
    own = UploadShares(Context(Workspace(tmp_path / "own")), tmp_path / "temporary")
    with pytest.raises(WorkspaceError, match="almost full"):
        bring(own, 1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: types.SimpleNamespace(free=1 << 40))
    bring(own, 5 << 20, "")  # on one's own machine there are no shares


def test_an_upload_of_nobody_is_refused_by_the_page(shared_page: SharedPage) -> None:
    with pytest.raises(VisitError, match="403"):
        Visitor(shared_page.address).upload("rows.csv", b"text,label\na,b\n")
    forged = Visitor(shared_page.address)
    forged.headers["x-taskloom-visitor"] = f"{owner_mark(ALICE)}.{'0' * 32}"
    with pytest.raises(VisitError, match="403"):
        forged.upload("rows.csv", b"text,label\na,b\n")
    assert shared_page.visit(BOB).upload("rows.csv", b"text,label\na,b\n")["path"]


def test_the_word_of_a_visitor_is_given_by_this_workspace_only() -> None:
    word = visitor_token("key", ALICE)
    assert mark_of("key", word) == owner_mark(ALICE)
    assert ALICE not in word
    for wrong in ("", ".", word[:-1], word.replace(".", ""), f"x{word}", word + "é"):
        assert mark_of("key", wrong) == ""
    assert mark_of("another key", word) == ""
