"""What an adapter does with one text: the weights it mixes by, and how large each skill's part of the output is.

What is seen is the method's to say (`Adapter.observe`); here the text is run and the inputs of its layers caught.
Needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.adapters.call import Adapted, build_call, enter_call
from core.adapters.observing import Observation, Parts, Seen
from core.models.modular import ModularModel

AT_ONCE, MOST_TOKENS = 16, 2048  # texts of one pass, and their tokens with the padding


@dataclass(frozen=True)
class Text:
    """Tokens of a text (its prompt, or prompt and answer), the task that it is read as, and for an encoder-decoder
    model the start of the answer."""

    ids: list[int]
    task: int
    decoder_ids: list[int] | None = None


@torch.no_grad()
def observe(model: ModularModel, ids: list[int], decoder_ids: list[int] | None, task: int) -> Observation:
    """Reads a text (its prompt, or prompt and answer) as a task and looks at every adapted layer.

    decoder_ids: the start of the answer for an encoder-decoder model.
    """
    return model.adapter.observe(_run(model, [Text(ids, task, decoder_ids)]))


@torch.no_grad()
def measure_parts(model: ModularModel, texts: Sequence[Text]) -> list[Parts] | None:
    """Sizes of the common and of the private part in every layer for each text; None for other methods. Texts of
    like length stand side by side in one pass; those of an encoder-decoder model, whose layers see two lengths, one
    by one."""
    found: dict[int, Parts] = {}
    order = sorted(range(len(texts)), key=lambda place: len(texts[place].ids))
    for places in _cut(texts, order, 1 if model.architecture == "encoder_decoder" else AT_ONCE):
        parts = model.adapter.measure_parts(_run(model, [texts[place] for place in places]))
        if parts is None:
            return None
        found |= dict(zip(places, parts, strict=True))
    return [found[place] for place in range(len(texts))]


def _cut(texts: Sequence[Text], order: list[int], most: int) -> Iterator[list[int]]:
    """Neighbours in the order, as many as have MOST_TOKENS together, and no more than `most`."""
    group: list[int] = []
    for place in order:  # the shortest first: a group is padded to its last one
        if group and (len(group) == most or (len(group) + 1) * len(texts[place].ids) > MOST_TOKENS):
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _run(model: ModularModel, texts: Sequence[Text]) -> Seen:
    """One forward pass with its inputs caught. What is read stands before the padding, and never sees it."""
    tasks, lengths = [text.task for text in texts], torch.tensor([len(text.ids) for text in texts])
    width = int(lengths.max())
    rows = [[*text.ids, *[0] * (width - len(text.ids))] for text in texts]
    ids, lengths = torch.tensor(rows, device=model.device), lengths.to(model.device)
    mask = (torch.arange(width, device=model.device) < lengths[:, None]).long()
    call = build_call(tasks, model.adapter.num_tasks, model.device, training=False)
    call.prompt_mask = mask
    model.prepare(call)
    more: dict[str, Any] = {}
    if model.architecture == "encoder_decoder":
        start = model.config.decoder_start_token_id
        more["decoder_input_ids"] = torch.tensor([[start, *(texts[0].decoder_ids or [])]], device=model.device)
    adapted = {name: module for name, module in model.base.named_modules() if isinstance(module, Adapted)}
    with _caught_inputs(adapted) as caught, enter_call(call):
        model.base(input_ids=ids, attention_mask=mask, **more)
    inner = {name: module.inner for name, module in adapted.items()}
    return Seen(call, tasks[0], caught, inner, lengths if len(texts) > 1 else None)


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
