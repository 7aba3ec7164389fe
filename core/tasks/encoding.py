"""Text to token ids: chat format, answer tokens, cutting. Needs a tokenizer, but no torch.

Training, exam and chat build and shorten the prompt with the same function, so they cannot differ. An answer
is never cut: the prompt gives way (core/tasks/prompt.py); an example for which that is not enough is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2.exceptions import TemplateError

from core.base.errors import ModelError
from core.tasks.chat_template import write_turns
from core.tasks.dataset import SYSTEM_END, Example
from core.tasks.prompt import Prompt, level_down

IGNORED = -100  # the label that the loss skips
MIN_PROMPT_TOKENS = 16
UNLIMITED = 1 << 30
_MAX_TRIES = 8

Message = dict[str, str]


@dataclass(frozen=True)
class Encoded:
    """Token ids of one example. Decoder: prompt + answer with aligned labels. Encoder-decoder: prompt; answer.

    To fit the limit, `num_cut` tokens of the prompt were left out, from the columns in `cut_columns`.
    """

    input_ids: list[int]
    labels: list[int] = field(default_factory=list)
    num_cut: int = 0
    cut_columns: tuple[str, ...] = ()
    task_id: int = 0
    weight: float = 1.0

    @property
    def length(self) -> int:
        return max(len(self.input_ids), len(self.labels))


def encode_prompt(
    tokenizer: Any,
    prompt: str | Sequence[Message],
    architecture: str,
    max_tokens: int,
    system: str = "",
    reserve: int = 0,
) -> Encoded:
    """The tokens that stand before the answer.

    Args:
        prompt: one user turn, or a list of {"role", "content"} messages that ends with the user's.
        max_tokens: limit of the whole sequence; `reserve` of it is kept free for the answer.
    """
    limit = max_tokens if architecture == "encoder_decoder" else max_tokens - reserve
    limit = max(limit, min(MIN_PROMPT_TOKENS, max_tokens))
    messages = as_messages(prompt, system)
    return _shorten(tokenizer, messages, architecture, limit, _prompt_ids(tokenizer, messages, architecture))


def encode_example(
    tokenizer: Any, example: Example, architecture: str, max_tokens: int, system: str = "", task_id: int = 0
) -> Encoded | None:
    """Prompt and answer as the model trains on them; None where the answer and what must stay of the prompt do not
    fit. Labels are IGNORED everywhere but on the answer and its end.

    Raises:
        ModelError: the tokenizer has no end-of-text token.
    """
    answer = answer_ids(tokenizer, example.target)
    own = architecture == "encoder_decoder"
    room = max_tokens if own else max_tokens - len(answer)
    messages = as_messages(example.prompt, system)
    ids = _prompt_ids(tokenizer, messages, architecture)
    fits = len(answer) <= max_tokens
    if not fits or (len(ids) > room and _least_tokens(tokenizer, messages, architecture, len(ids)) > room):
        return None
    front = _shorten(tokenizer, messages, architecture, room, ids)
    labels = answer if own else [IGNORED] * len(front.input_ids) + answer
    ids = front.input_ids if own else front.input_ids + answer
    return Encoded(ids, labels, front.num_cut, front.cut_columns, task_id, example.weight)


def _least_tokens(tokenizer: Any, messages: list[Message], architecture: str, size: int) -> int:
    """What a prompt of `size` tokens needs at least: instruction, the template's words and MIN_PROMPT_TOKENS of its
    columns. One whose columns are not known may lose all but MIN_PROMPT_TOKENS."""
    last = messages[-1]["content"]
    if not isinstance(last, Prompt) or not last.values:
        return min(size, MIN_PROMPT_TOKENS)
    frame = last.shortened([0] * len(last.values))
    bare = _prompt_ids(tokenizer, [*messages[:-1], {**messages[-1], "content": frame}], architecture)
    return min(size, len(bare) + MIN_PROMPT_TOKENS)


def _shorten(tokenizer: Any, messages: list[Message], architecture: str, limit: int, ids: list[int]) -> Encoded:
    """The prompt within `limit` tokens: its longest columns give way; only where that is not enough, the middle of
    all of it."""
    last = messages[-1]["content"]
    if len(ids) <= limit or not isinstance(last, Prompt) or not last.values:
        kept, num_cut = cut_middle(ids, limit)
        return Encoded(kept, num_cut=num_cut)
    texts = [str(last)[begin:end] for _, begin, end in last.values]
    sizes = [len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    surplus, size = len(ids) - limit, len(ids)
    for _ in range(_MAX_TRIES):
        levels = level_down(sizes, sum(sizes) - surplus)
        kept_chars = [len(t) * level // max(1, n) for t, level, n in zip(texts, levels, sizes, strict=True)]
        shorter = {**messages[-1], "content": last.shortened(kept_chars)}
        ids = _prompt_ids(tokenizer, [*messages[:-1], shorter], architecture)
        if len(ids) <= limit:
            cut = tuple(v[0] for v, t, keep in zip(last.values, texts, kept_chars, strict=True) if keep < len(t))
            return Encoded(ids, num_cut=size - len(ids), cut_columns=cut)
        if not sum(levels):
            break
        surplus += len(ids) - limit + 1
    kept, _ = cut_middle(ids, limit)
    return Encoded(kept, num_cut=size - len(kept), cut_columns=tuple(name for name, *_ in last.values))


def as_messages(prompt: str | Sequence[Message], system: str = "") -> list[Message]:
    if isinstance(prompt, str):
        place = prompt.find(SYSTEM_END)
        if place >= 0:
            system = str(prompt)[:place]
            start = place + len(SYSTEM_END)
            prompt = prompt.behind(start) if isinstance(prompt, Prompt) else prompt[start:]
        messages = [{"role": "user", "content": prompt}]
    else:
        messages = [dict(m) for m in prompt]
    return [{"role": "system", "content": system}, *messages] if system else messages


def encode_task(
    tokenizer: Any, examples: Sequence[Example], architecture: str, max_tokens: int, task_id: int, system: str = ""
) -> list[Encoded | None]:
    """As `encode_example`, one entry an example."""
    return [encode_example(tokenizer, e, architecture, max_tokens, system, task_id) for e in examples]


def answer_ids(tokenizer: Any, answer: str) -> list[int]:
    """The answer's tokens and the end-of-text token that ends it."""
    if tokenizer.eos_token_id is None:
        raise ModelError("task.no_end_token")
    ids = list(tokenizer(_defused(tokenizer, answer), add_special_tokens=False)["input_ids"])
    return [*ids, int(tokenizer.eos_token_id)]


