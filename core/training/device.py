"""Which device and which number format a run uses, decided from the config and the hardware alone; loading so."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch

from core.adapters.fast.bfloat16_linears import use_half_products
from core.models.loading import LoadedBase, load_base
from core.models.processor import granted_cores, num_cores
from core.training.config import RunConfig


@dataclass(frozen=True)
class DeviceChoice:
    """`dtype` of the base model (adapters stay float32); `matmul` is torch's float32 matrix product precision,
    `head` the one of a float32 head; `products` the number type of the frozen layers' products
    (core/adapters/fast/bfloat16_linears.py).
    """

    device: str
    dtype: str
    matmul: str
    threads: int
    products: str = "float32"
    head: str = "highest"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def choose_device(config: RunConfig) -> DeviceChoice:
    """auto: a graphics card if there is one, in bfloat16 where it has it; a CPU with bfloat16 instructions computes
    the frozen layers' matrix products in bfloat16 and keeps everything else in float32.

    The choice depends on the hardware and never on a timing, so that the same seed gives the same result.
    """
    has_card = torch.cuda.is_available()
    device = "cuda" if config.device == "cuda" or (config.device == "auto" and has_card) else "cpu"
    card = f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"
    share = max(1, num_cores() // config.num_processes)
    wanted = config.num_threads or share
    threads = wanted if granted_cores() is None else min(wanted, share)  # the others' cores are not ours
    if config.precision == "bfloat16":
        return DeviceChoice(card if device == "cuda" else device, "bfloat16", "highest", threads)
    if config.precision == "float32":
        return DeviceChoice(card if device == "cuda" else device, "float32", "highest", threads)
    if device == "cuda":
        return DeviceChoice(card, "bfloat16" if card_has_bfloat16() else "float32", "high", threads)
    products = "bfloat16" if cpu_has_bfloat16() else "float32"
    # "medium" for everything makes torch's attention slow: its many small products would go through oneDNN.
    return DeviceChoice(device, "float32", "highest", threads, products, "medium" if cpu_has_amx() else "highest")


def load_chosen_base(name: str, choice: DeviceChoice) -> LoadedBase:
    """The base model as the choice says.

    Raises:
        ModelError: see `load_base`.
    """
    base = load_base(name, choice.dtype, choice.device)
    if choice.products == "bfloat16":
        base.model.requires_grad_(False)
        use_half_products(base.model)
    return base


def apply_device(choice: DeviceChoice) -> torch.device:
    """Sets threads and matrix product precision of this process."""
    torch.set_num_threads(choice.threads)
    torch.set_float32_matmul_precision(choice.matmul)
    return torch.device(choice.device)


def card_has_bfloat16() -> bool:
    """Whether the card multiplies bfloat16 numbers itself. Older ones only imitate it, many times slower; float32
    is chosen there, since float16 would need its losses scaled."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def cpu_has_amx() -> bool:
    """Whether the CPU has matrix units for bfloat16."""
    return bool(torch.cpu._is_amx_tile_supported())


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 numbers itself; elsewhere such products are several times slower."""
    return bool(torch.cpu._is_avx512_bf16_supported()) or cpu_has_amx()
