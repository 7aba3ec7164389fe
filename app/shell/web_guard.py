"""What stands between the network and Gradio: who may post, how much, and which of Gradio's own paths are closed.

Gradio's strict CORS only withholds answers from foreign pages; their requests are carried out all the same. Here a
post from another site is refused before anything happens (CSRF), and so is a foreign host name on a page that
listens on this machine only (DNS rebinding).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LOG = logging.getLogger("taskloom.app")
MAX_POST_BYTES = 4 << 20  # of what a page posts; uploads have Gradio's max_file_size
UPLOAD = "/gradio_api/upload"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
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


@dataclass(frozen=True)
class GuardRules:
    """`hosts`: host names that are served, None for all. `framed_by`: origins that may show the page in a frame.
    `opened`: paths for programs on one's own machine."""

    hosts: frozenset[str] | None = None
    framed_by: str = "'self'"
    pictures_from: str = ""
    opened: tuple[str, ...] = ()  # of CLOSED

    @property
    def content_policy(self) -> str:
        """Gradio compiles its templates in the page, hence eval; everything else comes from here only, so that no
        text of a model or a file can make a browser ask another site."""
        return (
            "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
            f"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob: {self.pictures_from}; "
            f"object-src 'none'; base-uri 'self'; frame-ancestors {self.framed_by}"
        )


def rules_for(host: str, on_space: bool, more_hosts: tuple[str, ...] = ()) -> GuardRules:
    """On a Space the Hub shows the page in a frame; a page bound to this machine answers to its own names only."""
    if on_space:
        return GuardRules(
            framed_by="'self' https://huggingface.co https://*.hf.space",
            pictures_from="https://huggingface.co https://*.huggingface.co",
        )
    return GuardRules(LOOPBACK | {host, *more_hosts} if host in LOOPBACK else None)


class WebGuard:
    """Pure ASGI, so that streams pass unbuffered."""

    def __init__(self, app: Any, rules: GuardRules) -> None:
        self.app = app
        self.rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refused = self._refusal(scope, headers)
        if refused:
            await _answer(send, *refused)
            return
        watch = _Watch(receive, send, self.rules, _is_limited(scope))
        try:
            await self.app(scope, watch.receive, watch.send)
        except _TooLarge:
            await _answer(send, 413, "too large")
        except Exception:  # Gradio runs FastAPI in debug mode, which would show a traceback to the visitor
            LOG.exception("a request failed")
            if not watch.began:
                await _answer(send, 500, "internal error")

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        if self.rules.hosts is not None and _host_name(headers.get("host", "")) not in self.rules.hosts:
            return 403, "this host name is not served"
        if scope["path"].startswith(CLOSED) and not scope["path"].startswith(self.rules.opened):
            return 404, "not found"
        if scope["method"] not in READING and not _same_site(headers):
            return 403, "posts from other sites are refused"
        length = headers.get("content-length", "0")
        if _is_limited(scope) and (not length.isdigit() or int(length) > MAX_POST_BYTES):
            return 413, "too large"
        return None


class _TooLarge(Exception):
    """A post is longer than any page sends."""


class _Watch:
    """Counts what comes in and adds headers to what goes out."""

    def __init__(self, receive: Receive, send: Send, rules: GuardRules, limited: bool) -> None:
        self._receive, self._send, self._rules, self._limited = receive, send, rules, limited
        self._taken = 0
        self.began = False

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._limited and self._taken > MAX_POST_BYTES:
            raise _TooLarge
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.began = True
            message["headers"] = [*message.get("headers", []), *_safety_headers(self._rules)]
        await self._send(message)


def _safety_headers(rules: GuardRules) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", rules.content_policy.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]


def _is_limited(scope: Scope) -> bool:
    return bool(scope["path"].rstrip("/") != UPLOAD)


def _same_site(headers: dict[str, str]) -> bool:
    """A browser names the page's origin with every post; a program without one carries no cookie of anybody."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    own = {headers.get("host", ""), headers.get("x-forwarded-host", ""), os.environ.get("SPACE_HOST", "")}
    return urlsplit(origin).netloc in own - {""}


def _host_name(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
