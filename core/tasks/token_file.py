"""A base model's tokenizer from its files alone (tokenizer.json and its settings), without transformers.

The page's process counts tokens and shows turn marks with it; training uses transformers' own, and a test holds the
two equal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.tasks.template_world import compile_template

Message = dict[str, str]
_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_MORE = ("additional_special_tokens", "extra_special_tokens")


class TokenFile:
    """What `core.tasks.encoding` asks of a tokenizer: ids of a text, special tokens, chat template, text of ids.

    Raises:
        ModelError: the folder holds no readable tokenizer.json.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer  # here: 15 MB that most screens do without

        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ModelError("task.no_token_file", path=str(folder))
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library has no class of its own for a damaged file
            if type(error) is not Exception:
                raise
            raise ModelError("task.no_token_file", path=str(folder), detail=str(error)[:200]) from error
        settings = _read(folder, "tokenizer_config.json")
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        special = _read(folder, "special_tokens_map.json") | settings
        self.named = {name: _content(special[name]) for name in _NAMED if special.get(name)}
        self.chat_template = _template(folder, settings)
        more = [_content(t) for name in _MORE for t in _listed(special.get(name))]
        self.all_special_tokens = list(dict.fromkeys([*self.named.values(), *more]))
        self._end = None if "eos_token" in self.named else _end_of(folder)

    @property
    def eos_token_id(self) -> int | None:
        """The token that ends an answer: the tokenizer's, else the one that the model's settings name."""
        return self.token_id("eos_token") if self._end is None else self._end

    @property
    def bos_token_id(self) -> int | None:
        return self.token_id("bos_token")

    def token_id(self, name: str) -> int | None:
        """The id of a named token such as `pad_token`; None where the tokenizer has none."""
        token = self.named.get(name)
        found: int | None = self._tokenizer.token_to_id(token) if token else None
        return found

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)}

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of every text, without special ones."""
        return [len(e.ids) for e in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def apply_chat_template(self, messages: Sequence[Message], **options: Any) -> str:
        """The messages as the model's template writes them, as transformers' own does; with no bound of time, hence
        for templates that are known to end (see `core.tasks.chat_template.write_turns`).

        Raises:
            TemplateError: the template refuses the messages.
        """
        values = {k: v for k, v in options.items() if k != "tokenize"}
        template = compile_template(str(self.chat_template))
        return str(template.render(messages=list(messages), tools=None, documents=None, **self.named, **values))


def _read(folder: Path, name: str) -> dict[str, Any]:
    """The settings in a file of the folder; none without the file."""
    if not (folder / name).is_file():
        return {}
    try:
        found = json.loads((folder / name).read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("no JSON object")
        return found
    except (OSError, ValueError, TypeError) as error:  # damaged, or no object
        raise ModelError("task.no_token_file", path=str(folder), detail=f"{name}: {error}"[:200]) from error


def _end_of(folder: Path) -> int | None:
    """Where a tokenizer names no end token, as `core.models.loading` finds it."""
    for name in ("config.json", "generation_config.json"):
        found = _read(folder, name).get("eos_token_id")
        end = found[0] if isinstance(found, list) and found else found
        if isinstance(end, int):
            return end
    return None


def _listed(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value or ())


def _content(token: Any) -> str:
    return str(token["content"]) if isinstance(token, dict) else str(token)


def _template(folder: Path, settings: dict[str, Any]) -> str | None:
    """chat_template.jinja, else the setting; of several named templates the one called default."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = settings.get("chat_template")
    if isinstance(found, list):
        return next((str(t["template"]) for t in found if t.get("name") == "default"), None)
    return str(found) if found else None
