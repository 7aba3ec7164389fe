"""A Hub of one process: the part of the Hub's HTTP API that an upload uses, checking every request it gets.

Regular files arrive in the commit, large ones (safetensors) by the LFS protocol: batch, PUT to a storage address
that must not see the token, commit with the sum of the stored bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "c0ffee" * 6 + "c0ff"


@dataclass
class FakeHub:
    """`repos`: (kind, name) -> how it was made; `files`: (kind, name) -> path -> bytes; `faults`: what was off."""

    token: str
    address: str = ""
    repos: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    files: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    bodies: bytes = b""

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        path = path.partition("?")[0]
        self.seen.append(f"{method} {path}")
        self.bodies += body
        if path.startswith("/storage/"):
            return self._store(method, path, headers, body)
        if headers.get("authorization") != f"Bearer {self.token}":
            return 401, {"error": "Invalid username or password."}
        if not headers.get("user-agent", "").startswith("taskloom"):
            self.faults.append(f"user agent {headers.get('user-agent')}")
        if (method, path) == ("GET", "/api/whoami-v2"):
            return 200, {"type": "user", "name": "nurse", "auth": {"accessToken": {"role": "write"}}}
        if (method, path) == ("POST", "/api/repos/create"):
            return self._create(json.loads(body))
        found = re.fullmatch(r"/api/(model|space)s/([^/]+/[^/]+)/(preupload|commit)/main", path)
        if method == "POST" and found:
            step = self._preupload if found[3] == "preupload" else self._commit
            return step((found[1], found[2]), body)
        if method == "POST" and path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        if (method, path) == ("POST", "/api/validate-yaml"):
            return 200, {"errors": [], "warnings": []}
        self.faults.append(f"unexpected {method} {path}")
        return 404, {"error": "not found"}

    def _create(self, order: dict[str, Any]) -> tuple[int, Any]:
        kind, name = order.get("type", "model"), f"{order['organization']}/{order['name']}"
        if order["organization"] != "nurse":
            return 403, {"error": "You don't have the rights to create a model under this namespace"}
        if order["name"] == "echo":  # a server that says more than it should
            return 400, {"error": f"No room for {self.token}"}
        known = (kind, name) in self.repos
        self.repos.setdefault((kind, name), order)
        url = f"{self.address}/{'spaces/' if kind == 'space' else ''}{name}"
        return (409, {"error": "You already created this repo", "url": url}) if known else (200, {"url": url})

    def _preupload(self, repo: tuple[str, str], body: bytes) -> tuple[int, Any]:
        if repo not in self.repos:
            return 404, {"error": "Repository not found"}
        files = json.loads(body)["files"]
        for file in files:
            if not {"path", "size", "sample"} <= set(file):
                self.faults.append(f"preupload of {file}")
        large = ("safetensors", "gguf")
        modes = [
            {
                "path": f["path"],
                "uploadMode": "lfs" if f["path"].endswith(large) else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for f in files
        ]
        return 200, {"files": modes}

    def _batch(self, order: dict[str, Any]) -> tuple[int, Any]:
        if order["operation"] != "upload" or order["hash_algo"] != "sha256":
            self.faults.append(f"batch {order}")
        objects = [
            {**o, "actions": {"upload": {"href": f"{self.address}/storage/{o['oid']}", "header": {}}}}
            for o in order["objects"]
        ]
        return 200, {"transfer": "basic", "objects": objects}

    def _store(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, Any]:
        name = path.rpartition("/")[2]
        if method != "PUT" or headers.get("authorization") or hashlib.sha256(body).hexdigest() != name:
            self.faults.append(f"storage: {method} {path}, authorization {bool(headers.get('authorization'))}")
        self.stored[name] = body
        return 200, {}

    def _commit(self, repo: tuple[str, str], body: bytes) -> tuple[int, Any]:
        lines = [json.loads(line) for line in body.splitlines()]
        if lines[0]["key"] != "header" or not lines[0]["value"]["summary"]:
            self.faults.append(f"commit head {lines[0]}")
        files = self.files.setdefault(repo, {})
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file" and value["encoding"] == "base64":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile" and len(self.stored.get(value["oid"], b"")) == value["size"]:
                files[value["path"]] = self.stored[value["oid"]]
            else:
                self.faults.append(f"commit line {line['key']} {value.get('path')}")
        kind = "spaces/" if repo[0] == "space" else ""
        return 200, {
            "success": True,
            "commitOid": COMMIT,
            "commitUrl": f"{self.address}/{kind}{repo[1]}/commit/{COMMIT}",
            "hookOutput": "",
        }


@contextmanager
def running_hub(token: str, hub: Any = None) -> Iterator[Any]:
    """A fake Hub on a free port of this machine; `hub` answers where another part of its API is wanted."""
    hub = FakeHub(token) if hub is None else hub

    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            body = self.read_body()
            status, value = hub.answer(self.command, self.path, self.headers, body)
            is_stream = isinstance(value, str)
            text = (value if is_stream else json.dumps(value)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def read_body(self) -> bytes:
            if self.headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        do_GET = do_POST = do_PUT = serve

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
