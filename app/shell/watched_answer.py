"""One request under way: how much comes in is counted, and what goes out gets its headers and the page its word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from app.shell.guard_rules import GuardRules
from app.shell.page_html import script_hashes, with_token

MAX_POST_BYTES = 4 << 20  # of what a page posts; uploads have Gradio's max_file_size

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Pairs = tuple[tuple[bytes, bytes], ...]


class TooLarge(Exception):
    """A post is longer than any page sends."""


class WatchedAnswer:
    """Counts what comes in, and adds to what goes out: headers, and to the page its word."""

    def __init__(self, receive: Receive, send: Send, rules: GuardRules, token: str, limited: bool) -> None:
        self._receive, self._send, self._rules, self._token, self._limited = receive, send, rules, token, limited
        self._taken = 0
        self._start: MutableMapping[str, Any] | None = None  # of a page, held back until all of it is there
        self._page = b""
        self.began = False
        self.count: Callable[[int], None] | None = None
        # Of a page as it would leave: whether that has sent it.
        self.keep: Callable[[MutableMapping[str, Any], bytes], Awaitable[bool]] | None = None

    async def receive(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        length = len(message.get("body", b""))
        self._taken += length
        if self._limited and self._taken > MAX_POST_BYTES:
            raise TooLarge
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
            start, self._start = self._start, None
            if self.keep is not None and await self.keep(start, page):
                return
            await self._send(start)
            message = {"type": "http.response.body", "body": page}
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
