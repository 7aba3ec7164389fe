"""Switching one skill of a bank off, to see what becomes of the answers without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from core.adapters.parts.bank import SkillBank


@contextmanager
def switched_off(bank: SkillBank, column: int) -> Iterator[None]:
    """Inside, one skill's factors are zero; columns count the common skills and then each task's private ones."""
    rows, place = bank.common, column
    if column >= bank.num_common:
        owner, place = divmod(column - bank.num_common, bank.num_private)
        rows = bank.private[owner]
    kept = rows.detach()[place].clone()
    with torch.no_grad():
        rows[place] = 0.0
    try:
        yield
    finally:
        with torch.no_grad():
            rows[place] = kept
