"""Between OpenAI's formats and ours: requests in, completions and stream chunks out. Pure functions."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from core.chat.bodies import Body, ChatBody, TextBody
from core.chat.protocol import ChatEvent, ChatRequest, TokenScore
from core.tasks.spec import TaskSpec

CHAT, TEXT = "chat.completion", "text_completion"

# Faults of the caller; everything else is ours.
_CALLERS_FAULTS = (
    "serving.bad_request",
    "serving.empty_message",
    "serving.long_message",
    "serving.missing_input",
    "serving.bad_value",
    "serving.no_echo",
    "serving.raw_too_long",
    "chat.no_task_fits",
    "insight.no_task",
    "registry.unknown",  # of `answers`; the precision is the server's own and was checked when it started
)


def chat_requests(body: ChatBody, run_dir: Path, task: TaskSpec, **more: Any) -> list[ChatRequest]:
    """A request for each of the n answers. Without a temperature the likeliest words are taken.

    Raises:
        RunError, SettingError: messages or settings that cannot be used.
    """
    longest = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    messages = tuple(_by_column(m, task) for m in body.messages)
    more |= {
        "messages": messages,
        "max_new_tokens": longest,
        "num_likely": body.num_likely,
        "answers": body.answers,
    }
    return _requests(body, run_dir, task, more)


def text_requests(body: TextBody, run_dir: Path, task: TaskSpec, **more: Any) -> list[ChatRequest]:
    """A request for each of the n answers to each of the prompts, prompt by prompt.

    Raises:
        RunError, SettingError: prompts or settings that cannot be used.
    """
    found: list[ChatRequest] = []
    for prompt in body.prompts:
        own = {"messages": (), "raw": prompt, "max_new_tokens": body.max_tokens, "num_likely": body.logprobs}
        found += _requests(body, run_dir, task, {**more, **own, "echo": body.echo and body.logprobs is not None})
    return found


def _requests(body: Body, run_dir: Path, task: TaskSpec, more: dict[str, Any]) -> list[ChatRequest]:
    """Each answer has a seed of its own; the call's seed, or where it has none one that the answer tells."""
    seed = body.seed if body.seed is not None else secrets.randbelow(2**31) if body.temperature > 0 else 0
    how = {"tuned": body.tuned, "temperature": body.temperature, "top_p": body.top_p, "stop": tuple(body.stop)}
    seeds = [seed if number == 0 else (seed + number) % 2**31 for number in range(body.n)]
    return [ChatRequest(str(run_dir), task.name, seed=own, **{**how, **more}) for own in seeds]


def place_of_last(body: ChatBody) -> int:
    """Where the last user message stands; -1: there is none."""
    return max((place for place, m in enumerate(body.messages) if m.get("role") == "user"), default=-1)


def last_text(body: ChatBody) -> str:
    """What the last user message says, for finding out its task."""
    place = place_of_last(body)
    content = body.messages[place].get("content") if place >= 0 else ""
    if isinstance(content, list):
        return "".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return str(content or "")


def _by_column(message: dict[str, Any], task: TaskSpec) -> dict[str, Any]:
    """A user's message that is a JSON object is that object, where the task has several input columns."""
    if len(task.inputs) < 2 or message.get("role") != "user":
        return message
    try:
        content = json.loads(str(message.get("content", "")))
    except (ValueError, RecursionError):
        return message
    return {**message, "content": content} if isinstance(content, dict) else message


def model_card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "taskloom"}


def whole_chat(name: str, asked: Sequence[ChatRequest], done: Sequence[ChatEvent]) -> dict[str, Any]:
    """The completion of an answer that is not streamed."""
    choices = []
    for index, (request, event) in enumerate(zip(asked, done, strict=True)):
        message = {"role": "assistant", "content": event.text}
        scores = {"content": [_chat_score(s) for s in event.scores], "refusal": None}
        kept = scores if request.num_likely is not None else None
        choices.append({"index": index, "message": message, "finish_reason": reason_of(event), "logprobs": kept})
    return {**head(name, CHAT, new_id(CHAT)), "choices": choices, **account(asked, done, len(done))}


