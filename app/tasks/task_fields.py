"""A task's fields: what the editor shows of a saved task, and the task that its fields describe."""

from __future__ import annotations

import dataclasses
from typing import Any

import gradio as gr

from app.texts import say
from core.tasks.spec import TaskSpec

WORDING_LINE = "---"  # between further wordings
EDITED = (
    "name",
    "inputs",
    "targets",
    "weight",
    "instruction",
    "template",
    "templates",
    "system",
    "metric",
    "kind",
    "validation",
    "test",
    "method",
    "column",
    "seed",
)
SPLIT = ("validation", "test", "method", "column", "seed")


def field_values(spec: TaskSpec) -> list[Any]:
    """One value or update a field, in the order of EDITED."""
    none = (say("tasks.no_column"), "")
    columns = [none, *((c, c) for c in spec.columns)]
    return [
        spec.name,
        gr.update(choices=list(spec.columns), value=list(spec.inputs)),
        gr.update(choices=list(spec.columns), value=list(spec.targets)),
        gr.update(choices=columns, value=spec.weight),
        spec.instruction,
        spec.template,
        f"\n{WORDING_LINE}\n".join(spec.templates),
        spec.system,
        spec.metric,
        spec.kind,
        spec.split.validation,
        gr.update(value=spec.split.test, visible=not spec.source.test_file),
        spec.split.method,
        gr.update(choices=columns, value=spec.split.column),
        spec.split.seed,
    ]


def edited_task(spec: TaskSpec, values: tuple[Any, ...]) -> TaskSpec:
    """The task as the fields say, `values` in the order of EDITED; not saved."""
    given = dict(zip(EDITED, values, strict=True))
    split = {name: given.pop(name) for name in SPLIT}
    split |= {"test": split.pop("test"), "seed": int(split["seed"] or 0), "column": split["column"] or ""}
    given |= {name: tuple(given[name] or ()) for name in ("inputs", "targets")}
    given["templates"] = _wordings(given["templates"])
    given["weight"] = given["weight"] or ""
    return dataclasses.replace(spec, split=dataclasses.replace(spec.split, **split), **given)


def _wordings(text: str) -> tuple[str, ...]:
    """Further wordings stand between lines of three dashes."""
    parts: list[list[str]] = [[]]
    for line in (text or "").splitlines():
        if line.strip() == WORDING_LINE:
            parts.append([])
        else:
            parts[-1].append(line)
    return tuple(wording for p in parts if (wording := "\n".join(p).strip()))
