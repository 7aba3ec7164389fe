"""What the network may ask of the page: posts from other sites, foreign host names, closed paths, floods."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.shell.guard_rules import GuardRules, own_names, rules_for
from app.shell.upload_progress import MOST_UPLOADS, BoundedProgress
from app.shell.watched_answer import MAX_POST_BYTES
from app.shell.web_guard import WebGuard
from tests.security.conftest import ALICE, SECRET, SharedPage
from tests.visiting import Visitor

EVENT = {"data": [], "fn_index": 0, "session_hash": "x"}


def test_a_post_from_another_site_is_refused(shared_page: SharedPage) -> None:
    visitor = Visitor(shared_page.address)
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert visitor.request("POST", "/gradio_api/queue/join", EVENT, {"Origin": origin})[0] == 403
    del visitor.headers["Origin"]
    assert visitor.request("POST", "/gradio_api/queue/join", EVENT, {"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert visitor.request("POST", "/gradio_api/upload", b"x", {"Origin": "http://evil.example"})[0] == 403


def test_a_foreign_host_name_is_refused(shared_page: SharedPage) -> None:
    """DNS rebinding: a site's own name suddenly points at this machine."""
    visitor = Visitor(shared_page.address)
    assert visitor.request("GET", "/config", None, {"Host": "evil.example:7860"})[0] == 403
    assert visitor.request("GET", "/config", None, {"Host": "localhost:7860"})[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "deep_link?session_hash=x", "proxy=http://169.254.169.254/", "file=http://169.254.169.254/", "openapi.json",
        "stream/a/b/1/playlist.m3u8", "run-history/buckets", "dev/reload", "mcp/", "token",
        "custom_component/a/client/component/index.js", "profiling/traces",
    ],
)  # fmt: skip
def test_paths_that_the_page_does_not_use_are_closed(shared_page: SharedPage, path: str) -> None:
    assert Visitor(shared_page.address).request("GET", f"/gradio_api/{path}")[0] in (403, 404)


@pytest.mark.parametrize("path", ["call/start", "run/start", "api/start", "component_server", "process_recording"])
def test_nothing_can_be_called_by_name(shared_page: SharedPage, path: str) -> None:
    assert Visitor(shared_page.address).request("POST", f"/gradio_api/{path}", EVENT)[0] == 404


def test_what_is_asked_about_uploads_is_forgotten() -> None:
    """Before, every name that anybody asked about, of 64 KB each, was kept for as long as the page ran."""

    async def ask() -> None:
        asked = [asyncio.create_task(progress.is_tracked(f"never {n}")) for n in range(3)]
        await asyncio.sleep(0)
        assert len(progress._signals) == 3
        for task in asked:
            task.cancel()  # as Gradio does after three seconds
        await asyncio.gather(*asked, return_exceptions=True)
        assert not progress._signals
        both = [asyncio.create_task(progress.is_tracked("late")) for _ in range(2)]
        await asyncio.sleep(0)
        both[0].cancel()
        await asyncio.gather(both[0], return_exceptions=True)
        progress.track("late")  # who still waits for it is told
        assert await asyncio.wait_for(both[1], 5)
        progress.stop_tracking("late")
        asked = [asyncio.create_task(progress.is_tracked(f"soon {n}")) for n in range(2 * MOST_UPLOADS + 5)]
        await asyncio.sleep(0)
        assert len(progress._signals) == 2 * MOST_UPLOADS
        progress.track("soon 0")
        assert await asked[0]
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        for number in range(MOST_UPLOADS + 40):
            progress.append(f"upload {number}", "a.csv", b"rows")
        assert len(progress._signals) == len(progress._statuses) == MOST_UPLOADS
        progress.stop_tracking(f"upload {MOST_UPLOADS}")
        assert len(progress._signals) == len(progress._statuses) == MOST_UPLOADS - 1

    progress = BoundedProgress()
    with ThreadPoolExecutor(1) as other:  # a browser of another test may hold the loop of this thread
        other.submit(asyncio.run, ask()).result()


def test_nothing_is_offered_to_programs(shared_page: SharedPage) -> None:
    info = Visitor(shared_page.address).get_json("/gradio_api/info")
    assert info == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_files_of_the_machine_and_of_the_workspace_are_not_served(shared_page: SharedPage) -> None:
    visitor = Visitor(shared_page.address)
    inside = [p for p in shared_page.project.path.rglob("*") if p.is_file()][:20]
    for path in ["/etc/passwd", "app.py", "requirements.txt", str(shared_page.workspace.root / "runs.db"), *inside]:
        status, data = visitor.request("GET", f"/gradio_api/file={path}")
        assert status == 403, path
        assert SECRET.encode() not in data
    for path in ("../../../../etc/passwd", "/tmp/../etc/passwd", "..%2f..%2fetc/passwd"):
        assert visitor.request("GET", f"/gradio_api/file={path}")[0] in (403, 404)


