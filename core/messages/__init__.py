"""English wording of every error and problem, one file per room: key -> (what happened, what to do)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.messages import base, chatting, insight, models, reading, runs, serving, sharing, tasks, training

Wording = tuple[str, str]
STAGE_WORDS = {
    "preparing": "loading",
    "stage1": "stage 1",
    "stage2": "stage 2",
    "exam": "the final exam",
    "saving": "saving",
}


def _merge() -> dict[str, Wording]:
    merged: dict[str, Wording] = {}
    for room in (base, tasks, reading, models, training, runs, serving, sharing, chatting, insight):
        for key, wording in room.MESSAGES.items():
            if key in merged:
                raise ValueError(f"message {key!r} is worded twice")
            merged[key] = wording
    return merged


MESSAGES = _merge()


class _Blank(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def fill(wording: Wording, values: Mapping[str, Any]) -> Wording:
    """Puts the values into a wording; a missing value stays visible as {name} instead of raising in an error path."""
    blank = _Blank(values)
    return wording[0].format_map(blank), wording[1].format_map(blank)


def english(key: str, values: Mapping[str, Any]) -> Wording:
    stage = values.get("stage")
    return fill(MESSAGES[key], {**values, "stage": STAGE_WORDS[stage]} if stage in STAGE_WORDS else values)
