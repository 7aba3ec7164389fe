"""The outcome of `look_model.py` as tables and sentences. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.messages import Sentence


@dataclass(frozen=True)
class Look:
    """Tables of one example: weights and sizes [layers x skills], by_token [tokens x skills] (None: not there)."""

    task: str
    level: str
    answer: str
    weights: pd.DataFrame
    sizes: pd.DataFrame | None
    by_token: pd.DataFrame | None


def look_from_dict(record: dict[str, Any]) -> Look:
    """Tokens are numbered, since the same one may come twice."""

    def table(name: str, rows: list[str]) -> pd.DataFrame | None:
        values = record[name]
        return None if values is None else pd.DataFrame(values, index=rows[: len(values)], columns=record["skills"])

    tokens = [f"{i + 1}: {_visible(text)}" for i, text in enumerate(record["tokens"])]
    weights = table("weights", record["layers"])
    assert weights is not None  # every method has weights
    sizes, by_token = table("sizes", record["layers"]), table("by_token", tokens)
    return Look(record["task"], record["level"], record["answer"], weights, sizes, by_token)


def describe_look(look: Look) -> list[Sentence]:
    """Which skill did most for this text, and on what the weights depend."""
    mean = look.weights.mean()
    top = str(mean.idxmax())
    values: dict[str, Any] = {"skill": top, "weight": f"{mean[top]:.2f}"}
    if look.level != "task":
        return [Sentence(f"says.look_{look.level}", values)]
    if look.sizes is None:
        return [Sentence("says.look_weights", values)]
    sizes = look.sizes.mean()
    biggest = str(sizes.idxmax())
    told = {"task": look.task, "skill": biggest, "share": f"{100 * sizes[biggest]:.0f}"}
    return [Sentence("says.look_task", told)]


def _visible(text: str) -> str:
    return text.replace("\n", "⏎").replace(" ", "␣") if not text.strip() else text.replace("\n", "⏎")
