"""Text to token ids: chat format, answer tokens, cutting. Needs a tokenizer, but no torch.

Training and generation build the prompt with the same function, so they cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2.exceptions import TemplateError

from core.base.errors import ModelError
from core.tasks.dataset import SYSTEM_END, Example

IGNORED = -100  # the label that the loss skips
MIN_PROMPT_TOKENS = 16
ARCHITECTURES = ("decoder", "encoder_decoder")

Message = dict[str, str]


@dataclass(frozen=True)
class Encoded:
    """Token ids of one example. Decoder: prompt + answer with aligned labels. Encoder-decoder: prompt; answer.

    To fit the limit, `num_cut` prompt tokens left the middle, `num_answer_cut` answer tokens the end.
    """

    input_ids: list[int]
    labels: list[int] = field(default_factory=list)
    num_cut: int = 0
    num_answer_cut: int = 0
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
    ids = _prompt_ids(tokenizer, as_messages(prompt, system), architecture)
    limit = max_tokens if architecture == "encoder_decoder" else max_tokens - reserve
    kept, num_cut = cut_middle(ids, max(limit, min(MIN_PROMPT_TOKENS, max_tokens)))
    return Encoded(kept, num_cut=num_cut)


def encode_example(
    tokenizer: Any, example: Example, architecture: str, max_tokens: int, system: str = "", task_id: int = 0
) -> Encoded:
    """Prompt and answer as the model trains on them. Labels are IGNORED everywhere but on the answer and its end.

    Raises:
        ModelError: the tokenizer has no end-of-text token.
    """
    answer = answer_ids(tokenizer, example.target)
    if architecture == "encoder_decoder":
        prompt = encode_prompt(tokenizer, example.prompt, architecture, max_tokens, system)
        kept = answer[:max_tokens]
        return Encoded(prompt.input_ids, kept, prompt.num_cut, len(answer) - len(kept), task_id, example.weight)
    ids = _prompt_ids(tokenizer, as_messages(example.prompt, system), architecture)
    kept = answer[: max_tokens - min(len(ids), MIN_PROMPT_TOKENS, max_tokens // 2)]
    front, num_cut = cut_middle(ids, max_tokens - len(kept))
    labels = [IGNORED] * len(front) + kept
    return Encoded(front + kept, labels, num_cut, len(answer) - len(kept), task_id, example.weight)


def as_messages(prompt: str | Sequence[Message], system: str = "") -> list[Message]:
    if isinstance(prompt, str):
        own, mark, rest = prompt.partition(SYSTEM_END)
        system, prompt = (own, rest) if mark else (system, prompt)
        messages = [{"role": "user", "content": prompt}]
    else:
        messages = [dict(m) for m in prompt]
    return [{"role": "system", "content": system}, *messages] if system else messages


def encode_task(
    tokenizer: Any, examples: Sequence[Example], architecture: str, max_tokens: int, task_id: int, system: str = ""
) -> list[Encoded]:
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
    options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return str(tokenizer.apply_chat_template(messages, **options))
    except TemplateError:
        # Templates that know no system role: its text goes in front of the first user turn.
        if messages[0]["role"] != "system" or len(messages) < 2:
            raise
        first = {"role": "user", "content": f"{messages[0]['content']}\n\n{messages[1]['content']}"}
        return str(tokenizer.apply_chat_template([first, *messages[2:]], **options))


def _defused(tokenizer: Any, text: str) -> str:
    """Turn marks typed by a user are text: a blank inside keeps the tokenizer from taking them for marks."""
    for mark in tokenizer.all_special_tokens:
        if len(mark) > 2 and mark in text:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
    return text


@dataclass(frozen=True)
class SeenExample:
    """An example as the model sees it: the text it reads, the part it learns, and tokens against the limit."""

    read: str
    learned: str
    num_read: int
    num_learned: int
    num_cut: int
    num_answer_cut: int
    limit: int


def seen_example(tokenizer: Any, example: Example, architecture: str, max_tokens: int) -> SeenExample:
    """The tokens of `encode_example` as text again, turn marks included."""
    encoded = encode_example(tokenizer, example, architecture, max_tokens)
    learned = [t for t in encoded.labels if t != IGNORED]
    whole = encoded.input_ids
    read = whole if architecture == "encoder_decoder" else whole[: len(whole) - len(learned)]
    return SeenExample(
        tokenizer.decode(read),
        tokenizer.decode(learned),
        len(read),
        len(learned),
        encoded.num_cut,
        encoded.num_answer_cut,
        max_tokens,
    )
