"""Which device and which number format a run uses, decided from the config and the hardware alone."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import torch

from core.training.config import RunConfig


@dataclass(frozen=True)
class DeviceChoice:
    """`dtype` of the base model (adapters stay float32); `matmul` is torch's float32 matrix product precision."""

    device: str
    dtype: str
    matmul: str
    threads: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def choose_device(config: RunConfig) -> DeviceChoice:
    """auto: a graphics card if there is one, in bfloat16 where it has it; a CPU with AMX computes matrix products
    in bfloat16 and keeps everything else in float32. Without AMX torch has no such products, whatever the setting.

    The choice depends on the hardware and never on a timing, so that the same seed gives the same result.
    """
    has_card = torch.cuda.is_available()
    device = "cuda" if config.device == "cuda" or (config.device == "auto" and has_card) else "cpu"
    card = f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"
    threads = config.num_threads or max(1, num_cores() // config.num_processes)
    if config.precision == "bfloat16":
        return DeviceChoice(card if device == "cuda" else device, "bfloat16", "highest", threads)
    if config.precision == "float32":
        return DeviceChoice(card if device == "cuda" else device, "float32", "highest", threads)
    if device == "cuda":
        return DeviceChoice(card, "bfloat16" if torch.cuda.is_bf16_supported() else "float32", "high", threads)
    return DeviceChoice(device, "float32", "medium" if cpu_has_amx() else "highest", threads)


def apply_device(choice: DeviceChoice) -> torch.device:
    """Sets threads and matrix product precision of this process."""
    torch.set_num_threads(choice.threads)
    torch.set_float32_matmul_precision(choice.matmul)
    return torch.device(choice.device)


def cpu_has_amx() -> bool:
    """Whether the CPU has matrix units for bfloat16."""
    return bool(torch.cpu._is_amx_tile_supported())


def num_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
