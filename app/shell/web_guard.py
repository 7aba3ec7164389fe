"""What stands between the network and Gradio: who may post, how much, and which of Gradio's own paths are closed.

Gradio's strict CORS only withholds answers from foreign pages; their requests are carried out all the same. Here a
post from another site is refused before anything happens (CSRF), twice: by the origin that the browser names, and
by the page's own word (see `page_token`). So is a foreign host name on a page that listens on this machine only
(DNS rebinding). No other site is ever answered that it may ask.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gradio import routes

from app.shell.callers import INSIDE_THE_HUB, Caller, Network, find_caller, networks, origin_of, scheme_of
from app.shell.page_html import script_hashes, with_token
from app.shell.page_token import PAGE_HEADER, STALE_HEADER, VISITOR_HEADER, is_same, mark_of, page_token
from app.shell.selection import language_of
from app.shell.upload_shares import UploadShares
from app.texts import word_whole
from app.texts.language import in_language
from core.base.errors import TaskloomError
from core.messages import MESSAGES

LOG = logging.getLogger("taskloom.app")
MAX_POST_BYTES = 4 << 20  # of what a page posts; uploads have Gradio's max_file_size
MOST_DIGITS = 15  # of a length
MOST_OPEN = 512  # requests of one address on a shared page at once, with the streams that every open page holds
OLD_PAGE = "visitor.old_page"
UPLOAD = "/gradio_api/upload"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
STATUS_OF = {"visitor.unknown": 403, "quota.full": 507}
READING = frozenset({"GET", "HEAD"})
# Not used by the pages: calls by name, fetching of other addresses, snapshots and histories written to the server.
CLOSED = tuple(
    f"/gradio_api/{name}"
    for name in (
        "deep_link", "proxy=", "file=http", "run/", "run_history", "run-history", "api/", "call/", "stream/",
        "openapi.json", "dev/", "vibe", "token", "mcp", "component_server", "runs",
    )
)  # fmt: skip

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Pairs = tuple[tuple[bytes, bytes], ...]
Refusal = tuple[int, str]  # status, key of the message or text for who is not a visitor


@dataclass(frozen=True)
class GuardRules:
    """`hosts`: host names that are served, None for all. `origins`: those of the page beside the one that was asked
    for. `framed_by`: origins that may show the page in a frame. `opened`: paths for programs on one's own machine.
    `key`: signs the words of pages and visitors; without one none is asked for. `uploads`: what visitors may."""

    hosts: frozenset[str] | None = None
    origins: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()
    behind_proxy: bool = False  # nobody else reaches it
    framed_by: str = "'self'"
    pictures_from: str = ""
    opened: tuple[str, ...] = ()  # of CLOSED
    shared: bool = False
    key: str = ""
    uploads: UploadShares | None = None

    def content_policy(self, scripts: str = "") -> str:
        """Gradio compiles its templates in the page, hence eval, and writes styles into it; scripts come from here
        or are known by their hash, everything else comes from here only, so that no text of a model or a file can
        make a browser run something, or ask another site."""
        return (
            f"default-src 'self' data: blob:; script-src 'self' {scripts} 'unsafe-eval' blob:; "
            f"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: {self.pictures_from}; "
            f"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors {self.framed_by}"
        )


def rules_for(
    host: str, on_space: bool, more_hosts: tuple[str, ...] = (), proxies: tuple[str, ...] = ()
) -> GuardRules:
    """On a Space the Hub shows the page in a frame; a page bound to this machine answers to its own names only.

    `more_hosts`: names ("box.lan", reached by https at its usual port) or whole origins ("http://box.lan:8080").

    Raises:
        SettingError: a proxy that is no address.
    """
    if on_space:
        own = os.environ.get("SPACE_HOST", "").split(",")
        return GuardRules(
            origins=frozenset(f"https://{name.strip()}" for name in own if name.strip()),
            proxies=networks((*INSIDE_THE_HUB, *proxies)),
            behind_proxy=True,
            framed_by="'self' https://huggingface.co https://*.hf.space",
            pictures_from="https://huggingface.co https://*.huggingface.co",
        )
    whole = [name if "://" in name else f"https://{name}" for name in more_hosts]
    names = {urlsplit(address).hostname or "" for address in whole}
    return GuardRules(
        hosts=LOOPBACK | {host} | names if host in LOOPBACK else None,
        origins=frozenset(origin_of(address) for address in whole),
        proxies=networks(proxies),
    )


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caller = find_caller(scope, self.rules.proxies, self.rules.behind_proxy)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refusal(scope, headers, caller)
        if refused:
            more = ((STALE_HEADER.encode(), b"1"),) if refused[1] == OLD_PAGE else ()
            await _answer(send, refused[0], _worded(refused[1], headers), _is_limited(scope), more)
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
        watch = _Watch(receive, send, self.rules, self.token, _is_limited(scope))
        try:
            if self.rules.uploads is not None and scope["method"] == "POST" and not _is_limited(scope):
                mark = mark_of(self.rules.key, headers.get(VISITOR_HEADER, ""))
                length = int(headers.get("content-length", "0"))
                async with self.rules.uploads.taking((mark, caller.address), length) as count:
                    watch.count = count
                    await self.app(scope, watch.receive, watch.send)
            else:
                await self.app(scope, watch.receive, watch.send)
        except _TooLarge:
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
        host = _host_name(headers.get("host", ""))
        if host is None:
            return 400, "this host name is none"
        if self.rules.hosts is not None and host not in self.rules.hosts:
            return 403, "this host name is not served"
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


class _TooLarge(Exception):
    """A post is longer than any page sends."""


class _Watch:
    """Counts what comes in, and adds to what goes out: headers, and to the page its word."""

    def __init__(self, receive: Receive, send: Send, rules: GuardRules, token: str, limited: bool) -> None:
        self._receive, self._send, self._rules, self._token, self._limited = receive, send, rules, token, limited
        self._taken = 0
        self._start: MutableMapping[str, Any] | None = None  # of a page, held back until all of it is there
        self._page = b""
        self.began = False
        self.count: Callable[[int], None] | None = None

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        length = len(message.get("body", b""))
        self._taken += length
        if self._limited and self._taken > MAX_POST_BYTES:
            raise _TooLarge
        if self.count is not None:
            self.count(length)
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            if _is_page(message):
                self._start = message
                return
            self._add_headers(message)
        elif self._start is not None:
            self._page += message.get("body", b"")
            if message.get("more_body"):
                return
            page = with_token(self._page, self._token) if self._token else self._page
            kept = [pair for pair in self._start.get("headers", []) if pair[0].lower() != b"content-length"]
            self._start["headers"] = [*kept, (b"content-length", str(len(page)).encode())]
            self._add_headers(self._start, script_hashes(page))
            await self._send(self._start)
            self._start, message = None, {"type": "http.response.body", "body": page}
        await self._send(message)

    def _add_headers(self, message: MutableMapping[str, Any], scripts: str = "") -> None:
        self.began = True
        message["headers"] = [
            *message.get("headers", []),
            (b"content-security-policy", self._rules.content_policy(scripts).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]


def _is_page(message: MutableMapping[str, Any]) -> bool:
    kinds = [value for name, value in message.get("headers", []) if name.lower() == b"content-type"]
    return any(kind.startswith(b"text/html") for kind in kinds)


def _is_limited(scope: Scope) -> bool:
    return bool(scope["path"].rstrip("/") != UPLOAD)


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
