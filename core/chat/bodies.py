"""What may stand in a request of OpenAI's API, checked by pydantic. A field that would be ignored is refused.

null stands for the default everywhere, as in OpenAI's own API.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from core.chat.protocol import LABELS
from core.messages.plural import counted

MAX_ANSWERS = 8  # of one prompt (n)
MAX_PROMPTS = 64  # answers of all prompts of one call

# Fields that change nothing about an answer, here or there: notes of the caller's own, and where OpenAI computes.
_NOTES = frozenset(
    ("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention")
)
# Fields that this endpoint has no answer to, with the values that ask for nothing.
_NOTHING: dict[str, tuple[Any, ...]] = {
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "best_of": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True, False),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "suffix": ("",),
}
# What a caller gets to read where the type is wrong.
_TYPES = {"float": "a number", "int": "a whole number", "bool": "true or false", "string": "text", "list": "a list"}
_TYPES |= {"dict": "an object"}

B = TypeVar("B", bound="Body")


class BodyError(ValueError):
    """A request that cannot be answered; says which field, and what is wrong with it."""


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_several), Field(max_length=16)]


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    include_usage: bool = False


class Body(BaseModel):
    """What both kinds of completion take. `tuned` is ours: false asks the untouched base model."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    tuned: bool = True
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = Field(1, ge=1, le=MAX_ANSWERS)
    stop: Texts = []
    seed: int | None = None
    max_tokens: int | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if v is not None} if isinstance(values, Mapping) else values


class ChatBody(Body):
    """POST /v1/chat/completions. `answers` is ours: "free" lets tasks with labels write instead of choosing one."""

    messages: list[dict[str, Any]]
    answers: str = LABELS
    max_completion_tokens: int | None = None
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)

    @property
    def num_likely(self) -> int | None:
        return self.top_logprobs if self.logprobs else None


class TextBody(Body):
    """POST /v1/completions"""

    prompt: str | list[str] | list[int] | list[list[int]]
    max_tokens: int | None = 16
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=20)

    @property
    def prompts(self) -> list[str | tuple[int, ...]]:
        """Every prompt, as text or token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        numbers = tuple(part for part in self.prompt if isinstance(part, int))
        if numbers:
            return [numbers]
        return [part if isinstance(part, str) else tuple(part) for part in self.prompt if not isinstance(part, int)]


def read_body(cls: type[B], values: Any) -> B:
    """The request in the body of a call.

    Raises:
        BodyError: a field is missing, of a wrong type, out of bounds, or would have been ignored.
    """
    try:
        body = cls.model_validate(values)
    except ValidationError as error:
        raise BodyError(_told(error.errors())) from error
    for name, value in (body.model_extra or {}).items():
        nothing = (*_NOTHING.get(name, ()), *((body.n,) if name == "best_of" else ()))
        if name not in _NOTES and value not in nothing:
            raise BodyError(f"{name} is not offered here and would change the answer; leave it out.")
    if isinstance(body, ChatBody):
        _require_text(body.messages)
    if isinstance(body, TextBody) and not 0 < len(body.prompts) * body.n <= MAX_PROMPTS:
        asked = counted(len(body.prompts) * body.n, "answer|answers")
        raise BodyError(f"prompt asks for {asked}; 1 to {MAX_PROMPTS} can be had.")
    _require_used(body)
    return body


def _require_used(body: Body) -> None:
    """Raises BodyError for a field that another one leaves without an effect."""
    given = body.model_fields_set
    if not body.stream and "stream_options" in given:
        raise BodyError("stream_options is for streams; set stream, or leave it out.")
    if body.stream and getattr(body, "num_likely", getattr(body, "logprobs", None)) is not None:
        raise BodyError("logprobs come with whole answers only; leave out stream.")
    if body.stream and getattr(body, "echo", False):
        raise BodyError("echo comes with whole answers only; leave out stream.")
    if isinstance(body, ChatBody):
        if body.top_logprobs and not body.logprobs:
            raise BodyError("top_logprobs needs logprobs: true.")
        if {"max_tokens", "max_completion_tokens"} <= given and body.max_tokens != body.max_completion_tokens:
            raise BodyError("max_tokens and max_completion_tokens differ; give one of them.")


def _require_text(messages: list[dict[str, Any]]) -> None:
    """Raises BodyError where a message holds a picture, sound or file, which would be left out of the question."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            kind = part.get("type", "text") if isinstance(part, dict) else "text"
            if kind != "text":
                raise BodyError(
                    f"messages holds a part of type {str(kind)[:40]}, which is not read here; send text."
                )


def _told(errors: Iterable[Any]) -> str:
    """temperature is not a number; n is 99, and at most 8 can be had"""
    first = next(iter(errors))
    name, inside = first["loc"][:1], (part for part in first["loc"][1:] if isinstance(part, int))
    place = ".".join(str(part) for part in (*name, *inside)) or "The body"
    if first["type"] == "missing":
        return f"{place} is missing."
    wanted = next((said for kind, said in _TYPES.items() if first["type"].startswith(kind)), None)
    if wanted is not None and first["type"].endswith(("_type", "_parsing")):
        return f"{place} is not {wanted}."
    return f"{place} is {str(first['input'])[:80]}: {first['msg']}."
