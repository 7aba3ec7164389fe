"""What a base model sees of a task's rows: its own turn marks and tokens, without loading the model or torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.models.catalogue import find_model, pinned_revision
from core.tasks.cuts import LengthLimit
from core.tasks.dataset import Example
from core.tasks.encoding import SeenExample, seen_example
from core.tasks.token_file import TokenFile


@dataclass(frozen=True)
class SeenRows:
    """Examples as `model` sees them, in tokens against `limit`; `context` is its own limit (0: unknown)."""

    model: str
    examples: list[SeenExample]
    limit: int
    context: int


def token_folder(model: str) -> Path | None:
    """Where the tokenizer of a base model lies on this machine; None when it was never downloaded.

    Raises:
        ModelError: a folder that is no model.
    """
    local = find_model(model).local_path
    if local is not None:
        return local if (local / "tokenizer.json").is_file() else None
    from huggingface_hub import try_to_load_from_cache  # here: only models of the Hub need it
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(model, "tokenizer.json", revision=pinned_revision(model))
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def length_limit(model: str, max_tokens: int) -> LengthLimit:
    """What a run with this base model reads at most: `max_tokens`, or the model's own limit where that is less.

    Raises:
        ModelError: there is no such model.
    """
    info, folder = find_model(model), token_folder(model)
    most = min(max_tokens, info.context or max_tokens)
    return LengthLimit(most, info.title, info.architecture or "decoder", str(folder) if folder else None)


def see_examples(model: str, examples: Sequence[Example], max_tokens: int) -> SeenRows:
    """The examples as training would encode them for this model, at most `max_tokens` long.

    Raises:
        ModelError: the model's tokenizer is not on this machine.
    """
    folder = token_folder(model)
    if folder is None:
        raise ModelError("task.no_token_file", path=model)
    info = find_model(model)
    tokenizer: Any = _tokenizer(folder, (folder / "tokenizer.json").stat().st_mtime_ns)
    limit = min(max_tokens, info.context or max_tokens)
    seen = [seen_example(tokenizer, example, info.architecture or "decoder", limit) for example in examples]
    return SeenRows(info.title, seen, limit, info.context)


@lru_cache(maxsize=2)
def _tokenizer(folder: Path, _: int) -> TokenFile:
    return TokenFile(folder)
