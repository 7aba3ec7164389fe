"""Several examples in one row of tokens, without padding: what each layer needs to keep them apart.

All layers but attention treat every token alike, so the examples of a batch can stand one behind the other:
[1, N] tokens instead of [b, n] with padding. Attention (core/adapters/fast/packed_attention.py) runs in chunks of a
few examples of like length. Lengths are rounded up, since oneDNN builds a program for every new shape of a product.

What two examples of a task begin with, its instruction above all, stands there once: a token's hidden state follows
from the tokens before it and the task, so both examples read the same one, and its gradient is the sum of theirs.

Shapes: b examples, N tokens of which the first M are real, h heads, g heads of keys and values, d their size; a
chunk has R examples of at most n tokens; U of the tokens are read by several examples, at E places in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from core.adapters.call import Packed, current_call, has_call

ROUND_TOKENS = 128  # N is a multiple of this, n of ROUND_LENGTH
ROUND_LENGTH = 32
Move = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ChunkSize:
    """How large a chunk of attention may be: tokens of R times n, which keeps R h n n small for long texts, and
    examples."""

    tokens: int = 512
    examples: int = 4


SMALL_CHUNKS = ChunkSize()
LARGE_CHUNKS = ChunkSize(8192, 64)  # on a card, where every chunk is a dozen launches a layer


@dataclass(eq=False)
class Chunk:
    """Examples of like length: tokens [R, n], where padding repeats token 0."""

    tokens: Tensor

    @property
    def length(self) -> int:
        return self.tokens.shape[1]

    def table(self, heads: int, repeats: int = 1) -> Tensor:
        """[R * heads * repeats * n]: rows of the vectors [N * heads, d], each head `repeats` times."""
        # A head of keys stands there once for each head of queries that reads it.
        order = torch.arange(heads).repeat_interleave(repeats)
        return (self.tokens[:, None] * heads + order[None, :, None]).flatten()


@dataclass(eq=False)
class HeadTables:
    """By chunk the rows [R * h * n] of the vectors [N * h, d] of queries and [N * g, d] of keys and values; and
    back, for every real token's heads, their places among the rows of all chunks (in its owner's row). Of the keys
    that several examples read: rows [g * U] of the vectors, places [g * E] of all their readers, and where those
    of each begin."""

    queries: list[Tensor]
    keys: list[Tensor]
    queries_back: Tensor
    keys_back: Tensor
    shared: tuple[Tensor, Tensor, Tensor] | None

    def moved(self, move: Move) -> HeadTables:
        shared = None if self.shared is None else (move(self.shared[0]), move(self.shared[1]), move(self.shared[2]))
        queries, keys = ([move(table) for table in tables] for tables in (self.queries, self.keys))
        return HeadTables(queries, keys, move(self.queries_back), move(self.keys_back), shared)


@dataclass(eq=False)
class Packing:
    """Where the examples are in a row of tokens. tokens: of each of the b examples in its order; owners [N]: the
    example of each token, one of those that read it (the padding at the end counts to the first, and nothing reads
    it); positions [1, N]: within the example."""

    tokens: list[Tensor]
    owners: Tensor
    positions: Tensor
    chunks: list[Chunk]
    places: Tensor  # [4, M]: of every token its chunk's first place and length, its owner's row and its column
    shared: Tensor | None = None  # [5, E]: the same of every reader of the U tokens, by token; last the token
    tables: dict[tuple[int, int], HeadTables] = field(default_factory=dict)
    masks: dict[tuple[int, torch.dtype], Tensor] = field(default_factory=dict)
    made_from: tuple[Packing, Move] | None = None

    def moved(self, move: Move) -> Packing:
        """The same on another device. What layers read is moved; the index tables are still made where the packing
        was, since a card would be waited for, and follow by `move`."""
        owners, positions = move(self.owners), move(self.positions)
        return replace(self, owners=owners, positions=positions, tables={}, masks={}, made_from=(self, move))

    @property
    def longest(self) -> int:
        """Tokens of the longest example; an attention window of as many sees all that stands before a token."""
        return max(len(tokens) for tokens in self.tokens)

    def tables_of(self, heads: int, groups: int) -> HeadTables:
        """The index tables for these numbers of heads, made once a batch."""
        key = (heads, groups)
        if key not in self.tables and self.made_from is not None:
            home, move = self.made_from
            self.tables[key] = home.tables_of(heads, groups).moved(move)
        elif key not in self.tables:
            self.tables[key] = HeadTables(
                [c.table(heads) for c in self.chunks],
                [c.table(groups, heads // groups) for c in self.chunks],
                _place(self.places, heads).flatten(),
                _place(self.places, groups).flatten(),
                self._shared(groups),
            )
        return self.tables[key]

    def mask(self, length: int, dtype: torch.dtype) -> Tensor:
        """[1, n, n]: 0 where a token may look, -inf where it would see what follows."""
        key = (length, dtype)
        if key not in self.masks:
            # -inf above the diagonal: exp(-inf) is 0 exactly, so padding on the right adds nothing.
            shape, device = (1, length, length), self.owners.device
            self.masks[key] = torch.full(shape, -torch.inf, dtype=dtype, device=device).triu_(1)
        return self.masks[key]

    def _shared(self, heads: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """Rows, places and beginnings for keys of so many heads; one head behind the other."""
        if self.shared is None:
            return None
        tokens, counts = self.shared[4].unique_consecutive(return_counts=True)
        head, begins = torch.arange(heads)[:, None], counts.cumsum(0) - counts
        places = _place(self.shared[:4], heads).T.flatten()
        return (tokens * heads + head).flatten(), places, (begins + head * self.shared.shape[1]).flatten()


@dataclass(eq=False, kw_only=True)
class PackedRow(Packed):
    """What one call over packed examples needs: the packing, and cos and sin of the positions, made once for the
    layers of the call (by number type and scale, with the embedding they were made from)."""

    packing: Packing
    angles: dict[tuple[torch.dtype, float], tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)

    def trim(self, x: Tensor) -> Tensor:
        """x [1, N, d] -> [1, P, d] of the wanted tokens; layers that follow find their owners."""
        assert self.wanted is not None  # the last block has looked
        self.owners = self.owners.index_select(0, self.wanted)
        return x.index_select(1, self.wanted)


@dataclass(eq=False)
class Joined:
    """Examples behind each other, read by the model's own attention. tokens: of each example, as in `Packing`."""

    tokens: list[Tensor]