def test_reading_changes_nothing(shared_page: SharedPage) -> None:
    """Every path of the server that can be read is read, with ids where ids go; no file of Alice's changes."""
    before = shared_page.state()
    visitor = shared_page.visit(ALICE)
    for path in (
        "/",
        "/config",
        "/gradio_api/info",
        "/gradio_api/startup-events",
        "/login_check",
        "/theme.css",
        "/gradio_api/app_id",
        "/manifest.json",
        "/monitoring",
        "/logout",
        "/gradio_api/queue/status",
    ):
        visitor.request("GET", f"{path}?project_id={shared_page.project.project_id}")
    for event in visitor.events:
        assert visitor.request("GET", f"/gradio_api/queue/join?fn_index={event['id']}")[0] in (404, 405)
    assert shared_page.state() == before


def test_long_posts_are_refused(shared_page: SharedPage) -> None:
    visitor = Visitor(shared_page.address)
    assert visitor.request("POST", "/gradio_api/queue/join", b"[" * (MAX_POST_BYTES + 1))[0] == 413
    assert visitor.request("POST", "/gradio_api/queue/join", {**EVENT, "data": ["x" * 1000]})[0] != 413


def test_the_page_may_load_nothing_from_elsewhere(shared_page: SharedPage) -> None:
    """An image in a model's answer must not tell another server that it was read."""
    import http.client

    line = http.client.HTTPConnection("127.0.0.1", Visitor(shared_page.address).port)
    line.request("GET", "/")
    answer = line.getresponse()
    answer.read()
    line.close()
    policy = answer.getheader("content-security-policy") or ""
    assert "default-src 'self' data: blob:" in policy
    assert "object-src 'none'" in policy
    assert "http" not in policy
    assert answer.getheader("x-content-type-options") == "nosniff"


def test_a_space_is_shown_in_the_frame_of_the_hub_and_has_any_name() -> None:
    rules = rules_for("0.0.0.0", on_space=True)
    assert rules.hosts is None
    assert "https://huggingface.co" in rules.content_policy()
    assert rules_for("127.0.0.1", False, ("box.lan",)).hosts == {"127.0.0.1", "localhost", "::1", "box.lan"}


