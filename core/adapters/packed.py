"""Several examples in one row of tokens, without padding: what each layer needs to keep them apart.

All layers but attention treat every token alike, so the examples of a batch can stand one behind the other:
[1, N] tokens instead of [b, n] with padding. Attention (core/adapters/packed_attention.py) runs in chunks of a few
examples of like length. Lengths are rounded up, since oneDNN builds a program for every new shape of a product.

Shapes: b examples, N tokens of which the first M are real, h heads, g heads of keys and values, d their size; a
chunk has R examples of at most n tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

ROUND_TOKENS = 64  # N is a multiple of this, n of ROUND_LENGTH
ROUND_LENGTH = 32
CHUNK_TOKENS = 512  # of R times n; keeps R h n n small for long texts


@dataclass(eq=False)
class Chunk:
    """Examples of like length: tokens [R, n], where padding repeats token 0."""

    tokens: Tensor

    @property
    def length(self) -> int:
        return self.tokens.shape[1]

    def table(self, heads: int, repeats: int = 1) -> Tensor:
        """[R * heads * repeats * n]: rows of the vectors [N * heads, d], each head `repeats` times."""
        order = torch.arange(heads).repeat_interleave(repeats)
        return (self.tokens[:, None] * heads + order[None, :, None]).flatten()


@dataclass(eq=False)
class HeadTables:
    """By chunk the rows [R * h * n] of the vectors [N * h, d] of queries and [N * g, d] of keys and values; and
    back, for every real token's heads, their places among the rows of all chunks."""

    queries: list[Tensor]
    keys: list[Tensor]
    queries_back: Tensor
    keys_back: Tensor


@dataclass(eq=False)
class Packing:
    """Where the examples are in a row of tokens. lengths: of the b examples in their order; owners [N]: the example
    of each token (the padding at the end counts to the first, and nothing reads it); positions [1, N]: within the
    example."""

    lengths: list[int]
    owners: Tensor
    positions: Tensor
    chunks: list[Chunk]
    places: Tensor  # [4, M]: of every token its chunk's first place and length, its row and its column
    tables: dict[tuple[int, int], HeadTables] = field(default_factory=dict)
    masks: dict[tuple[int, torch.dtype], Tensor] = field(default_factory=dict)

    @property
    def num_real(self) -> int:
        return self.places.shape[1]

    def tables_of(self, heads: int, groups: int) -> HeadTables:
        """The index tables for these numbers of heads, made once a batch."""
        key = (heads, groups)
        if key not in self.tables:
            self.tables[key] = HeadTables(
                [c.table(heads) for c in self.chunks], [c.table(groups, heads // groups) for c in self.chunks],
                self._back(heads), self._back(groups),
            )
        return self.tables[key]

    def mask(self, length: int, dtype: torch.dtype) -> Tensor:
        """[1, n, n]: 0 where a token may look, -inf where it would see what follows."""
        key = (length, dtype)
        if key not in self.masks:
            self.masks[key] = torch.full((1, length, length), -torch.inf, dtype=dtype).triu_(1)
        return self.masks[key]

    def _back(self, heads: int) -> Tensor:
        """[M * heads]: the place of every token's head among the rows of all chunks."""
        first, length, row, column = self.places[:, :, None]
        return (first * heads + (row * heads + torch.arange(heads)) * length + column).flatten()


def pack(lengths: Sequence[int]) -> Packing:
    """The packing of examples of these lengths, which are best sorted: neighbours share a chunk."""
    starts, total = [], 0
    for length in lengths:
        starts.append(total)
        total += length
    size = rounded(total, ROUND_TOKENS)
    owners, positions = torch.zeros(size, dtype=torch.long), torch.zeros(1, size, dtype=torch.long)
    places = torch.zeros(4, total, dtype=torch.long)
    chunks: list[Chunk] = []
    first = 0
    for members in _cut(lengths):
        width = rounded(max(lengths[m] for m in members), ROUND_LENGTH)
        tokens = torch.zeros(len(members), width, dtype=torch.long)
        for row, member in enumerate(members):
            start, length = starts[member], lengths[member]
            steps = torch.arange(length)
            tokens[row, :length] = start + steps
            owners[start : start + length] = member
            positions[0, start : start + length] = steps
            places[:, start : start + length] = torch.stack(
                [torch.full_like(steps, v) for v in (first, width, row)] + [steps]
            )
        chunks.append(Chunk(tokens))
        first += tokens.numel()
    return Packing(list(lengths), owners, positions, chunks, places)


def rounded(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _cut(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Neighbouring examples, as many as CHUNK_TOKENS allow, at most four."""
    members: list[int] = []
    for index in range(len(lengths)):
        longest = max(lengths[m] for m in [*members, index])
        full = (len(members) + 1) * rounded(longest, ROUND_LENGTH) > CHUNK_TOKENS
        if members and (full or len(members) == 4):
            yield members
            members = []
        members.append(index)
    if members:
        yield members
