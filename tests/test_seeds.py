"""Every number that a seed is made of counts."""

from __future__ import annotations

import torch

from core.base.seeds import torch_seed


def drawn(*numbers: int) -> list[float]:
    generator = torch.Generator().manual_seed(torch_seed(*numbers))
    return torch.rand(4, generator=generator).tolist()


def test_each_number_counts_in_its_place() -> None:
    given = ((0, 1), (1, 0), (1, 1), (5, 1), (2**40, 1), (0, 257), (5,), (5, 0), (5, 1, 2))
    draws = [drawn(*numbers) for numbers in given]
    assert len({tuple(d) for d in draws}) == len(draws)
    assert drawn(5, 1) == drawn(5, 1)
