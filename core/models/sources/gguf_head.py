"""The head of a GGUF file: settings and the list of its tensors, in one walk that touches no number. Torch-free.

The readers of `gguf` and of transformers make an object of every word of a vocabulary, several times over; with the
262,144 words of Gemma that took longer than everything else. Here arrays are stepped over and counted, and a file
can be written again without them. Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import shutil
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_MOST_LISTED = 64  # entries of an array that are kept as values; of a longer one the number is
_MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class Setting:
    """A value, or of a long array the number of its entries; with the bytes [start, end) that it takes, name and
    all."""

    value: Any
    start: int
    end: int


@dataclass(frozen=True)
class Tensor:
    """shape with the longest stride first, as torch has it; `kind` is ggml's number of the number type."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class GgufHead:
    """All but the numbers. `table`: the bytes of the list of tensors; `data_start`: where the numbers begin."""

    path: Path
    version: int
    settings: dict[str, Setting]
    tensors: tuple[Tensor, ...]
    table: tuple[int, int]
    data_start: int

    def text(self, key: str) -> str:
        """A setting as text; "" where it is not told."""
        found = self.settings.get(key)
        value = "" if found is None else found.value
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    @property
    def kind(self) -> str:
        """The family, as llama.cpp names it."""
        return self.text("general.architecture")

    @property
    def alignment(self) -> int:
        """In bytes.

        Raises:
            ValueError: it is no number of them.
        """
        told = self.settings["general.alignment"].value if "general.alignment" in self.settings else 32
        if not isinstance(told, int) or told < 1:
            raise ValueError("its alignment is no number")
        return told


def read_head(path: Path) -> GgufHead:
    """The head of a file that begins as GGUF files do.

    Raises:
        ValueError: it is cut off inside the head, damaged, or of a version that is not read; OSError.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _walk(path, data)
        except struct.error as error:
            raise ValueError("it ends within its list of settings and tensors") from error


def _walk(path: Path, data: mmap.mmap) -> GgufHead:
    magic, version, num_tensors, num_settings = struct.unpack_from("<4sIQQ", data)
    if magic != MAGIC or version not in _VERSIONS:
        raise ValueError(f"it is of version {version}, and 2 and 3 are read")
    place, settings, tensors = 24, dict[str, Setting](), list[Tensor]()
    for _ in range(num_settings):
        name, after = _read_text(data, place)
        (kind,) = struct.unpack_from("<I", data, after)
        value, end = _read_value(data, after + 4, kind)
        settings[name] = Setting(value, place, end)
        place = end
    begins = place
    for _ in range(num_tensors):
        tensor, place = _read_tensor(data, place)
        tensors.append(tensor)
    head = GgufHead(path, version, settings, tuple(tensors), (begins, place), place)
    if not 0 < head.alignment <= 1 << 20:
        raise ValueError(f"its alignment is {head.alignment}")
    return GgufHead(path, version, settings, tuple(tensors), (begins, place), place + -place % head.alignment)


def _read_tensor(data: mmap.mmap, place: int) -> tuple[Tensor, int]:
    name, place = _read_text(data, place)
    (dimensions,) = struct.unpack_from("<I", data, place)
    if dimensions > _MOST_DIMENSIONS:
        raise ValueError(f"the tensor {name[:60]} has {dimensions} dimensions")
    *shape, kind, offset = struct.unpack_from(f"<{dimensions}QIQ", data, place + 4)
    return Tensor(name, tuple(reversed(shape)), kind, offset), place + 16 + 8 * dimensions


def _read_value(data: mmap.mmap, place: int, kind: int) -> tuple[Any, int]:
    if kind in _NUMBERS:
        form = f"<{_NUMBERS[kind]}"
        return struct.unpack_from(form, data, place)[0], place + struct.calcsize(form)
    if kind == _TEXT:
        return _read_text(data, place)
    if kind != _ARRAY:
        raise ValueError(f"a setting is of the unknown type {kind}")
    inner, count = struct.unpack_from("<IQ", data, place)
    return _read_array(data, place + 12, inner, count)


def _read_array(data: mmap.mmap, place: int, kind: int, count: int) -> tuple[Any, int]:
    if kind in _NUMBERS:
        end = place + count * struct.calcsize(f"<{_NUMBERS[kind]}")
        _require_inside(data, end)
        if count > _MOST_LISTED:
            return count, end
        return list(struct.unpack_from(f"<{count}{_NUMBERS[kind]}", data, place)), end
    if kind != _TEXT:
        raise ValueError(f"a list of settings is of the unknown type {kind}")
    texts = []
    for _ in range(count):
        (length,) = struct.unpack_from("<Q", data, place)
        if count <= _MOST_LISTED:
            texts.append(_read_text(data, place)[0])
        place += 8 + length
        _require_inside(data, place)
    return (texts if count <= _MOST_LISTED else count), place


def _read_text(data: mmap.mmap, place: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, place)
    _require_inside(data, place + 8 + length)
    return data[place + 8 : place + 8 + length].decode("utf-8", "replace"), place + 8 + length


def _require_inside(data: mmap.mmap, end: int) -> None:
    if end > len(data):
        raise struct.error


def write_without(head: GgufHead, target: Path, left_out: Iterable[str], with_tensors: bool = True) -> None:
    """The file again in `target`, without some of its settings, or without its tensors.

    Raises:
        OSError: it cannot be written.
    """
    left = set(left_out)
    kept = [setting for name, setting in head.settings.items() if name not in left]
    with open(head.path, "rb") as source, open(target, "wb") as file:
        count = len(head.tensors) if with_tensors else 0
        file.write(struct.pack("<4sIQQ", MAGIC, head.version, count, len(kept)))
        for setting in kept:
            _copy(source, file, setting.start, setting.end)
        if with_tensors:
            _copy(source, file, *head.table)
            file.write(b"\0" * (-file.tell() % head.alignment))
            source.seek(head.data_start)
            shutil.copyfileobj(source, file, 1 << 22)


def _copy(source: BinaryIO, target: BinaryIO, start: int, end: int) -> None:
    source.seek(start)
    target.write(source.read(end - start))