@dataclass(eq=False, kw_only=True)
class JoinedRow(Packed):
    """What one call over joined examples needs: each token's owner, whose task it is answered as."""

    packing: Joined


def packed_row() -> PackedRow | None:
    """Of the current call, if its examples are packed."""
    packed = current_call().packed if has_call() else None
    return packed if isinstance(packed, PackedRow) else None


def _place(places: Tensor, heads: int) -> Tensor:
    """places [4, M] -> [M, heads]: where the heads of a token are among the rows of all chunks."""
    first, length, row, column = places[:, :, None]
    return first * heads + (row * heads + torch.arange(heads)) * length + column


def share_beginnings(examples: Sequence[list[int]], groups: Sequence[int]) -> dict[int, tuple[int, int]]:
    """example -> (another one of its group, with how many tokens both begin), for the examples that share any.

    In the order of their tokens, which is that of the result, every example shares the longest beginning with the
    one before it. So the other one of a pair comes earlier, or shares nothing itself.
    """
    found: dict[int, tuple[int, int]] = {}
    # In the order of their tokens those that begin alike are neighbours.
    ordered = sorted(range(len(examples)), key=lambda index: (groups[index], examples[index]))
    for before, index in pairwise(ordered):
        common = _common(examples[before], examples[index]) if groups[before] == groups[index] else 0
        if common:
            found[index] = (before, common)
    return found


def _common(first: list[int], second: list[int]) -> int:
    both = zip(first, second, strict=False)
    return next((number for number, (a, b) in enumerate(both) if a != b), min(len(first), len(second)))


def pack(
    lengths: Sequence[int], shared: Mapping[int, tuple[int, int]] | None = None, size: ChunkSize = SMALL_CHUNKS
) -> Packing:
    """The packing of examples of these lengths, which are best sorted: neighbours share a chunk.

    `shared`: of `share_beginnings`; without it every example has all its tokens for itself.
    """
    shared = shared or {}
    commons = [shared.get(index, (index, 0))[1] for index in range(len(lengths))]
    owned = [length - common for length, common in zip(lengths, commons, strict=True)]
    tokens, total = _lay(owned, shared), sum(owned)
    whole = rounded(total, ROUND_TOKENS)
    owners, positions = torch.zeros(whole, dtype=torch.long), torch.zeros(1, whole, dtype=torch.long)
    chunks, readers = _cut_chunks(tokens, lengths, size)
    own = torch.cat([places[:, common:] for places, common in zip(readers, commons, strict=True)], 1)
    owners[:total] = torch.arange(len(lengths)).repeat_interleave(torch.tensor(owned))
    positions[0, :total] = own[3]
    return Packing(tokens, owners, positions, chunks, own, _find_shared(tokens, readers, total))


def _lay(owned: Sequence[int], shared: Mapping[int, tuple[int, int]]) -> list[Tensor]:
    """The tokens of every example: those of its own stand behind each other, behind what it shares."""
    starts = [0, *accumulate(owned)]
    tokens = [torch.arange(start, end) for start, end in pairwise(starts)]
    for index, (source, common) in shared.items():
        tokens[index] = torch.cat([tokens[source][:common], tokens[index]])
    return tokens


def _cut_chunks(tokens: list[Tensor], lengths: Sequence[int], size: ChunkSize) -> tuple[list[Chunk], list[Tensor]]:
    """-> the chunks, and for every example the places [4, length] of its tokens in them."""
    chunks: list[Chunk] = []
    places: list[Tensor] = []
    first = 0
    for members in _cut(lengths, size):
        width = rounded(max(lengths[m] for m in members), ROUND_LENGTH)
        table = torch.zeros(len(members), width, dtype=torch.long)
        for row, member in enumerate(members):
            steps = torch.arange(lengths[member])
            table[row, : lengths[member]] = tokens[member]
            places.append(torch.stack([*(torch.full_like(steps, v) for v in (first, width, row)), steps]))
        chunks.append(Chunk(table))
        first += table.numel()
    return chunks, places


def _find_shared(tokens: list[Tensor], places: list[Tensor], total: int) -> Tensor | None:
    """[5, E]: places and tokens of what several examples read, by token; None when nothing is."""
    readers = torch.cat([torch.cat(places, 1), torch.cat(tokens)[None]])
    # Tokens with one reader have their gradient already; only sums are looked up.
    readers = readers[:, torch.bincount(readers[4], minlength=total)[readers[4]] > 1]
    return readers[:, readers[4].argsort(stable=True)] if readers.shape[1] else None


def rounded(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _cut(lengths: Sequence[int], size: ChunkSize) -> Iterator[list[int]]:
    """Neighbouring examples, as many as a chunk may hold."""
    members: list[int] = []
    for index in range(len(lengths)):
        longest = max(lengths[m] for m in [*members, index])
        # The longest decides the width of all, so a long neighbour may fill a chunk alone.
        full = (len(members) + 1) * rounded(longest, ROUND_LENGTH) > size.tokens
        if members and (full or len(members) == size.examples):
            yield members
            members = []
        members.append(index)
    if members:
        yield members
