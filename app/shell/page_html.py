"""The page's own HTML as it leaves: with the page's word in front of all scripts, and each script in it known by
its hash, so that no other one written into the page is ever run."""

from __future__ import annotations

import base64
import hashlib
import re

from app.shell.page_token import SCRIPT

_HEAD = re.compile(rb"<head[^>]*>", re.I)
_INLINE = re.compile(rb"<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script>", re.I | re.S)


def with_token(page: bytes, token: str) -> bytes:
    """The page with the script that gives the token to what it posts; as it is without a head."""
    script = f"<script>{SCRIPT.replace('TOKEN', token)}</script>".encode()
    return _HEAD.sub(lambda found: found[0] + script, page, count=1)


def script_hashes(page: bytes) -> str:
    """The sources of a content policy that allow the scripts written into this page: 'sha256-…' 'sha256-…'."""
    # A browser reads line ends of a document as \n before it hashes.
    texts = dict.fromkeys(found.replace(b"\r\n", b"\n") for found in _INLINE.findall(page))
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in texts)
