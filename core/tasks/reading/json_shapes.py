"""Where the rows are in one JSON object: named splits, arrays of objects, columns of lists, objects by their id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from core.tasks.reading.column_words import COLUMN_WORDS, name_words
from core.tasks.reading.split_words import split_of_name

Path = tuple[str, ...]
_DEPTH = 3
_MOST_KEYS = 50  # of an object that is looked into
_HEADERS = ("columns", "header", "headers", "fields", "column_names")


@dataclass(frozen=True)
class Shape:
    """The rows found in an object.

    `arrays`: where arrays of rows stand, with the split or name of each ("" where there is only one); `rows`: rows
    that had to be built instead; `left`: keys with lists that are not used, and how long they are; `form` is a
    message key that says how rows were built.
    """

    arrays: tuple[tuple[str, Path], ...] = ()
    rows: tuple[dict[str, Any], ...] = ()
    left: dict[str, int] = field(default_factory=dict)
    form: str = ""
    is_split: bool = False


def find_shape(value: dict[str, Any]) -> Shape | None:
    """The rows of an object; None when it holds none."""
    # The most telling form first: nearly every object could also be read as columns or as rows by their id.
    return _splits(value) or _header_and_rows(value) or _arrays(value) or _columns(value) or _by_id(value)


def at_path(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _splits(value: dict[str, Any], path: Path = ()) -> Shape | None:
    """{"train": [...], "test": [...]}, here or one object further in."""
    found = [(split, key) for key, inner in value.items() if (split := split_of_name(key)) and _are_rows(inner)]
    if len({split for split, _ in found}) > 1 and any(split == "train" for split, _ in found):
        used = {key for _, key in found}
        left = {k: len(v) for k, v in value.items() if k not in used and isinstance(v, list) and v}
        return Shape(tuple((split, (*path, key)) for split, key in found), left=left, is_split=True)
    # An object with very many keys is taken for a table by ids, whose rows hold no splits.
    if len(path) < 2 and len(value) <= _MOST_KEYS:
        for key, inner in value.items():
            shape = _splits(inner, (*path, key)) if isinstance(inner, dict) else None
            if shape is not None:
                return shape
    return None


def _are_rows(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and (_columns(value) or _by_id(value)) is not None
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict | list)


def _header_and_rows(value: dict[str, Any]) -> Shape | None:
    """{"columns": ["text", "label"], "data": [["...", "..."], ...]}, as pandas writes a table in parts."""
    header = next((value[key] for key in _HEADERS if isinstance(value.get(key), list)), None)
    if not header or not all(isinstance(name, str) for name in header):
        return None
    lists = {key: rows for key, rows in value.items() if isinstance(rows, list) and rows and rows is not header}
    # `index` of pandas is as long as `data` and holds no rows, so the width decides, not the key.
    key = next((k for k, rows in lists.items() if all(_has_width(row, len(header)) for row in rows)), None)
    if key is None:
        return None
    left = {k: len(rows) for k, rows in lists.items() if k not in (key, "index")}
    return Shape(rows=tuple(dict(zip(header, row, strict=True)) for row in lists[key]), left=left)


def _has_width(row: Any, width: int) -> bool:
    return isinstance(row, list) and len(row) == width


def _arrays(value: dict[str, Any]) -> Shape | None:
    """The longest array of objects; others with the same columns are read with it, the rest is left and named."""
    found = sorted(_find_arrays(value, (), _DEPTH), key=lambda item: -len(item[1]))
    if not found:
        return None
    path, longest = found[0]
    columns = _keys(longest)
    same = [(p, rows) for p, rows in found if p[:-1] == path[:-1] and _keys(rows) == columns]
    left = {".".join(p): len(rows) for p, rows in found if p not in {q for q, _ in same}}
    # Lists of plain values are no rows, but leaving them unsaid would drop them in silence.
    left |= {k: len(v) for k, v in value.items() if isinstance(v, list) and v and not isinstance(v[0], dict | list)}
    if len(same) == 1:
        return Shape((("", path),), left=left)
    # `found` goes by length; parts are read in the order of the file.
    order = {p: i for i, (p, _) in enumerate(_find_arrays(value, (), _DEPTH))}
    parts = sorted((p for p, _ in same), key=lambda p: order[p])
    return Shape(tuple((p[-1], p) for p in parts), left=left)


def _find_arrays(value: dict[str, Any], path: Path, depth: int) -> Iterator[tuple[Path, list[Any]]]:
    for key, inner in value.items():
        if isinstance(inner, list) and inner and isinstance(inner[0], dict | list):
            yield (*path, key), inner
        elif isinstance(inner, dict) and depth > 1 and len(value) <= _MOST_KEYS:
            yield from _find_arrays(inner, (*path, key), depth - 1)


def _keys(rows: list[Any]) -> frozenset[str] | int:
    """What the first rows are called: their keys, or how many cells they have."""
    first = rows[0]
    if isinstance(first, dict):
        return frozenset(key for row in rows[:20] if isinstance(row, dict) for key in row)
    return len(first)


def _columns(value: dict[str, Any]) -> Shape | None:
    """{"text": ["a", "b"], "label": ["x", "y"]}, {"text": {"0": "a", "1": "b"}, ...}, or texts by their label."""
    if len(value) < 2:
        return None
    if all(isinstance(v, dict) and v for v in value.values()):
        ids = list(next(iter(value.values())))
        # With numbers on both sides it is a matrix, and nobody can say which way it lies.
        numbered = all(str(i).isdigit() for i in ids) and not all(str(key).isdigit() for key in value)
        if numbered and all(list(v) == ids for v in value.values()):
            return Shape(rows=tuple({key: v[i] for key, v in value.items()} for i in ids))
        return None
    lists = {key: v for key, v in value.items() if isinstance(v, list)}
    texts = {key: v for key, v in lists.items() if v and all(isinstance(item, str) for item in v)}
    lengths = {len(v) for v in lists.values()}
    known = all(set(name_words(key)) & COLUMN_WORDS for key in lists)
    # Columns are of one length; lists of several lengths are what belongs to each label.
    if len(texts) == len(value) and len(lengths) > 1 and not known:
        rows = tuple({"text": text, "label": key} for key, items in texts.items() for text in items)
        return Shape(rows=rows, form="file.texts_by_label")
    if lists and len(lengths) == 1 and lengths != {0}:
        rows = tuple(dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True))
        return Shape(rows=rows, form="" if known else "file.lists_as_columns")
    return None


def _by_id(value: dict[str, Any]) -> Shape | None:
    if value and all(isinstance(v, dict) for v in value.values()):
        return Shape(rows=tuple({"key": key, **v} for key, v in value.items()))
    return None
