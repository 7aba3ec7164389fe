"""What the chat worker and its callers say to each other: one JSON object a line. Torch-free.

To the worker:    {"op": "answer", "id": n, ...ChatRequest}   {"op": "stop", "id": n}
From the worker:  {"kind": "ready"}   {"kind": ..., "id": n, ...ChatEvent}
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from core.base.errors import RunError, SettingError, WorkspaceError, require_between
from core.messages import english

MAX_CHARS = 200_000  # of one question; the model reads a few thousand at most
MAX_ROUNDS = 5
MAX_STOPS = 16
LIMITS = {
    "temperature": (0.0, 5.0),
    "top_p": (0.01, 1.0),
    "max_new_tokens": (1, 8192),
    "seed": (0, 2**31 - 1),
    "refine": (0, MAX_ROUNDS),
    "num_likely": (0, 20),
}
FULL, INT8, INT4 = "full", "int8", "int4"
PRECISIONS = (FULL, INT8, INT4)
LABELS, FREE = "labels", "free"
ANSWERS = (LABELS, FREE)

PHASE, DELTA, DONE, ERROR = "phase", "delta", "done", "error"
VERSION = "version"


@dataclass(frozen=True)
class ChatRequest:
    """One question to a run.

    The last user message is the input: a text for a task with one input column, or a dictionary column -> text.
    Earlier messages are not shown to the model, since a task is trained on single questions. `tuned=False` asks the
    untouched base model with the very same prompt. `temperature` 0 takes the likeliest token; `max_new_tokens` None
    takes the longest answer the run was set up for. `precision` is that of the base model's weights. `refine`: at
    most so many further rounds with similar training examples (see `refining.py`); `examples` are such (prompt,
    answer) pairs, the most similar first, shown before the question as far as they fit. `blend`: (task, share) of
    every task that a text of an undecided task may belong to; it is put as a question of `task` and answered with
    the skills of them all, mixed by the shares. Empty: with those of `task`. `answers`: LABELS chooses one of the
    labels of a task that has some, by their likelihood (a temperature draws among them); FREE writes the answer.

    `raw` is a text, or its token ids, that the model goes on writing as it stands, without the task's wording and
    instead of the messages. `stop`: texts that end the answer before them. `num_likely`: the answer comes with how
    likely each of its tokens was, and with so many of the likeliest in its place; None: without. `echo`: so do the
    tokens of the prompt. `route`: nothing is answered; the run's router says which task the text belongs to, in
    `ranking` of the `done` event, with how foreign it is in `values`.
    """

    run_dir: str
    task: str
    messages: tuple[dict[str, Any], ...]
    tuned: bool = True
    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int | None = None
    seed: int = 0
    precision: str = FULL
    refine: int = 0
    examples: tuple[tuple[str, str], ...] = ()
    blend: tuple[tuple[str, float], ...] = ()
    raw: str | tuple[int, ...] | None = None
    stop: tuple[str, ...] = ()
    num_likely: int | None = None
    echo: bool = False
    answers: str = LABELS
    route: bool = False

    def __post_init__(self) -> None:
        for kind, name, choices in (("precision", self.precision, PRECISIONS), ("answers", self.answers, ANSWERS)):
            if name not in choices:
                raise SettingError("registry.unknown", kind=kind, name=name, known=", ".join(choices))
        for name, (low, high) in LIMITS.items():
            low = 0 if name == "max_new_tokens" and self.echo else low  # only how likely the prompt is
            require_between(name, getattr(self, name), low, high)
        for name, share in self.blend:
            if not 0 < share <= 1:
                raise SettingError("serving.bad_value", name=f"blend {name}", value=share, low=0, high=1)
        require_between("stop", len(self.stop), 0, MAX_STOPS)
        found = self.require_input() if self.raw is None else self.raw
        length = sum(map(len, found.values())) if isinstance(found, dict) else len(found)
        if length > MAX_CHARS:
            raise RunError("serving.long_message", length=length, bound=MAX_CHARS)

    def require_input(self) -> str | dict[str, str]:
        """The last user message: text, or texts by column.

        Raises:
            RunError: there is none, or it is empty.
        """
        contents = [m.get("content") for m in self.messages if m.get("role") == "user"]
        content = contents[-1] if contents else ""
        if isinstance(content, list):  # the block form of chat interfaces
            content = "".join(str(block.get("text", "")) for block in content)
        if isinstance(content, dict) and any(str(text).strip() for text in content.values()):
            return {str(name): str(text) for name, text in content.items()}
        if isinstance(content, str) and content.strip():
            return content
        raise RunError("serving.empty_message")

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "messages": list(self.messages)}


def ask(run_dir: object, task: str, text: str | dict[str, str], **settings: Any) -> ChatRequest:
    """A request with a single user message."""
    return ChatRequest(str(run_dir), task, ({"role": "user", "content": text},), **settings)


def request_from_dict(values: dict[str, Any]) -> ChatRequest:
    """Reads what `as_dict` wrote.

    Raises:
        RunError: it is no request; SettingError: a value out of bounds.
    """
    from core.base.records import from_record  # here: the command line reads only the names above

    try:
        return from_record(ChatRequest, values, "request")
    except WorkspaceError as error:
        raise RunError("serving.bad_request", detail=error.values["detail"]) from error


@dataclass(frozen=True)
class SkillWeight:
    """Mixing weight of one skill for the task, averaged over the layers."""

    name: str
    kind: str
    weight: float


@dataclass(frozen=True)
class TokenScore:
    """One token as text, the natural logarithm of its probability (None: nothing stands before it), and the
    likeliest tokens in its place with theirs."""

    text: str
    logprob: float | None
    likely: tuple[tuple[str, float], ...] = ()
    is_prompt: bool = False


@dataclass(frozen=True)
class ChatEvent:
    """One thing that happened to a request.

    kind "phase": `text` is starting, replaced (the worker died or hung before it said anything: a new one is
    asked), loading, reading or answering. "version": a refinement ended one round; `text` is its answer, `values`
    tell the round, whether it is valid, and the examples it was shown. "delta": `text` is new text of the answer.
    "done": `text` is the whole answer; `tokens`, `seconds`, `first_s` (until the first token), `prompt_tokens`,
    `num_cut` (prompt tokens left out because the text was too long), `stopped` (on demand), `limited` (the answer
    hit max_new_tokens) and `weights` describe it, for a refined one `values` say how it ended; `certainty`, 0..1,
    is how sure an answer chosen among labels is, as check rows have shown, and `ranking` the likeliest labels with
    their probabilities (None and () where nothing of the kind was measured). "error": `key` with `values` is a
    worded message; the stream ends. `scores`: where they were asked for.
    """

    kind: str
    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    first_s: float | None = None
    prompt_tokens: int = 0
    num_cut: int = 0
    seed: int = 0
    stopped: bool = False
    limited: bool = False
    weights: tuple[SkillWeight, ...] = ()
    certainty: float | None = None
    ranking: tuple[tuple[str, float], ...] = ()
    key: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    scores: tuple[TokenScore, ...] = ()

    @property
    def is_last(self) -> bool:
        return self.kind in (DONE, ERROR)

    @property
    def message(self) -> str:
        """English wording of an error: what happened and what to do."""
        return " ".join(part for part in english(self.key, self.values) if part) if self.key else ""

    def as_dict(self) -> dict[str, Any]:
        """Only what differs from the defaults, so that a text delta stays a short line."""
        default = ChatEvent(self.kind)
        return {"kind": self.kind} | {k: v for k, v in asdict(self).items() if v != getattr(default, k)}


def event_from_dict(values: dict[str, Any]) -> ChatEvent:
    from core.base.records import from_record

    return from_record(ChatEvent, values, "chat worker")
