"""The page as it was sent once, for the next visitor.

Gradio 6.31 copies the description of all components, goes through the copy and writes it out for every opening of
the page, a tenth of a second of the processor, and packs it for none, since its path has no ending. What comes out
depends on the name that it was asked for by, and on no visitor: who that is, is said by the page's first event.
"""

from __future__ import annotations

import gzip
from collections.abc import MutableMapping
from typing import Any

from app.shell.watched_answer import Pairs, Scope, Send

MOST_PAGES = 8  # of a megabyte, each under another name
# Of these headers the page does not depend; one that is not among them makes a page of its own.
OF_BROWSERS = frozenset({
    b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"cookie", b"dnt",
    b"if-modified-since", b"if-none-match", b"pragma", b"priority", b"referer", b"upgrade-insecure-requests",
    b"user-agent",
})  # fmt: skip

Key = tuple[Any, ...]


def page_key(scope: Scope) -> Key | None:
    """What the page depends on; None for what is not the page, or asks something of it."""
    if scope["method"] != "GET" or scope["path"] != "/" or scope.get("query_string"):
        return None
    told = [pair for pair in scope["headers"] if pair[0] not in OF_BROWSERS and not pair[0].startswith(b"sec-")]
    return scope["scheme"], scope.get("server"), scope.get("root_path", ""), tuple(sorted(map(tuple, told)))


class KeptPages:
    """As they leave, with their headers: whole and packed."""

    def __init__(self) -> None:
        self._pages: dict[Key, tuple[Pairs, bytes, bytes]] = {}

    def keep(self, key: Key, start: MutableMapping[str, Any], page: bytes) -> None:
        names = {name.lower() for name, _ in start["headers"]}
        if start["status"] != 200 or b"set-cookie" in names:
            return
        while len(self._pages) >= MOST_PAGES:
            del self._pages[next(iter(self._pages))]
        headers = tuple(pair for pair in start["headers"] if pair[0].lower() != b"content-length")
        self._pages[key] = headers, page, gzip.compress(page, 6, mtime=0)

    async def send(self, key: Key, scope: Scope, send: Send) -> bool:
        """-> whether it is known, and has been sent."""
        known = self._pages.get(key)
        if known is None:
            return False
        headers, page, packed = known
        accepted = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
        more = [(b"vary", b"Accept-Encoding")]
        if b"gzip" in accepted:
            page = packed
            more.append((b"content-encoding", b"gzip"))
        more.append((b"content-length", str(len(page)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, *more]})
        await send({"type": "http.response.body", "body": page})
        return True
