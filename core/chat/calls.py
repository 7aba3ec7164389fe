"""The calls of the HTTP endpoint: one method a path, from the body of a request to a completion or a stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from core.base.errors import RunError
from core.chat import completion
from core.chat.bodies import ChatBody, TextBody, read_body
from core.chat.detecting import by_columns, load_detector
from core.chat.protocol import DELTA, DONE, ERROR, ChatEvent, ChatRequest
from core.chat.service import Refused, Served, Service
from core.runs.folder import RunFolder

MAX_BODY = 1 << 20
BODY_S = 60.0  # a body that is not here by then is not waited for
LOOK_S = 1.0  # how often a whole answer looks whether its caller is still there
STREAM_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "Connection": "close"}


class Calls:
    """One method a path."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def models(self, http: Request) -> Response:
        cards = [completion.model_card(name) for name in self._service.models]
        return JSONResponse({"object": "list", "data": cards})

    async def model(self, http: Request) -> Response:
        return JSONResponse(completion.model_card(self._service.find(http.path_params["name"]).name))

    async def chat(self, http: Request) -> Response:
        body = read_body(ChatBody, await _read(http))
        served = self._service.find(body.model)
        asked = await self._service.pool.run(lambda: self._chat_requests(body, served))
        if body.stream:
            return self._stream(asked, served.name, completion.CHAT, body.stream_options.include_usage)
        done = await self._whole(http, asked)
        return JSONResponse(completion.whole_chat(served.name, asked, done))

    async def text(self, http: Request) -> Response:
        body = read_body(TextBody, await _read(http))
        served = self._service.find(body.model)
        if served.task is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "A text to be continued needs a task by name: auto has none.")
        asked = completion.text_requests(body, served.run_dir, served.task, precision=self._service.precision)
        if body.stream:
            return self._stream(asked, served.name, completion.TEXT, body.stream_options.include_usage)
        done = await self._whole(http, asked)
        return JSONResponse(completion.whole_text(served.name, body, asked, done))

    def _chat_requests(self, body: ChatBody, served: Served) -> list[ChatRequest]:
        more: dict[str, Any] = {"precision": self._service.precision}
        task = served.task
        if task is None:
            text = completion.last_text(body)
            found = load_detector(served.run_dir).detect(text)
            if found.is_none:
                raise RunError("chat.no_task_fits", task=found.task, share=f"{100 * found.probability:.0f}")
            task = next(t for t in RunFolder(served.run_dir).read_tasks() if t.name == found.task)
            user = {"role": "user", "content": by_columns(task, text)}
            others = [m for place, m in enumerate(body.messages) if place != completion.place_of_last(body)]
            body = body.model_copy(update={"messages": [*others, user]})
            more["blend"] = found.blend if body.tuned else ()
        return completion.chat_requests(body, served.run_dir, task, **more)

    async def _whole(self, http: Request, asked: list[ChatRequest]) -> list[ChatEvent]:
        """The last event of every request; a caller that hangs up stops them."""
        done: dict[int, ChatEvent] = {}
        looked = time.monotonic()
        async with contextlib.aclosing(self._events(asked)) as events:
            while len(done) < len(asked):
                coming = asyncio.ensure_future(anext(events))
                while not coming.done() or time.monotonic() - looked > LOOK_S:
                    if time.monotonic() - looked > LOOK_S:
                        looked = time.monotonic()
                        if await http.is_disconnected():
                            coming.cancel()
                            raise ClientDisconnect
                    await asyncio.wait({coming}, timeout=LOOK_S)
                number, event = await coming
                if event.kind == ERROR:
                    status = completion.status_of(event.key)
                    raise Refused(status, event.message, completion.kind_of(status))
                if event.is_last:
                    done[number] = event
        return [done[number] for number in range(len(asked))]

    def _stream(self, asked: list[ChatRequest], name: str, kind: str, with_usage: bool) -> Response:
        self._service.require_room(len(asked))
        return StreamingResponse(self._chunks(asked, name, kind, with_usage), headers=STREAM_HEADERS)

    async def _chunks(self, asked: list[ChatRequest], name: str, kind: str, with_usage: bool) -> AsyncIterator[str]:
        """Server-sent events. A caller that hangs up closes the stream, which stops the answers."""
        kind = f"{kind}.chunk" if kind == completion.CHAT else kind
        first, done, key = completion.head(name, kind, completion.new_id(kind)), {}, "text"
        if kind != completion.TEXT:
            key = "delta"
            for index in range(len(asked)):
                yield _data(completion.chunk(first, index, {key: {"role": "assistant", "content": ""}}, None))
        async with contextlib.aclosing(self._events(asked)) as events:
            async for index, event in events:
                if event.kind == DELTA:
                    piece = event.text if key == "text" else {"content": event.text}
                    yield _data(completion.chunk(first, index, {key: piece}, None))
                elif event.kind == ERROR:
                    yield _data(completion.error_text(event))
                    return
                elif event.kind == DONE:
                    done[index] = event
                    empty = "" if key == "text" else {}
                    yield _data(completion.chunk(first, index, {key: empty}, completion.reason_of(event)))
        if with_usage:
            told = completion.account(asked, [done[index] for index in range(len(asked))], len(asked))
            yield _data(json.dumps({**first, "choices": [], **told}, ensure_ascii=False))
        yield _data("[DONE]")

    async def _events(self, asked: list[ChatRequest]) -> AsyncGenerator[tuple[int, ChatEvent], None]:
        self._service.require_room(len(asked))
        self._service.num_open += len(asked)
        try:
            async with contextlib.aclosing(self._service.pool.events(asked)) as events:
                async for found in events:
                    yield found
        finally:
            self._service.num_open -= len(asked)


async def _read(http: Request) -> Any:
    """The JSON value of a body.

    Raises:
        Refused: it is missing, too long, too slow, or no JSON.
    """
    length = http.headers.get("content-length", "")
    if (not length.isdigit() and "transfer-encoding" not in http.headers) or int(length or 0) > MAX_BODY:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is missing or too long.")
    data = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for part in http.stream():
                data += part
                if len(data) > MAX_BODY:
                    raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is missing or too long.")
    except TimeoutError as error:
        raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"The body did not arrive within {BODY_S:g} s.") from error
    try:
        value = orjson.loads(data)  # refuses what is nested too deeply, too
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"The body is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
    return value


def _data(text: str) -> str:
    return f"data: {text}\n\n"