async def yes(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


@pytest.mark.parametrize("bound", ["0.0.0.0", "::", "192.168.0.7", "box.lan"])
def test_a_page_that_others_reach_has_its_addresses_and_the_names_it_was_given(bound: str) -> None:
    """DNS rebinding reaches any page by a name of the foreign site, wherever it is bound."""
    guard = WebGuard(yes, rules_for(bound, False, ("http://Loom.lan:7860",)))
    served = ("localhost:7860", "192.168.0.7:7860", "[fd00::1]:7860", "loom.lan:7860", "LOOM.lan.", *own_names())
    assert [ask(guard, {"host": host}, method="GET") for host in served] == [200] * len(served)
    foreign = ("evil.example", "10.0.0.7.evil.example", "loom.lan.evil.example", "2130706433", "0x7f.1", "")
    assert [ask(guard, {"host": host}, method="GET") for host in foreign] == [403] * len(foreign)
    assert (ask(guard, {"host": "box.lan:7860"}, method="GET") == 200) == (bound == "box.lan")
    said = {"host": "evil.example:7860", "accept": "text/html", "accept-language": "zh"}
    start, body = answer_of(guard, said, method="GET")
    assert (start["status"], dict(start["headers"])[b"content-type"]) == (403, b"text/plain; charset=utf-8")
    assert "--allow-host http://evil.example" in body["body"].decode()


def test_a_proxy_of_ours_says_by_which_name_it_was_asked() -> None:
    guard = WebGuard(yes, rules_for("0.0.0.0", False, ("box.lan",), ("10.0.0.0/8",)))
    inner = {"host": "taskloom:7860"}
    assert ask(guard, {**inner, "x-forwarded-host": "box.lan"}, method="GET", peer="10.0.0.1") == 200
    assert ask(guard, {**inner, "x-forwarded-host": "evil.example"}, method="GET", peer="10.0.0.1") == 403
    assert ask(guard, {**inner, "x-forwarded-host": "box.lan"}, method="GET", peer="9.9.9.9") == 403


def ask(guard: WebGuard, headers: dict[str, str], body: bytes = b"", method: str = "POST", peer: str = "") -> int:
    """The status a request gets."""
    return int(answer_of(guard, headers, body, method, peer)[0]["status"])


def answer_of(
    guard: WebGuard, headers: dict[str, str], body: bytes = b"", method: str = "POST", peer: str = ""
) -> list[Any]:
    """What a request gets."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(k.encode(), v.encode()) for k, v in headers.items()]
    scope = {"type": "http", "path": "/x", "method": method, "headers": pairs, "client": (peer, 1)}
    call = guard(scope, receive, send)
    with ThreadPoolExecutor(1) as other:  # the browser tests keep a loop running in this thread
        other.submit(asyncio.run, call).result()
    return sent


def test_a_space_accepts_its_own_name_behind_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_HOST", "me-loom.hf.space")
    guard = WebGuard(yes, rules_for("0.0.0.0", True))
    inner = {"host": "10.0.0.7:7860"}
    assert ask(guard, {**inner, "origin": "https://me-loom.hf.space"}) == 200
    assert ask(guard, {**inner, "origin": "https://other.hf.space"}) == 403


def test_a_post_without_a_length_is_counted_and_a_fault_shows_no_traceback() -> None:
    async def reader(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await receive()

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("secret detail")

    assert ask(WebGuard(reader, GuardRules()), {}, b"x" * (1 << 20)) == 413
    assert ask(WebGuard(broken, GuardRules()), {}) == 500


def test_what_is_no_host_and_no_origin_is_refused_and_no_fault() -> None:
    guard = WebGuard(yes, GuardRules())
    for host in ("[", "box:x", "[::1"):
        assert ask(guard, {"host": host}, method="GET") == 400
    for origin in ("http://[", "http://[::1", "null", ""):
        assert ask(guard, {"host": "box", "origin": origin}) == 403
    assert ask(guard, {"host": "box", "content-length": "9" * 5000}) == 413
    assert ask(guard, {"host": "box:80", "origin": "http://box"}) == 200


def test_a_page_with_an_old_word_is_told_so_in_its_language() -> None:
    guard = WebGuard(None, GuardRules(key="new"))
    said = {"host": "box", "origin": "http://box", "x-taskloom-page": "old", "accept-language": "zh"}
    start, body = answer_of(guard, said)
    assert start["status"] == 403
    assert (b"x-taskloom-stale", b"1") in start["headers"]  # by which the page's script opens it again
    assert "请刷新页面" in json.loads(body["body"])["detail"]  # what Gradio's page shows
    start, body = answer_of(guard, {**said, "origin": "http://evil.example"})
    assert b"x-taskloom-stale" not in dict(start["headers"])


def test_a_name_of_https_gives_addresses_of_https_also_behind_a_proxy_that_was_not_named() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["scheme"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    guard = WebGuard(app, rules_for("0.0.0.0", False, ("box.lan", "http://plain.lan", "http://both", "both")))
    for host in ("box.lan", "plain.lan", "both", "10.0.0.9"):
        assert ask(guard, {"host": host, "x-forwarded-proto": "https"}, method="GET") == 200
    assert seen == ["https", "http", "http", "http"]


def test_what_is_written_anew_has_a_bound_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the processor that all share; a page that is kept does not."""
    monkeypatch.setattr("app.shell.web_guard.MOST_WRITTEN", 2)
    told: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    async def page(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<html></html>"})

    async def ask(path: str, query: bytes = b"", address: str = "1.1.1.1", rules: Any = None) -> None:
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "scheme": "http"}
        scope |= {"headers": [(b"host", b"localhost")], "client": (address, 1)}
        guard.rules = rules or shared
        await guard(scope, None, send)

    async def ask_all() -> None:
        for path, query in (("/", b""), ("/", b"a=1"), ("/", b"page=x"), ("/config", b""), ("/", b"b=2")):
            await ask(path, query)
        await ask("/config/", address="2.2.2.2")
        await ask("/config", rules=GuardRules())

    shared = GuardRules(shared=True)
    guard = WebGuard(page, shared)
    with ThreadPoolExecutor(1) as other:  # a browser of another test may hold the loop of this thread
        other.submit(asyncio.run, ask_all()).result()
    assert told == [200, 200, 200, 429, 200, 200, 200]
