"""Between OpenAI's chat format and ours: requests in, completions and stream chunks out. Pure functions."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from core.base.errors import RunError, SettingError
from core.chat.protocol import DELTA, DONE, ERROR, ChatEvent, ChatRequest, request_from_dict
from core.tasks.spec import TaskSpec

# Faults of the caller; everything else is ours.
_CALLERS_FAULTS = (
    "serving.empty_message",
    "serving.long_message",
    "serving.missing_input",
    "serving.bad_value",
    "insight.no_task",
)


def build_request(body: dict[str, Any], run_dir: Path, task: TaskSpec) -> ChatRequest:
    """A request from the body of a completion call. Without a temperature the likeliest words are taken.

    Raises:
        RunError, SettingError: messages or settings that cannot be used.
    """
    if body.get("n", 1) != 1:
        raise SettingError("serving.bad_value", name="n", value=body["n"], low=1, high=1)
    if body.get("stop"):
        raise SettingError("serving.no_stop_words")
    longest = body.get("max_completion_tokens") or body.get("max_tokens")
    values = {
        "run_dir": str(run_dir),
        "task": task.name,
        "messages": _messages(body, task),
        "tuned": bool(body.get("tuned", True)),
        "temperature": _number(body, "temperature", 0.0),
        "top_p": _number(body, "top_p", 1.0),
        "seed": int(_number(body, "seed", 0)),
        "max_new_tokens": int(longest) if longest else None,
    }
    return request_from_dict(values)


def _number(body: dict[str, Any], name: str, default: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RunError("serving.bad_request", detail=f"{name} is not a number")
    return float(value)


def _messages(body: dict[str, Any], task: TaskSpec) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise RunError("serving.bad_request", detail="messages is not a list of objects")
    if len(task.inputs) < 2:
        return messages
    return [_by_column(m) if m.get("role") == "user" else m for m in messages]


def _by_column(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose text is a JSON object is that object."""
    try:
        content = json.loads(str(message.get("content", "")))
    except ValueError:
        return message
    return {**message, "content": content} if isinstance(content, dict) else message


def model_card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "taskloom"}


def whole(name: str, done: ChatEvent) -> dict[str, Any]:
    """The completion of an answer that is not streamed."""
    message = {"role": "assistant", "content": done.text}
    choice = {"index": 0, "message": message, "finish_reason": _reason(done), "logprobs": None}
    return {**_head(name, "chat.completion", new_completion_id()), "choices": [choice], **_account(done)}


def chunks(name: str, events: Iterable[ChatEvent], with_usage: bool) -> Iterator[str]:
    """JSON texts of the stream, the last one [DONE]. An error ends the stream as an error object."""
    number = new_completion_id()

    def chunk(delta: dict[str, Any], reason: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return json.dumps({**_head(name, "chat.completion.chunk", number), "choices": [choice]}, ensure_ascii=False)

    yield chunk({"role": "assistant", "content": ""}, None)
    for event in events:
        if event.kind == DELTA:
            yield chunk({"content": event.text}, None)
        elif event.kind == ERROR:
            kind = kind_of(status_of(event.key))
            yield json.dumps({"error": {"message": event.message, "type": kind, "code": None}}, ensure_ascii=False)
            return
        elif event.kind == DONE:
            yield chunk({}, _reason(event))
            if with_usage:
                head = _head(name, "chat.completion.chunk", number)
                yield json.dumps({**head, "choices": [], **_account(event)}, ensure_ascii=False)
    yield "[DONE]"


def status_of(key: str) -> HTTPStatus:
    """The HTTP status for the key of an error."""
    return HTTPStatus.BAD_REQUEST if key in _CALLERS_FAULTS else HTTPStatus.INTERNAL_SERVER_ERROR


def kind_of(status: HTTPStatus) -> str:
    return "invalid_request_error" if status == HTTPStatus.BAD_REQUEST else "server_error"


def new_completion_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"


def _head(name: str, kind: str, number: str) -> dict[str, Any]:
    return {"id": number, "object": kind, "created": int(time.time()), "model": name}


def _reason(done: ChatEvent) -> str:
    return "length" if done.limited else "stop"


def _account(done: ChatEvent) -> dict[str, Any]:
    """Usage as clients expect it, and what only we know, under a name of our own."""
    usage = {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.tokens,
        "total_tokens": done.prompt_tokens + done.tokens,
    }
    skills = {weight.name: weight.weight for weight in done.weights}
    return {"usage": usage, "taskloom": {"seconds": done.seconds, "cut_tokens": done.num_cut, "skills": skills}}
