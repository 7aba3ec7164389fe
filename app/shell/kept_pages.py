"""The page as it was sent once, for the next visitor.

Gradio 6.31 copies the description of all components, goes through the copy and writes it out for every opening of
the page, a tenth of a second of the processor, and packs it for none, since its path has no ending. What comes out
depends on the address that it was asked for by, and on no visitor: who that is, is said by the page's first event.
What stands behind the question mark, such as the place that a reloaded page is at, is read by the page itself.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from app.shell.watched_answer import Pairs, Scope, Send

MOST_PAGES = 8  # of a megabyte, each under another name
# All that Gradio reads of a request for its page (`route_utils.get_root_url`): its address, and from these headers
# who said so. Whatever a proxy adds for each visitor or request makes no page of its own.
OF_ADDRESS = frozenset({b"host", b"x-forwarded-host", b"x-forwarded-proto"})
OF_PAGE = frozenset({"page", "deep_link"})  # what Gradio reads behind the question mark
# Gradio takes this one for the whole address, from everybody: such a page is nobody else's.
BY_OTHERS = b"x-gradio-server"

Key = tuple[Any, ...]


def page_key(scope: Scope) -> Key | None:
    """What the page depends on; None for what is not the page, or asks something of it."""
    if scope["method"] != "GET" or scope["path"] != "/":
        return None
    asked = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    if not OF_PAGE.isdisjoint(name for name, _ in asked):
        return None
    told = [(name.lower(), value) for name, value in scope["headers"]]
    if any(name == BY_OTHERS for name, _ in told):
        return None
    address = tuple(pair for pair in told if pair[0] in OF_ADDRESS)
    return scope["scheme"], scope.get("server"), scope.get("root_path", ""), address


class KeptPages:
    """As they leave, with their headers: whole and packed."""

    def __init__(self) -> None:
        self._pages: dict[Key, tuple[Pairs, bytes, bytes]] = {}

    async def keep(self, key: Key, scope: Scope, send: Send, start: MutableMapping[str, Any], page: bytes) -> bool:
        """-> whether it may be kept, and has been sent as the next visitor gets it."""
        names = {name.lower() for name, _ in start["headers"]}
        if start["status"] != 200 or b"set-cookie" in names:
            return False
        headers = tuple(pair for pair in start["headers"] if pair[0].lower() != b"content-length")
        packed = await asyncio.to_thread(gzip.compress, page, 6, mtime=0)  # others are answered meanwhile
        while key not in self._pages and len(self._pages) >= MOST_PAGES:
            del self._pages[next(iter(self._pages))]
        self._pages[key] = headers, page, packed
        return await self.send(key, scope, send)

    async def send(self, key: Key, scope: Scope, send: Send) -> bool:
        """-> whether it is known, and has been sent."""
        known = self._pages.pop(key, None)
        if known is None:
            return False
        self._pages[key] = known  # the newest again: names that somebody makes up push out one another
        headers, page, packed = known
        accepted = b",".join(value for name, value in scope["headers"] if name.lower() == b"accept-encoding")
        more = [(b"vary", b"Accept-Encoding")]
        if takes_gzip(accepted.decode("latin-1")):
            page = packed
            more.append((b"content-encoding", b"gzip"))
        more.append((b"content-length", str(len(page)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, *more]})
        await send({"type": "http.response.body", "body": page})
        return True


def takes_gzip(accepted: str) -> bool:
    """Whether a browser that says `Accept-Encoding: accepted` unpacks gzip (RFC 9110, 12.5.3); a weight of zero
    refuses, and so does one that is no number."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, *given = (word.strip() for word in part.split(";"))
        weight = next((word[2:] for word in given if word.startswith("q=")), "1")
        weights[name] = float(weight) if weight.replace(".", "", 1).isdecimal() else 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0
