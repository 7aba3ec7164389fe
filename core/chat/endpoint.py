"""An HTTP endpoint in the form of OpenAI's chat API, so that existing clients can talk to trained runs. Torch-free.

    GET  /v1/models             one model a task: "<run id>:<task name>"
    POST /v1/chat/completions   messages, temperature, top_p, max_tokens, seed, stream; "tuned": false asks the base

The last user message is the input of the task; for a task with several input columns it is a JSON object column ->
text. System messages and earlier turns are not shown to the model: its prompt is the one it was trained with.
Requests of many callers and tasks share forward passes in the chat worker.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import threading
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from core.base.errors import TaskloomError
from core.chat import completion
from core.chat.client import ChatClient
from core.chat.protocol import FULL, ChatRequest
from core.runs.folder import RunFolder
from core.tasks.spec import TaskSpec

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_BODY = 1 << 20
MAX_OPEN = 64  # answers at the same time; the next caller is told to come back
SOCKET_S = 60.0


@dataclass(frozen=True)
class Served:
    """One model of the endpoint: a task of a run."""

    name: str
    run_dir: Path
    task: TaskSpec


@dataclass
class Service:
    """What the handler needs: models by name, the client, the token (empty: none asked for), allowed Host names,
    the precision of the base model."""

    models: dict[str, Served]
    client: ChatClient
    token: str = ""
    hosts: tuple[str, ...] = ()
    precision: str = FULL
    open_answers: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(MAX_OPEN))


def find_models(run_dirs: list[Path]) -> dict[str, Served]:
    """The models of some runs, by name."""
    found = {}
    for run_dir in run_dirs:
        for task in RunFolder(run_dir).read_tasks():
            name = f"{run_dir.name}:{task.name}"
            found[name] = Served(name, run_dir.resolve(), task)
    return found


def build_server(service: Service, host: str = "127.0.0.1", port: int = 0) -> ThreadingHTTPServer:
    """A server that is bound (port 0: any free one) and not yet running; `serve_forever` runs it.

    Raises:
        OSError: the address cannot be used.
    """
    server = ThreadingHTTPServer((host, port), type("Handler", (Handler,), {"service": service}))
    server.daemon_threads = True
    if host in LOOPBACK:
        # A web page that made its own name point to this machine sends that name: it is refused.
        service.hosts = tuple(f"{name}:{server.server_port}" for name in ("127.0.0.1", "localhost", "[::1]"))
    return server


class Refused(Exception):
    """An answer of the endpoint that is not 200: status, OpenAI's error type, message."""

    def __init__(self, status: HTTPStatus, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class Handler(BaseHTTPRequestHandler):
    """One connection. `service` is set by `build_server`."""

    service: Service
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_S
    server_version, sys_version = "taskloom", ""

    def do_GET(self) -> None:
        try:
            self._require_access("/v1/models")
        except Refused as refused:
            self._refuse(refused)
            return
        models = [completion.model_card(name) for name in self.service.models]
        self._send(HTTPStatus.OK, {"object": "list", "data": models})

    def do_POST(self) -> None:
        try:
            self._require_access("/v1/chat/completions")
            body = self._body()
            request, served = self._request(body)
            if not self.service.open_answers.acquire(blocking=False):
                busy = "Too many answers are open; try again."
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, busy, "overloaded_error")
        except Refused as refused:
            self._refuse(refused)
            return
        try:
            answer = self._stream if body.get("stream") else self._answer
            answer(request, served.name, body)
        finally:
            self.service.open_answers.release()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests may hold private text: nothing is logged."""

    def _require_access(self, path: str) -> None:
        """Host name, token and path."""
        if self.service.hosts and self.headers.get("Host", "") not in self.service.hosts:
            raise Refused(HTTPStatus.FORBIDDEN, "This host name is not served here.")
        given, wanted = self.headers.get("Authorization", ""), f"Bearer {self.service.token}"
        if self.service.token and not hmac.compare_digest(given.encode(), wanted.encode()):
            message = "The API key is missing or wrong."
            raise Refused(HTTPStatus.UNAUTHORIZED, message, "authentication_error")
        if self.path.split("?")[0].rstrip("/") != path:
            raise Refused(HTTPStatus.NOT_FOUND, f"There is nothing at {self.path}.")

    def _body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is missing or too long.")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, UnicodeDecodeError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}.") from error
        if not isinstance(body, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
        return body

    def _request(self, body: dict[str, Any]) -> tuple[ChatRequest, Served]:
        name = str(body.get("model", ""))
        if name not in self.service.models:
            known = ", ".join(self.service.models)
            raise Refused(HTTPStatus.NOT_FOUND, f"There is no model {name!r}. Known: {known}.")
        served = self.service.models[name]
        try:
            request = completion.build_request(body, served.run_dir, served.task)
            return replace(request, precision=self.service.precision), served
        except TaskloomError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error

    def _answer(self, request: ChatRequest, name: str, body: dict[str, Any]) -> None:
        try:
            done = self.service.client.answer(request)
        except TaskloomError as error:
            status = completion.status_of(error.key)
            self._refuse(Refused(status, str(error), completion.kind_of(status)))
            return
        self._send(HTTPStatus.OK, completion.whole(name, done))

    def _stream(self, request: ChatRequest, name: str, body: dict[str, Any]) -> None:
        """Server-sent events. A caller that hangs up closes the stream, which stops the answer."""
        self._begin(HTTPStatus.OK, {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}, close=True)
        options = body.get("stream_options")
        with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        with contextlib.closing(self.service.client.stream(request)) as events, contextlib.suppress(OSError):
            for chunk in completion.chunks(name, events, with_usage):
                self.wfile.write(b"data: " + chunk.encode() + b"\n\n")

    def _refuse(self, refused: Refused) -> None:
        """Closes the connection too: the rest of an unread body must not be taken for a request."""
        error = {"message": str(refused), "type": refused.kind, "code": None}
        self._send(refused.status, {"error": error}, close=True)

    def _send(self, status: HTTPStatus, value: Any, close: bool = False) -> None:
        data = json.dumps(value, ensure_ascii=False).encode()
        self._begin(status, {"Content-Type": "application/json", "Content-Length": str(len(data))}, close)
        with contextlib.suppress(OSError):  # the caller has hung up
            self.wfile.write(data)

    def _begin(self, status: HTTPStatus, headers: dict[str, str], close: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if close:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
