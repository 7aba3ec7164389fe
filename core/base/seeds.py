"""Seeds for torch that follow from several numbers."""

from __future__ import annotations

import numpy as np


def torch_seed(*numbers: int) -> int:
    """For torch.manual_seed: well mixed from the numbers (each at least 0 and below 2**64), in 32 bits.

    torch's generator on processors reads the low 32 bits of a seed alone; a number that stands above them is lost.
    """
    words = [part for number in numbers for part in (number % 2**32, number >> 32)]  # (5, 0) is not (5,)
    return int(np.random.SeedSequence([len(numbers), *words]).generate_state(1, np.uint32)[0])
