"""What stands between the network and Gradio: who may post, how much, and which of Gradio's own paths are closed.

Gradio's strict CORS only withholds answers from foreign pages; their requests are carried out all the same. Here a
post from another site is refused before anything happens (CSRF), twice: by the origin that the browser names, and
by the page's own word (see `page_token`). So is whatever asks for a name that is not the page's (DNS rebinding). No
other site is ever answered that it may ask.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from gradio import routes

from app.shell.buckets import Buckets
from app.shell.callers import Caller, find_caller, origin_of, scheme_of
from app.shell.guard_rules import GuardRules
from app.shell.kept_pages import KeptPages, page_key
from app.shell.page_token import PAGE_HEADER, STALE_HEADER, VISITOR_HEADER, is_same, mark_of, page_token
from app.shell.selection import language_of
from app.shell.watched_answer import MAX_POST_BYTES, Pairs, Receive, Scope, Send, TooLarge, WatchedAnswer
from app.texts import word_whole
from app.texts.language import in_language
from core.base.errors import TaskloomError
from core.messages import MESSAGES

LOG = logging.getLogger("taskloom.app")
MOST_DIGITS = 15  # of a length
MOST_NAME = 100  # characters of a name that are said again
WRITTEN = (
    "/",
    "/config",
    "/gradio_api/info",
)  # what Gradio writes out anew, a tenth of a second of the processor each time
MOST_WRITTEN = 240  # a minute for one address on a shared page; what is kept is not counted
MOST_OPEN = 512  # requests of one address on a shared page at once, with the streams that every open page holds
OLD_PAGE = "visitor.old_page"
UPLOAD = "/gradio_api/upload"
STATUS_OF = {"visitor.unknown": 403, "quota.full": 507}
READING = frozenset({"GET", "HEAD"})
# Not used by the pages: calls by name, fetching of other addresses, snapshots and histories written to the server,
# videos that are stored and cut, parts of other people's making, each look at which is a line in the log.
CLOSED = ("/monitoring", *(
    f"/gradio_api/{name}"
    for name in (
        "deep_link", "proxy=", "file=http", "run/", "run_history", "run-history", "api/", "call/", "stream/",
        "openapi.json", "dev/", "vibe", "token", "mcp", "component_server", "runs", "process_recording",
        "custom_component", "profiling",
    )
))  # fmt: skip

Refusal = tuple[int, str]  # status, key of the message or text for who is not a visitor


class NoOtherSites:
    """In the place of Gradio's middleware for other sites, which would answer their questions before the guard."""

    def __init__(self, app: Any, **_: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def answer_no_other_sites() -> None:
    """From now on apps are built so: Gradio reads the name when it builds one."""
    routes.CustomCORSMiddleware = NoOtherSites  # type: ignore[assignment,misc]


class WebGuard:
    """Pure ASGI, so that streams pass unbuffered."""

    def __init__(self, app: Any, rules: GuardRules) -> None:
        self.app = app
        self.rules = rules
        self.token = page_token(rules.key) if rules.key else ""
        self._open: Counter[str] = Counter()  # requests by address
        self._pages = KeptPages()
        self._written = Buckets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = find_caller(scope, self.rules.proxies, self.rules.behind_proxy)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refusal(scope, headers, caller)
        if refused:
            more = ((STALE_HEADER.encode(), b"1"),) if refused[1] == OLD_PAGE else ()
            text = _worded(refused[1], headers, {"name": _asked_name(caller)[:MOST_NAME]})
            await _answer(send, refused[0], text, _is_limited(scope) and not _is_opened(scope, headers), more)
            return
        scope["client"], scope["scheme"] = (caller.address, 0), scheme_of(caller, self.rules.origins)
        self._open[caller.address] += 1
        try:
            await self._pass_on(scope, receive, send, headers, caller)
        finally:
            self._open[caller.address] -= 1
            if not self._open[caller.address]:
                del self._open[caller.address]

    async def _pass_on(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str], caller: Caller
    ) -> None:
        watch = WatchedAnswer(receive, send, self.rules, self.token, _is_limited(scope))
        if key := page_key(scope):
            if await self._pages.send(key, scope, send):
                return
            watch.keep = partial(self._pages.keep, key, scope, send)
        is_written = self.rules.shared and (scope["path"].rstrip("/") or "/") in WRITTEN
        if is_written and not self._written.take(caller.address, MOST_WRITTEN):
            await _answer(send, 429, _worded("visitor.too_fast", headers), not _is_opened(scope, headers))
            return
        try:
            if self.rules.uploads is not None and scope["method"] == "POST" and not _is_limited(scope):
                mark = mark_of(self.rules.key, headers.get(VISITOR_HEADER, ""))
                length = int(headers.get("content-length", "0"))
                async with self.rules.uploads.taking((mark, caller.address), length) as count:
                    watch.count = count
                    await self.app(scope, watch.receive, watch.send)
            else:
                await self.app(scope, watch.receive, watch.send)
        except TooLarge:
            await _answer(send, 413, _worded("visitor.too_large", headers))
        except TaskloomError as error:  # of the share
            if not watch.began:
                text = _worded(error.key, headers, error.values)
                await _answer(send, STATUS_OF.get(error.key, 413), text, _is_limited(scope))
        except Exception:  # Gradio runs FastAPI in debug mode, which would show a traceback to the visitor
            LOG.exception("a request failed")
            if not watch.began:
                await _answer(send, 500, "internal error")

    def _refusal(self, scope: Scope, headers: dict[str, str], caller: Caller) -> Refusal | None:
        if any(_host_name(host) is None for host in caller.hosts):
            return 400, "this host name is none"
        if not self.rules.serves(_asked_name(caller)):
            return 403, "visitor.foreign_host"
        if scope["path"].startswith(CLOSED) and not scope["path"].startswith(self.rules.opened):
            return 404, "not found"
        if self.rules.shared and self._open[caller.address] >= MOST_OPEN:
            return 429, "visitor.too_fast"
        if scope["method"] not in READING:
            refused = self._refusal_of_writing(headers, caller)
            if refused or scope["method"] == "OPTIONS":
                return refused or (405, "not allowed")
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or len(length) > MOST_DIGITS:
            return 413, "visitor.too_large"
        if _is_limited(scope) and int(length) > MAX_POST_BYTES:
            return 413, "visitor.too_large"
        return None

    def _refusal_of_writing(self, headers: dict[str, str], caller: Caller) -> Refusal | None:
        """A browser names the page's origin with every post; a program on one's own machine carries no login."""
        origin, fetched = headers.get("origin"), headers.get("sec-fetch-site")
        own = caller.origins | self.rules.origins
        if origin is not None and (origin_of(origin) not in own or not origin_of(origin)):
            return 403, "visitor.other_site"
        if fetched is not None and fetched not in ("same-origin", "none"):
            return 403, "visitor.other_site"
        from_browser = origin is not None or fetched is not None
        must_show = bool(self.token) and (from_browser or self.rules.shared)
        if must_show and not is_same(headers.get(PAGE_HEADER, ""), self.token):
            return 403, OLD_PAGE
        return None


def _is_limited(scope: Scope) -> bool:
    return bool(scope["path"].rstrip("/") != UPLOAD)


def _is_opened(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a browser opens it as a page, where a person reads what is answered."""
    return scope["method"] in READING and "text/html" in headers.get("accept", "")


def _asked_name(caller: Caller) -> str:
    """The name in the visitor's browser: what a proxy of ours says of it counts more than its own name for us."""
    return next((name for host in reversed(caller.hosts) if (name := _host_name(host))), "")


def _host_name(host: str) -> str | None:
    """Without its port; None for what is no host."""
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname or "" if parts.port is None or parts.port else None
    except ValueError:
        return None


def _worded(key: str, headers: dict[str, str], values: Mapping[str, Any] | None = None) -> str:
    if key not in MESSAGES:
        return key
    return in_language(language_of(headers.get("accept-language", "")), word_whole, key, values or {})


async def _answer(send: Send, status: int, text: str, as_json: bool = True, more: Pairs = ()) -> None:
    """Gradio's page shows the `detail` of JSON, and of an upload the text."""
    body = json.dumps({"detail": text}).encode() if as_json else text.encode()
    kind = b"application/json" if as_json else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
