"""Whether the tokenizer of a folder can be read here and belongs to its weights. Torch-free."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from core.base.errors import ModelError, WorkspaceError
from core.base.files import read_json

# Any of these sets of files is a tokenizer; a sentencepiece file alone needs a library that is not installed here.
_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",))
_PIECES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
_WRITTEN = ("pad_token", "bos_token", "eos_token")  # what a batch holds beside the words


def require_tokenizer(folder: Path) -> None:
    """Raises ModelError where a folder has no tokenizer, or one that only sentencepiece reads."""
    if any(all((folder / name).is_file() for name in names) for names in _FILES):
        return
    if not any((folder / name).is_file() for name in _PIECES):
        raise ModelError("model.no_tokenizer", model=folder.name)
    if importlib.util.find_spec("sentencepiece") is None:
        raise ModelError("model.only_pieces", model=folder.name)


def require_rows(folder: Path, rows: int) -> int:
    """Looks for tokens that the model has no row for, of `rows` (0: not known) -> one more than the highest token
    id that tokenizer.json names; 0 without that file. Tokens that were added behind the vocabulary do not count:
    models leave some of them out on purpose.

    Raises:
        ModelError: the vocabulary is longer, or a batch would hold such a token.
    """
    told = _json(folder / "tokenizer.json")
    ids = _vocabulary(told)
    tokens = 1 + max(ids.values(), default=-1)
    if not tokens or not rows:
        return tokens
    if tokens > rows:
        raise ModelError("model.more_tokens", model=folder.name, tokens=tokens, rows=rows)
    ids |= _added(told)
    for name in _WRITTEN:
        token = _named(folder, name)
        # One that the tokenizer lacks gets the next number behind it.
        place = ids.get(token, 1 + max(ids.values())) if token else 0
        if place >= rows:
            raise ModelError("model.token_outside", model=folder.name, token=token, number=place, rows=rows)
    return tokens


def _vocabulary(told: dict[str, Any]) -> dict[str, int]:
    model = told.get("model")
    found = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(found, dict):
        return {token: i for token, i in found.items() if isinstance(i, int)}
    pairs = found if isinstance(found, list) else []
    return {str(pair[0]): i for i, pair in enumerate(pairs) if isinstance(pair, list) and pair}


def _added(told: dict[str, Any]) -> dict[str, int]:
    found = told.get("added_tokens")
    tokens = [t for t in found if isinstance(t, dict)] if isinstance(found, list) else []
    return {str(t.get("content")): t["id"] for t in tokens if isinstance(t.get("id"), int)}


def _named(folder: Path, name: str) -> str:
    """The text of a named token; "" where the tokenizer has none."""
    for file in ("tokenizer_config.json", "special_tokens_map.json"):
        found = _json(folder / file).get(name)
        token = found.get("content") if isinstance(found, dict) else found
        if isinstance(token, str):
            return token
    return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (OSError, WorkspaceError):
        return {}
    return found if isinstance(found, dict) else {}
