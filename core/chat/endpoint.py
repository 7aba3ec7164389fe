"""An HTTP endpoint in the form of OpenAI's API, so that existing clients can talk to trained runs. Torch-free.

    GET  /v1/models               one model a task: "<run>/<task>"; "<run>/auto" finds out the task of each text
    GET  /v1/models/<model>       one of them
    POST /v1/chat/completions     a question to the task, worded as in training; "answers": "free" lets a task with
                                  labels write instead of choosing one
    POST /v1/completions          a text that the model goes on writing as it stands; with echo and logprobs

The last user message is the input of the task; for a task with several input columns it is a JSON object column ->
text. System messages and earlier turns are not shown to the model: its prompt is the one it was trained with.
Requests of many callers and tasks share forward passes in the chat worker. `core/chat/bodies.py` says which fields
a call may have.
"""

from __future__ import annotations

import asyncio
import hmac
import socket
from http import HTTPStatus
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from core.base.errors import TaskloomError
from core.chat import completion
from core.chat.bodies import BodyError
from core.chat.calls import Calls
from core.chat.service import MAX_OPEN, MAX_WAITING, Refused, Service

LOOPBACK = ("127.0.0.1", "localhost", "::1")
IDLE_S = 30.0  # a connection without a request is closed after one to two times this
MAX_HEADER_BYTES = 64 << 10
MAX_CONNECTIONS = MAX_OPEN + MAX_WAITING + 64  # beyond, a caller is told to come back before anything is read
GRACE_S = 2  # for open answers when the endpoint is ended


def build_server(service: Service, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
    """An endpoint that is bound (port 0: any free one) and not yet running; `serve` runs it.

    Raises:
        OSError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=MAX_CONNECTIONS)
    server = Endpoint(service, bound)
    if host in LOOPBACK:
        # A web page that made its own name point to this machine sends that name: it is refused.
        service.hosts = tuple(f"{name}:{server.port}" for name in ("127.0.0.1", "localhost", "[::1]"))
    return server


class Endpoint:
    """A bound endpoint. Requests may hold private text: none is logged."""

    def __init__(self, service: Service, bound: socket.socket) -> None:
        self._service, self._socket = service, bound
        self.port: int = bound.getsockname()[1]
        config = uvicorn.Config(
            build_app(service),
            http=PatientProtocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=round(IDLE_S),
            timeout_graceful_shutdown=GRACE_S,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        )
        self._server = uvicorn.Server(config)

    def serve(self) -> None:
        """Answers until `stop` is called, or Ctrl-C in the main thread.

        Raises:
            KeyboardInterrupt: after Ctrl-C.
        """
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        self._server.should_exit = True

    def close(self) -> None:
        self._socket.close()
        self._service.pool.close()


class PatientProtocol(H11Protocol):
    """Closes a connection that only stands there: uvicorn waits for the head of a request for ever."""

    _was_idle = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(IDLE_S, self._look)

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._was_idle:
            self.transport.close()
            return
        self._was_idle = is_idle
        self.loop.call_later(IDLE_S, self._look)


def build_app(service: Service) -> ASGIApp:
    """The endpoint as an ASGI application."""
    calls = Calls(service)
    routes = [
        Route("/v1/models", calls.models),
        Route("/v1/models/{name:path}", calls.model),
        Route("/v1/chat/completions", calls.chat, methods=["POST"]),
        Route("/v1/completions", calls.text, methods=["POST"]),
    ]
    handlers: Any = {
        Refused: _refuse,
        BodyError: _refuse_body,
        TaskloomError: _explain,
        HTTPException: _nothing_here,
        ClientDisconnect: _gone,
        Exception: _unexpected,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), service)


class Guard:
    """Host name and token, looked at before anything of the call is read."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value for name, value in scope["headers"] if name in (b"host", b"authorization")}
        refused = self._check(headers)
        if refused is not None:
            await _refusal(refused)(scope, receive, send)
            return
        scope["path"] = scope["path"].rstrip("/") or "/"
        await self._app(scope, receive, send)

    def _check(self, headers: dict[bytes, bytes]) -> Refused | None:
        if self._service.hosts and headers.get(b"host", b"").decode("latin-1") not in self._service.hosts:
            return Refused(HTTPStatus.FORBIDDEN, "This host name is not served here.")
        wanted = f"Bearer {self._service.token}".encode()
        if self._service.token and not hmac.compare_digest(headers.get(b"authorization", b""), wanted):
            message = "The API key is missing or wrong."
            return Refused(HTTPStatus.UNAUTHORIZED, message, "authentication_error")
        return None


def _refusal(refused: Refused) -> Response:
    """Closes the connection too: the rest of an unread body must not be taken for a request."""
    value = completion.error_value(str(refused), refused.kind)
    return JSONResponse(value, refused.status, headers={"Connection": "close"})


async def _refuse(http: Request, error: Any) -> Response:
    return _refusal(error)


async def _refuse_body(http: Request, error: Any) -> Response:
    return _refusal(Refused(HTTPStatus.BAD_REQUEST, str(error)))


async def _explain(http: Request, error: Any) -> Response:
    status = completion.status_of(error.key)
    return _refusal(Refused(status, str(error), completion.kind_of(status)))


async def _nothing_here(http: Request, error: Any) -> Response:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer = _refusal(Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"{http.url.path} does not take {http.method}."))
        answer.headers.update(error.headers or {})  # Allow
        return answer
    return _refusal(Refused(HTTPStatus.NOT_FOUND, f"There is nothing at {http.url.path}."))


async def _gone(http: Request, error: Any) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _unexpected(http: Request, error: Any) -> Response:
    """uvicorn writes the error itself into the log."""
    words = f"An unexpected error: {type(error).__name__}. The log of the endpoint holds it."
    return _refusal(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, words, "server_error"))