def cut_middle(ids: list[int], limit: int) -> tuple[list[int], int]:
    """Keeps both ends: the instruction stands at the front, the question and the turn marks at the back."""
    if len(ids) <= limit:
        return ids, 0
    front = limit // 2
    return ids[:front] + ids[len(ids) - (limit - front) :], len(ids) - limit


def _prompt_ids(tokenizer: Any, messages: list[Message], architecture: str) -> list[int]:
    messages = [{"role": m["role"], "content": _defused(tokenizer, m["content"])} for m in messages]
    if architecture == "encoder_decoder":
        return list(tokenizer("\n\n".join(m["content"] for m in messages))["input_ids"])
    if getattr(tokenizer, "chat_template", None):
        return list(tokenizer(_chat_text(tokenizer, messages), add_special_tokens=False)["input_ids"])
    text = "\n\n".join(m["content"] for m in messages) + "\n\n"
    ids = list(tokenizer(text)["input_ids"])
    # Some tokenizers close every text; the answer must follow the prompt instead.
    return ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id != tokenizer.bos_token_id else ids


def _chat_text(tokenizer: Any, messages: list[Message]) -> str:
    # enable_thinking=False: models that think aloud would otherwise open a block the training answers never close.
    options = {"add_generation_prompt": True, "enable_thinking": False}
    try:
        return write_turns(tokenizer, messages, options)
    except TemplateError as error:
        # Templates that know no system role: its text goes in front of the first user turn.
        if messages[0]["role"] != "system" or len(messages) < 2:
            raise ModelError("model.template_fails", detail=str(error)) from error
        first = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
        return _chat_text(tokenizer, [first, *messages[2:]])


def _defused(tokenizer: Any, text: str) -> str:
    """Turn marks typed by a user are text: a blank inside keeps the tokenizer from taking them for marks."""
    for mark in tokenizer.all_special_tokens:
        if len(mark) > 2 and mark in text:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
    return text


@dataclass(frozen=True)
class SeenExample:
    """An example as the model sees it: the text it reads, the part it learns, and tokens against the limit. One
    that `is_left_out` stands there whole: the model never sees it."""

    read: str
    learned: str
    num_read: int
    num_learned: int
    num_cut: int
    cut_columns: tuple[str, ...]
    is_left_out: bool
    limit: int


def seen_example(tokenizer: Any, example: Example, architecture: str, max_tokens: int) -> SeenExample:
    """The tokens of `encode_example` as text again, turn marks included."""
    encoded = encode_example(tokenizer, example, architecture, max_tokens)
    if encoded is None:
        read = encode_prompt(tokenizer, example.prompt, architecture, UNLIMITED).input_ids
        learned, num_cut = answer_ids(tokenizer, example.target), 0
    else:
        learned = [t for t in encoded.labels if t != IGNORED]
        whole = encoded.input_ids
        read = whole if architecture == "encoder_decoder" else whole[: len(whole) - len(learned)]
        num_cut = encoded.num_cut
    columns = encoded.cut_columns if encoded else ()
    texts = tokenizer.decode(read), tokenizer.decode(learned)
    return SeenExample(*texts, len(read), len(learned), num_cut, columns, encoded is None, max_tokens)
