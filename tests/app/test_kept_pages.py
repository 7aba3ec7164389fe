"""The page is written out once for each name it is asked for by, and reaches everybody as it would have been."""

from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from gradio.route_utils import get_root_url

from app.shell.callers import networks
from app.shell.guard_rules import GuardRules
from app.shell.kept_pages import BY_OTHERS, MOST_PAGES, OF_ADDRESS, takes_gzip
from app.shell.web_guard import WebGuard


class Served:
    """A page under the guard that says how often it was written."""

    def __init__(self, status: int = 200, *more: tuple[bytes, bytes]) -> None:
        self.written, self.status, self.more = 0, status, more
        self.guard = WebGuard(self.write, GuardRules(key="secret"))

    async def write(self, scope: Any, _: Any, send: Any) -> None:
        self.written += 1
        host = dict(scope["headers"])[b"host"]
        headers = [(b"content-type", b"text/html; charset=utf-8"), *self.more]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"<html><head></head>%s %d" % (host, self.written)})

    def ask(self, host: bytes = b"localhost", path: str = "/?", method: str = "GET", **headers: str) -> Any:
        """-> (headers, body) as they leave."""
        told = [(b"host", host), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())]
        path, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": told}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        whole = {**scope, "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 7860)}
        with ThreadPoolExecutor(1) as other:  # a browser of another test may hold the loop of this thread
            other.submit(asyncio.run, self.guard(whole, receive, send)).result()
        return dict(sent[0]["headers"]), b"".join(message["body"] for message in sent[1:])


def test_the_next_visitor_gets_the_same_page_without_its_being_written() -> None:
    served = Served()
    headers, page = served.ask(user_agent="one", accept_language="zh", cookie="a=b")
    again, same = served.ask(user_agent="another", accept_language="en")
    assert served.written == 1
    assert same == page
    assert b"x-taskloom-page" in page
    assert again[b"vary"] == b"Accept-Encoding"
    assert again == headers  # the content policy and all


def test_a_browser_that_unpacks_gets_it_packed_the_first_one_too() -> None:
    served = Served()
    headers, packed = served.ask(accept_encoding="gzip, br")
    assert headers[b"content-encoding"] == b"gzip"
    assert int(headers[b"content-length"]) == len(packed)
    assert gzip.decompress(packed) == served.ask()[1]
    assert served.ask(accept_encoding="gzip, br") == (headers, packed)
    assert served.written == 1


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("*", True),
        ("gzip; q=1", True),
        ("gzip;q=0", False),
        ("br, gzip;q=0.000", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0, gzip", True),
        ("gzip;q=many", False),
        ("gzipped", False),
        ("", False),
    ],
)
def test_what_a_browser_unpacks_is_read_with_its_weights(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


def test_what_a_proxy_adds_for_each_request_makes_no_page_of_its_own() -> None:
    served = Served()
    for number in ("1", "2"):
        served.ask(x_forwarded_for=f"10.0.0.{number}", x_real_ip=number, x_request_id=number, x_new=number)
    assert served.written == 1


@pytest.mark.parametrize(
    "other", [{"host": b"127.0.0.1"}, {"x_forwarded_host": "evil.example"}, {"x_forwarded_proto": "https"}]
)
def test_what_the_page_depends_on_makes_another_one(other: Any) -> None:
    served = Served()
    served.guard.rules = GuardRules(proxies=networks(("127.0.0.1",)), key="secret")
    page = served.ask()[1]
    assert served.ask(**other)[1] != page
    assert served.ask()[1] == page
    assert served.written == 2


def test_an_address_that_anybody_may_name_reaches_nobody_else() -> None:
    """Gradio writes a page for the address in `x-gradio-server`, whoever asks so."""
    served = Served()
    served.ask(x_gradio_server="http://evil.example")
    page = served.ask()[1]
    assert served.ask(x_gradio_server="http://evil.example")[1] != page
    assert served.ask()[1] == page
    assert served.written == 3


def test_a_page_that_is_opened_again_where_it_was_is_the_same_page() -> None:
    """Its place stands in its address, and is read by the page; whatever else is written there makes none anew."""
    served = Served()
    page = served.ask(path="/?project=a&run=b")[1]
    assert served.ask(path="/?x=1")[1] == served.ask()[1] == page
    assert served.written == 1


@pytest.mark.parametrize(
    "asked", [{"path": "/?deep_link=a"}, {"path": "/?x=1&p%61ge"}, {"path": "/config?"}, {"method": "HEAD"}]
)
def test_nothing_else_is_kept(asked: Any) -> None:
    served = Served()
    served.ask(**asked), served.ask(**asked)
    assert served.written == 2


@pytest.mark.parametrize("served", [Served(500), Served(200, (b"set-cookie", b"a=b"))])
def test_neither_a_failure_nor_what_is_meant_for_one(served: Served) -> None:
    served.ask(), served.ask()
    assert served.written == 2


def test_names_that_somebody_makes_up_fill_nothing() -> None:
    served = Served()
    page = served.ask()[1]
    for number in range(3 * MOST_PAGES):
        served.ask(host=b"made-up-%d" % number)
        assert served.ask()[1] == page
    assert len(served.guard._pages._pages) == MOST_PAGES
    assert served.written == 1 + 3 * MOST_PAGES


def test_a_refused_visitor_gets_no_kept_page() -> None:
    served = Served()
    served.guard.rules = GuardRules(hosts=frozenset({"localhost"}), key="secret")
    served.ask()
    assert b"localhost 1" not in served.ask(host=b"elsewhere.example")[1]


def test_gradio_reads_no_other_header_for_the_address() -> None:
    asked = set()

    class Told(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            asked.add(name.encode())
            return default

    request: Any = SimpleNamespace(headers=Told(), url="http://localhost/")
    assert get_root_url(request, "/", None) == "http://localhost"
    assert asked <= OF_ADDRESS | {BY_OTHERS}
    assert BY_OTHERS in asked
