"""What an adapter does with one text: the weights it mixes by, and how large each skill's part of the output is.

What is seen is the method's to say (`Adapter.observe`); here the text is run and the inputs of its layers caught.
Needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.call import Adapted, build_call, enter_call
from core.adapters.observing import Observation, Parts, Seen
from core.models.modular import ModularModel


@torch.no_grad()
def observe(model: ModularModel, ids: list[int], decoder_ids: list[int] | None, task: int) -> Observation:
    """Reads a text (its prompt, or prompt and answer) as a task and looks at every adapted layer.

    decoder_ids: the start of the answer for an encoder-decoder model.
    """
    return model.adapter.observe(_run(model, ids, decoder_ids, task))


@torch.no_grad()
def measure_parts(model: ModularModel, ids: list[int], decoder_ids: list[int] | None, task: int) -> Parts | None:
    """Sizes of the common and of the private part in every layer for one text; None for other methods."""
    return model.adapter.measure_parts(_run(model, ids, decoder_ids, task))


def _run(model: ModularModel, row: list[int], decoder_ids: list[int] | None, task: int) -> Seen:
    """One forward pass with its inputs caught."""
    ids = torch.tensor([row], device=model.device)
    call = build_call([task], model.adapter.num_tasks, model.device, training=False)
    call.prompt_mask = torch.ones_like(ids)
    model.prepare(call)
    more: dict[str, Any] = {}
    if model.architecture == "encoder_decoder":
        start = model.config.decoder_start_token_id
        more["decoder_input_ids"] = torch.tensor([[start, *(decoder_ids or [])]], device=model.device)
    adapted = {name: module for name, module in model.base.named_modules() if isinstance(module, Adapted)}
    with _caught_inputs(adapted) as caught, enter_call(call):
        model.base(input_ids=ids, attention_mask=torch.ones_like(ids), **more)
    return Seen(call, task, caught, {name: module.inner for name, module in adapted.items()})


@contextmanager
def _caught_inputs(modules: dict[str, Adapted]) -> Iterator[dict[str, Tensor]]:
    caught: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def catch(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            caught[name] = given[0]

        return catch

    hooks = [module.register_forward_pre_hook(hook(name)) for name, module in modules.items()]
    try:
        yield caught
    finally:
        for handle in hooks:
            handle.remove()
