"""The page's events without work that changes nothing.

Gradio 6.31 builds a component anew for every update, even for one that says "leave it as it is", and keeps it for
the page: a poll of a page that shows nothing new built 78 of them. It hands each plain value of each event to a
thread and waits for it, however simple the value. And it looks through all events for each state of each event.
Here what stays is left alone, a component changed in the same way is built once for all pages, simple values are
turned where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from types import SimpleNamespace
from typing import Any

import anyio
import gradio as gr
import orjson
from gradio import blocks as gradio_blocks
from gradio.blocks import BlockFunction, convert_component_dict_to_list, postprocess_update_dict
from gradio.processing_utils import async_move_files_to_cache
from gradio.state_holder import SessionState
from gradio.utils import deep_hash

MOST_KEPT = 4096  # components changed in some way, about 4 KB each; one that is not kept any more is built again
QUICK = (
    gr.Button, gr.Checkbox, gr.CheckboxGroup, gr.Dropdown, gr.HTML, gr.Markdown, gr.Number, gr.Radio, gr.Slider,
    gr.Textbox, gr.Timer,
)  # fmt: skip
FOR_PROGRAMS = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs")
LEFT = {"__type__": "update"}  # what Gradio sends for a component that stays as it is


class LeanPage(gr.Blocks):
    """Gradio's page; what a handler gives is sent as Gradio sends it, and remembered for the page likewise."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._changed: dict[bytes, Any] = {}
        self._watched: frozenset[int] | None = None

    def get_config_file(self) -> Any:
        """Without what Gradio writes for programs of components that no program is offered."""
        config = super().get_config_file()
        offered = {
            block._id
            for fn in self.fns.values()
            if fn.api_visibility != "private"
            for block in (*fn.inputs, *fn.outputs)
        }
        for component in config["components"]:
            if component["id"] not in offered:
                for name in FOR_PROGRAMS:
                    component.pop(name, None)  # type: ignore[misc]
        return config

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: Any, state: SessionState | None
    ) -> list[Any]:
        values = _one_each(block_fn.outputs, predictions)
        if state is None or values is None or block_fn.batch:
            return await super().postprocess_data(block_fn, predictions, state)
        updates = {n for n, block in enumerate(block_fn.outputs) if not block.stateful and _is_update(values[n])}
        rest = [n for n in range(len(values)) if n not in updates]
        sent: dict[int, Any] = {}
        if rest:
            others = copy(block_fn)
            others.outputs = [block_fn.outputs[n] for n in rest]
            given = [values[n] for n in rest]
            plain = await super().postprocess_data(others, given if len(rest) > 1 else given[0], state)
            sent = dict(zip(rest, plain, strict=True))
        for n in sorted(updates):
            sent[n] = await self._update(block_fn, block_fn.outputs[n], values[n], state)
        return [sent[n] for n in range(len(values))]

    async def _update(self, block_fn: BlockFunction, block: Any, value: dict[str, Any], state: SessionState) -> Any:
        """An update as it is sent: None changes nothing, but as the value it empties."""
        given = {k: v for k, v in value.items() if (v is not None and k != "__type__") or k == "value"}
        if not given:
            return dict(LEFT)
        component = self._component(block, given, state)
        update = postprocess_update_dict(component, given, block_fn.postprocess)
        return await async_move_files_to_cache(update, component, postprocess=True)

    def _component(self, block: Any, given: dict[str, Any], state: SessionState) -> Any:
        """The component as the page has it from now on."""
        known = state.get(block._id, block)
        changes = {k: v for k, v in given.items() if k != "value"}
        if not changes:
            return known
        arguments = {**known.constructor_args, **changes, "render": False}
        arguments.pop("value", None)
        state[block._id] = component = self._built(block, arguments)
        return component

    def _built(self, block: Any, arguments: dict[str, Any]) -> Any:
        """One component for all pages where this one was changed to the same."""
        first = block.constructor_args
        different = {k: v for k, v in arguments.items() if k not in first or first[k] is not v}
        try:
            key = orjson.dumps([block._id, different], option=orjson.OPT_SORT_KEYS)
        except TypeError:  # not of plain values
            return block.__class__(**arguments)
        known = self._changed.pop(key, None) or block.__class__(**arguments)
        if len(self._changed) >= MOST_KEPT:
            del self._changed[next(iter(self._changed))]  # the one that was not asked for the longest
        self._changed[key] = known
        return known

    def get_state_ids_to_track(self, block_fn: BlockFunction, state: SessionState | None) -> tuple[list[int], list]:
        """The states among the outputs whose change sets something off, and what they are now."""
        if state is None:
            return [], []
        if self._watched is None:
            self._watched = frozenset(
                number for fn in self.fns.values() for number, event in fn.targets if event == "change"
            )
        numbers = [block._id for block in block_fn.outputs if block.stateful and block._id in self._watched]
        return numbers, [deep_hash(state[number]) for number in numbers]


async def run_here_if_quick(function: Any, *given: Any, **named: Any) -> Any:
    """In a thread, as anyio does, but for simple values, which take less time than the way to a thread and back."""
    if isinstance(getattr(function, "__self__", None), QUICK) and function.__name__ in (
        "preprocess",
        "postprocess",
    ):
        return function(*given)
    return await anyio.to_thread.run_sync(function, *given, **named)


def turn_values_here() -> None:
    """From now on; in `gradio.blocks` anyio is asked for nothing but threads."""
    gradio_blocks.anyio = SimpleNamespace(to_thread=SimpleNamespace(run_sync=run_here_if_quick))  # type: ignore[attr-defined]


def _one_each(outputs: Sequence[Any], predictions: Any) -> list[Any] | None:
    """One value an output, as Gradio reads what a handler gave; None where Gradio has something to say about it."""
    if len(outputs) == 1:
        predictions = [predictions]
    elif predictions == LEFT:
        predictions = [LEFT] * len(outputs)
    elif isinstance(predictions, dict) and predictions:
        predictions = convert_component_dict_to_list(list(outputs), predictions)
    fits = isinstance(predictions, (list, tuple)) and len(predictions) == len(outputs)
    return list(predictions) if fits else None


def _is_update(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update"
