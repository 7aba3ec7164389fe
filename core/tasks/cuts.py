"""How many practice rows are too long for a base model: one count for Tasks, health, Ready and the histogram.

A row is counted as training would treat it (core/tasks/encoding.py): its prompt gives way, or it is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.tasks.dataset import Example
from core.tasks.encoding import encode_example
from core.tasks.token_estimate import EstimatedTokens
from core.tasks.token_file import TokenFile

LOOKED_AT = 4_000  # practice rows of a task; of more, as many are looked at in even steps
_MARKS_BYTES = 96  # what turn marks take at most


@dataclass(frozen=True)
class LengthLimit:
    """What a base model reads at most. `token_file`: the folder with its tokenizer.json; without it tokens are
    estimated. `max_tokens` is what the run may use of the model's own limit."""

    max_tokens: int
    model: str = ""
    architecture: str = "decoder"
    token_file: str | None = None

    def tokenizer(self) -> Any:
        """Raises:
        ModelError: the file is missing or damaged.
        """
        if self.token_file is None:
            return EstimatedTokens()
        file = Path(self.token_file) / "tokenizer.json"
        return _token_file(self.token_file, file.stat().st_mtime_ns if file.is_file() else 0)


@dataclass(frozen=True)
class Cuts:
    """Of `rows` practice rows `cut` lose part of the prompt, mostly of `column`; `left_out` are not trained on.

    `lines` and `left_out_lines` are theirs in the file, as far as they were looked at; `is_estimated` without the
    model's own tokenizer, or when only a part of the rows was looked at.
    """

    rows: int
    cut: int
    left_out: int
    column: str
    lines: tuple[int, ...]
    left_out_lines: tuple[int, ...]
    is_estimated: bool


def looked_at(count: int) -> range:
    """Places of the rows that are looked at, of so many."""
    return range(0, count, max(1, -(-count // LOOKED_AT)))


def percent(part: int, whole: int) -> str:
    """'94 %', '0.3 %'."""
    value = 100 * part / max(1, whole)
    return f"{value:.0f} %" if value >= 10 else f"{value:.1f} %"


def measure_cuts(examples: Sequence[Example], limit: LengthLimit, total: int | None = None) -> Cuts:
    """Counts the practice rows that do not fit.

    Args:
        total: how many rows there are, when `examples` are only those of them that are looked at.

    Raises:
        ModelError: the tokenizer's file is damaged, or it has no token that ends a text.
    """
    some = examples if total is not None else [examples[i] for i in looked_at(len(examples))]
    total = len(examples) if total is None else total
    room = limit.max_tokens - _MARKS_BYTES
    # A token holds at least one byte: only rows with more bytes than room are worth encoding.
    long = [e for e in some if len(e.prompt) + len(e.target) > room or _num_bytes(e) > room]
    tokenizer = limit.tokenizer() if long else None
    columns: Counter[str] = Counter()
    lines, left_out = [], []
    for example in long:
        encoded = encode_example(tokenizer, example, limit.architecture, limit.max_tokens)
        if encoded is None:
            left_out.append(example.line)
        elif encoded.num_cut:
            lines.append(example.line)
            columns.update(encoded.cut_columns)
    scale = total / max(1, len(some))
    column = columns.most_common(1)[0][0] if columns else ""
    counts = round(len(lines) * scale), round(len(left_out) * scale)
    is_estimated = limit.token_file is None or len(some) < total
    return Cuts(total, *counts, column, tuple(lines), tuple(left_out), is_estimated)


def _num_bytes(example: Example) -> int:
    return len(example.prompt.encode("utf-8", "replace")) + len(example.target.encode("utf-8", "replace"))


@lru_cache(maxsize=2)
def _token_file(folder: str, _: int) -> TokenFile:
    return TokenFile(Path(folder))
