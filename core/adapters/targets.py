"""Finding the linear layers of a transformer's blocks, and which of them read the same input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from core.adapters.settings.places import LinearConfig
from core.base.errors import ModelError

# Siblings that read one input in the model families of transformers; the layers check at run time that they do.
SHARED_INPUTS = (
    ("q_proj", "k_proj", "v_proj"),
    ("q", "k", "v"),
    ("query", "key", "value"),
    ("gate_proj", "up_proj"),
    ("wi_0", "wi_1"),
    ("gate", "up"),
    ("w1", "w3"),
)
_BLOCK = re.compile(r"^(.*?\.)(\d+)\.")


@dataclass(frozen=True)
class Site:
    """One linear layer to adapt: its path in the model, its sizes, and the number of its block."""

    name: str
    in_features: int
    out_features: int
    stack: str
    block: int

    @property
    def leaf(self) -> str:
        return self.name.rsplit(".", 1)[-1]

    @property
    def parent(self) -> str:
        return self.name.rsplit(".", 1)[0]


def is_linear(module: nn.Module) -> bool:
    return isinstance(module, (nn.Linear, Conv1D))


def weight_out_in(linear: nn.Module) -> Tensor:
    """The weight as [out, in]; GPT-2's Conv1D keeps it the other way round."""
    weight: Tensor = linear.weight  # type: ignore[assignment]
    return weight.T if isinstance(linear, Conv1D) else weight


def find_sites(model: nn.Module, config: LinearConfig) -> list[Site]:
    """The linear layers of the blocks that the settings choose, in the model's order.

    Raises:
        ModelError: the model has no blocks of linear layers, or a named layer does not exist in it.
    """
    sites = list(_all_sites(model))
    if not sites:
        raise ModelError("adapter.no_layers", model=type(model).__name__)
    wanted = [part.strip() for part in config.target_modules.split(",") if part.strip()]
    if wanted and wanted != ["all"]:
        known = sorted({s.leaf for s in sites})
        for name in wanted:
            if name not in known:
                raise ModelError("adapter.no_target", name=name, known=", ".join(known))
        sites = [s for s in sites if s.leaf in wanted]
    return [s for s in sites if s.block >= lowest_block(model, s.stack, config.upper_share)]


def lowest_block(model: nn.Module, stack: str, upper_share: float) -> int:
    """Number of the first adapted block of a stack; at least one block is adapted."""
    depth = len(list(model.get_submodule(stack.rstrip(".")).children()))
    return depth - max(1, round(depth * upper_share))


def allocation_places(sites: list[Site], granularity: str) -> tuple[list[str], list[int]]:
    """Names of what has an allocation of its own (every `layer`, every `block`, or the whole `model`), and which of
    them each site belongs to; empty where that needs no table (one each, or one for all)."""
    names = {
        "layer": [site.name for site in sites],
        "block": [f"{site.stack}{site.block}" for site in sites],
        "model": ["model"] * len(sites),
    }[granularity]
    known = list(dict.fromkeys(names))
    return known, [known.index(name) for name in names] if granularity == "block" else []


def group_sites(sites: list[Site], model: nn.Module) -> list[list[int]]:
    """Positions of sites that read the same input, in order; every site is in exactly one group."""
    groups: list[list[int]] = []
    opened: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for position, site in enumerate(sites):
        family = next((f for f in SHARED_INPUTS if site.leaf in f), None)
        if family is None or _reads_two_inputs(site, model):
            groups.append([position])
            continue
        key = (site.parent, family)
        members = opened.get(key)
        if members is None or sites[members[0]].in_features != site.in_features:
            members = opened[key] = []
            groups.append(members)
        members.append(position)
    return groups


def _reads_two_inputs(site: Site, model: nn.Module) -> bool:
    """The query of a cross attention reads the decoder, its keys and values the encoder."""
    return site.leaf in ("q", "q_proj", "query") and is_cross(site.name)


def is_cross(name: str) -> bool:
    """Whether a module belongs to an attention from the answer to the question."""
    return any(part in name for part in ("EncDec", "cross", "encoder_attn"))


def find_linears(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """All linear layers of the blocks, by name."""
    for name, module in model.named_modules():
        if _BLOCK.match(name + ".") and is_linear(module):
            yield name, module


def _all_sites(model: nn.Module) -> Iterator[Site]:
    for name, module in find_linears(model):
        found = _BLOCK.match(name + ".")
        assert found
        out_features, in_features = weight_out_in(module).shape
        yield Site(name, in_features, out_features, found[1], int(found[2]))


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, module)


def swap_class(module: nn.Module, cls: type[nn.Module]) -> None:
    """Changes how a module computes; its names, parameters and hooks remain. Undone by its own class."""
    module.__class__ = cls