def whole_text(
    name: str, body: TextBody, asked: Sequence[ChatRequest], done: Sequence[ChatEvent]
) -> dict[str, Any]:
    """The same for texts that were continued; each prompt has its n answers side by side."""
    choices = []
    for index, event in enumerate(done):
        prompt = body.prompts[index // body.n]
        before = _prompt_text(prompt, event) if body.echo else ""
        scores = _text_scores(event, before) if body.logprobs is not None else None
        text = before + event.text
        choices.append({"index": index, "text": text, "finish_reason": reason_of(event), "logprobs": scores})
    return {**head(name, TEXT, new_id(TEXT)), "choices": choices, **account(asked, done, body.n)}


def _prompt_text(prompt: str | tuple[int, ...], event: ChatEvent) -> str:
    return prompt if isinstance(prompt, str) else "".join(s.text for s in event.scores if s.is_prompt)


def _chat_score(score: TokenScore) -> dict[str, Any]:
    def entry(text: str, logprob: float | None) -> dict[str, Any]:
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    return {**entry(score.text, score.logprob), "top_logprobs": [entry(*pair) for pair in score.likely]}


def _text_scores(event: ChatEvent, before: str) -> dict[str, Any]:
    """Four lists of one length. Tokens behind a stop word, of which the text holds nothing, are left out."""
    tokens, offset, kept, offsets = event.scores, 0, list[TokenScore](), list[int]()
    for score in tokens:
        if not score.is_prompt and offset >= len(before) + len(event.text):
            break
        kept.append(score)
        offsets.append(offset)
        offset += len(score.text)
    return {
        "tokens": [s.text for s in kept],
        "token_logprobs": [s.logprob for s in kept],
        "top_logprobs": [dict(s.likely) if s.logprob is not None else None for s in kept],
        "text_offset": offsets,
    }


def chunk(first: dict[str, Any], index: int, piece: dict[str, Any], reason: str | None) -> str:
    """One piece of a stream; `piece` is {"delta": ...} of a chat or {"text": ...}."""
    choice = {"index": index, **piece, "finish_reason": reason, "logprobs": None}
    return json.dumps({**first, "choices": [choice]}, ensure_ascii=False)


def error_text(event: ChatEvent) -> str:
    """An error in the middle of a stream."""
    return json.dumps(error_value(event.message, kind_of(status_of(event.key))), ensure_ascii=False)


def error_value(message: str, kind: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": None, "param": None}}


def status_of(key: str) -> HTTPStatus:
    """The HTTP status for the key of an error."""
    return HTTPStatus.BAD_REQUEST if key in _CALLERS_FAULTS else HTTPStatus.INTERNAL_SERVER_ERROR


def kind_of(status: HTTPStatus) -> str:
    return "invalid_request_error" if status == HTTPStatus.BAD_REQUEST else "server_error"


def new_id(kind: str) -> str:
    return f"{'chatcmpl' if kind.startswith(CHAT) else 'cmpl'}-{secrets.token_hex(12)}"


def head(name: str, kind: str, number: str) -> dict[str, Any]:
    return {"id": number, "object": kind, "created": int(time.time()), "model": name}


def reason_of(done: ChatEvent) -> str:
    return "length" if done.limited else "stop"


def account(asked: Sequence[ChatRequest], done: Sequence[ChatEvent], n: int) -> dict[str, Any]:
    """Usage as clients expect it (a prompt counts once, however many answers it gets), and what only we know of the
    first answer, under a name of our own: also how many messages it was not shown."""
    prompt, written = sum(event.prompt_tokens for event in done[::n]), sum(event.tokens for event in done)
    usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    first, event = asked[0], done[0]
    skills = {weight.name: weight.weight for weight in event.weights}
    own = {"task": first.task, "seed": first.seed, "seconds": event.seconds, "cut_tokens": event.num_cut}
    own["unread_messages"] = max(0, len(first.messages) - 1)
    sure = {} if event.certainty is None else {"certainty": event.certainty, "labels": dict(event.ranking)}
    return {"usage": usage, "taskloom": {**own, "skills": skills, **sure}}
