"""What is known of a base model beside its weights: one small JSON file in the model's folder, and what the files
themselves say. Torch-free.

    taskloom_model.json   {name, title, source, origin, hub_id, licence, terms, languages, weights_sha256, ...}
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core.base.errors import ModelError, WorkspaceError
from core.base.files import read_json, write_json_atomic

RECORD_NAME = "taskloom_model.json"
Progress = Callable[[int, int, str], None]  # done, total (of bytes or parts), a word for what is done
_BLOCK = 1 << 22


@dataclass(frozen=True)
class ModelRecord:
    """Where a base model came from and under which terms it may be used.

    `source` is how it came here (`gguf`, `package` or `folder`), `origin` a file name, a package or a folder;
    `hub_id` the same weights, or the ones they were made from, on the Hub; `folder` is set where the files stay
    where the user has them.
    """

    name: str
    title: str
    source: str
    origin: str = ""
    hub_id: str = ""
    licence: str = ""
    terms: str = ""
    languages: str = ""
    parameters: int = 0
    weights_sha256: str = ""
    size_bytes: int = 0
    has_chat_template: bool = False
    quantised_from: str = ""  # the number type of a quantised file that the weights were read back from
    folder: str = ""

    def with_files(self, folder: Path) -> ModelRecord:
        """The record with what the files in `folder` tell: numbers, bytes, hash, chat template."""
        return dataclasses.replace(
            self,
            parameters=count_parameters(folder),
            weights_sha256=hash_weights(folder),
            size_bytes=sum(p.stat().st_size for p in folder.iterdir() if p.is_file()),
            has_chat_template=has_chat_template(folder),
        )


def read_record(folder: Path) -> ModelRecord | None:
    """The record of a model folder; None where it has none, or one that cannot be read."""
    try:
        found = read_json(folder / RECORD_NAME)
    except (OSError, WorkspaceError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        return None
    known = {f.name for f in fields(ModelRecord)}
    return ModelRecord(
        **{"title": found["name"], "source": "folder", **{k: v for k, v in found.items() if k in known}}
    )


def write_record(folder: Path, record: ModelRecord) -> None:
    write_json_atomic(folder / RECORD_NAME, asdict(record))


def weight_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def hash_weights(folder: Path) -> str:
    """SHA-256 over the bytes of all safetensors files in the order of their names; "" where there are none."""
    files = weight_files(folder)
    if not files:
        return ""
    digest = hashlib.sha256()
    for path in files:
        for block in read_blocks(path):
            digest.update(block)
    return digest.hexdigest()


def read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a few megabytes at a time."""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            yield block


def read_header(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file, {name: {"dtype", "shape", "data_offsets"}}, without reading their numbers.

    Raises:
        ModelError: the file is cut off or is no safetensors file.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= 100_000_000:
                raise ValueError("header of impossible length")
            found = json.loads(file.read(length))
        tensors = {name: value for name, value in found.items() if name != "__metadata__"}
        ends = [value["data_offsets"][1] for value in tensors.values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError("model.bad_weights", file=path.name, detail=str(error)) from error
    if 8 + length + max(ends, default=0) > path.stat().st_size:
        raise ModelError("model.cut_weights", file=path.name)
    return tensors


def read_headers(folder: Path) -> dict[str, Any]:
    """The tensors of all safetensors files of a folder.

    Raises:
        ModelError: a file is damaged or cut off.
    """
    tensors: dict[str, Any] = {}
    for path in weight_files(folder):
        tensors |= read_header(path)
    return tensors


def count_parameters(folder: Path) -> int:
    """Numbers in the weight files."""
    return sum(_size(value["shape"]) for value in read_headers(folder).values())


def _size(shape: list[int]) -> int:
    product = 1
    for length in shape:
        product *= int(length)
    return product


def has_chat_template(folder: Path) -> bool:
    """Whether the model's makers gave it a form for conversations."""
    if (folder / "chat_template.jinja").is_file():
        return True
    try:
        return bool(read_json(folder / "tokenizer_config.json").get("chat_template"))
    except (OSError, WorkspaceError, AttributeError):
        return False
