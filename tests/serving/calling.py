"""Calls of an endpoint in tests."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.chat.client import ChatClient
from core.chat.endpoint import build_server
from core.chat.service import Service, find_models

TOKEN = "a-token-for-tests"


class Caller:
    """Calls one server."""

    def __init__(self, port: int, client: ChatClient, service: Service) -> None:
        self.port, self.client, self.service = port, client, service

    def __call__(self, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"} | headers
        connection.request("GET" if body is None else "POST", path, data, sent)
        response = connection.getresponse()
        answer = response.status, response.read(), response.headers
        connection.close()
        return answer

    def complete(self, model: str, text: Any, **settings: Any) -> tuple[int, Any]:
        body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 8, **settings}
        status, data, _ = self("/v1/chat/completions", body)
        return status, json.loads(data)


@contextmanager
def serving(run_dirs: list[Path], log_dir: Path) -> Iterator[Caller]:
    client = ChatClient(log_path=log_dir / "chat.log")
    service = Service(find_models(run_dirs), client, TOKEN)
    server = build_server(service)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield Caller(server.port, client, service)
    server.stop()
    thread.join(20)
    server.close()
    client.close()
