"""Which graphics cards a process of ours can compute on, found by torch itself and without importing it here.

Device files are not asked for that: WSL2 and ROCm have others than NVIDIA's on Linux, a build of torch without
cards sees none, and CUDA_VISIBLE_DEVICES hides some. Where there is no device file of any kind torch need not be
asked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from core.base.errors import RunError
from core.base.processes import Order, python, run_to_end

ASK_S = 120.0
# NVIDIA on Linux, on WSL2 (and AMD there), AMD, NVIDIA's single boards.
_DRIVERS = tuple(map(Path, ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/nvhost-gpu", "/dev/nvmap")))
_HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_QUESTION = "import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)"


def count_cards() -> int:
    """Graphics cards that torch can use in a child of this process; on a ZeroGPU Space none, since the card there
    is not for processes of their own. Asked once a process: it takes as long as importing torch."""
    if os.environ.get("SPACES_ZERO_GPU") or not any(path.exists() for path in _DRIVERS):
        return 0
    hiding = tuple(os.environ.get(name) for name in _HIDING)
    if any(value is not None and value.strip() in ("", "-1") for value in hiding):
        return 0
    try:
        return _ask_torch(hiding)
    except (OSError, TimeoutError, ValueError, IndexError, RunError):  # it may answer the next time
        return 0


@lru_cache(maxsize=8)
def _ask_torch(_: tuple[str | None, ...]) -> int:
    """
    Raises:
        OSError, TimeoutError, ValueError, IndexError, RunError: torch does not answer.
    """
    return int(run_to_end(Order(python("-c", _QUESTION)), ASK_S).output.split()[-1])


def show_only(cards: Sequence[int]) -> None:
    """Hides all other cards from this process and its children, before torch looks; numbers count those that are
    visible now. A single process that saw several would spread every batch over them (DataParallel)."""
    name = "HIP_VISIBLE_DEVICES" if os.environ.get("HIP_VISIBLE_DEVICES") else "CUDA_VISIBLE_DEVICES"
    seen = [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]
    if seen and max(cards, default=0) >= len(seen):
        return  # they are few already, and torch says so
    os.environ[name] = ",".join(seen[card] if seen else str(card) for card in cards)
