"""One column of an arrow table as plain values: short numbers, readable dates, names of classes, maps as text."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.tasks.cell_text import input_text
from core.tasks.reading.table import ProblemLog

_ZEROS = re.compile(r"(\.\d*?)0+(?=Z|[+-]\d|$)")
_ZONE = re.compile(r"([+-]\d\d)(\d\d)$")
_SECONDS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass
class ColumnReader:
    """A column's values, batch by batch. `names` are those of its classes, where the file knows them."""

    index: int
    name: str
    type: Any
    names: Sequence[str] = ()
    binary: int = 0
    named: int = 0
    _shorts: dict[float, float] = field(default_factory=dict)

    @property
    def is_timestamp(self) -> bool:
        import pyarrow.types

        return bool(pyarrow.types.is_timestamp(self.type)) and self.type.tz is None

    def read(self, array: Any) -> list[Any]:
        """The batch's values as text, number, truth value, list, object or None."""
        import pyarrow.types as types

        if types.is_timestamp(self.type):
            # By way of text: Python's datetime has no nanoseconds.
            return [None if v is None else _moment(v) for v in array.cast("string").to_pylist()]
        if types.is_duration(self.type):
            unit = _SECONDS[self.type.unit]
            return [None if v is None else _duration(v, unit) for v in array.cast("int64").to_pylist()]
        if types.is_map(self.type):
            return [None if v is None else input_text(dict(v)) for v in array.to_pylist()]
        values = array.to_pylist()
        if types.is_floating(self.type) and self.type.bit_width < 64:
            return [self._short(v, self.type.bit_width) for v in values]
        if self.names and _is_whole(self.type):
            return [self._class(v) for v in values]
        if _is_plain(self.type):
            return list(values)
        return [self._plain(v, self.type) for v in values]

    def tell(self, log: ProblemLog) -> None:
        """Says what was done to the column, once its values are read."""
        if self.binary:
            log.add("file.binary_cells", "warning", column=self.name, count=self.binary)
        if self.named:
            log.tell("file.class_names", column=self.name, count=self.named, names=", ".join(self.names[:5]))

    def _short(self, value: float | None, bits: int) -> float | None:
        """0.1 of a narrow float is 0.1, not 0.10000000149011612."""
        # Only NaN differs from itself: a missing value in a column of numbers.
        if value is None or value != value:
            return None
        found = self._shorts.get(value)
        if found is None:
            import numpy

            narrow = numpy.float32(value) if bits == 32 else numpy.float16(value)
            # numpy writes the shortest text that reads back as the same narrow number.
            found = float(str(narrow))
            if len(self._shorts) < 100_000:  # memory; measured values hardly come twice
                self._shorts[value] = found
        return found

    def _class(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._class(v) for v in value]
        if isinstance(value, int) and 0 <= value < len(self.names):
            self.named += 1
            return self.names[value]
        return value

    def _plain(self, value: Any, kind: Any) -> Any:
        import pyarrow.types as types

        if value is None:
            return None
        if self.names and isinstance(value, list):
            return self._class(value)
        if isinstance(value, list) and hasattr(kind, "value_type"):
            inner = kind.value_type
            if types.is_map(kind):
                return input_text(dict(value))
            return [self._plain(v, inner) for v in value]
        if isinstance(value, dict) and types.is_struct(kind):
            return {k: self._plain(v, kind.field(k).type) for k, v in value.items()}
        if isinstance(value, float):
            narrow = types.is_floating(kind) and kind.bit_width < 64
            return self._short(value, kind.bit_width) if narrow else None if value != value else value
        return self._leaf(value)

    def _leaf(self, value: Any) -> Any:
        if isinstance(value, bytes):
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                self.binary += 1
                return None
        if isinstance(value, datetime.datetime):
            return _moment(value.isoformat(" "))
        if isinstance(value, datetime.timedelta):
            return _duration(round(value.total_seconds()), 1)
        if isinstance(value, decimal.Decimal | datetime.date | datetime.time):
            return str(value)
        return value if isinstance(value, str | int | float | bool) else str(value)


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, tuple[str, ...]]:
    """The names of class numbers by column, as the `datasets` library writes them beside the columns."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    found = {}
    for column, feature in features.items() if isinstance(features, dict) else ():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else {}
        names = inner.get("names") if isinstance(inner, dict) else None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            found[column] = tuple(names)
    return found


def _is_whole(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_integer(kind))


def _is_plain(kind: Any) -> bool:
    """Types whose Python values are taken as they are."""
    import pyarrow.types as types

    return bool(
        types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind) or types.is_boolean(kind)
    )


def _moment(text: str) -> str:
    """2024-03-01 10:00:00.500000+0100 -> 2024-03-01 10:00:00.5+01:00"""
    return _ZONE.sub(r"\1:\2", _ZEROS.sub(lambda m: "" if m[1] == "." else m[1], text))


def _duration(count: int, per_second: int) -> str:
    """Hours, minutes and seconds: 26:30:00."""
    seconds, rest = divmod(abs(count), per_second)
    decimals = f"{rest / per_second:.9f}".rstrip("0")[1:] if rest else ""
    sign = "-" if count < 0 else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{decimals}"
