"""From a frozen dataset to the micro batches of a run: which examples, in which order, for every process.

Everything follows from (seed, number of the micro batch): batch 417 is the same whether the run came there in one
go, was resumed at 400, or is shared by four processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch.nn import functional
from torch.utils.data import Dataset

from core.adapters.fast.packed import ROUND_TOKENS, SMALL_CHUNKS, pack, share_beginnings
from core.base.errors import TaskloomError
from core.models.batching import Collator, cut_by_tokens, split_by_length
from core.tasks.dataset import TaskDataset
from core.tasks.encoding import IGNORED, Encoded, encode_task
from core.tasks.mixture import MixtureSampler
from core.training.answer_model import Batch, answer_positions
from core.training.plan import APART, JOINED, OFF, whole_chunks

Place = tuple[int, int]  # task index, example index
# What a part of a batch costs besides its tokens, in tokens: the time of launching its operations. A graphics card
# computes more tokens in that time. Both are estimates from launch times; the result does not depend on them.
PART_TOKENS_CPU = 128
PART_TOKENS_CARD = 4096
PACKED_TOKENS = 2048  # of a part whose examples stand behind each other, on a processor


@dataclass(frozen=True)
class Encoder:
    """How text becomes tokens in this run."""

    tokenizer: object
    architecture: str
    max_tokens: int
    pad_id: int
    decoder_start_id: int | None = None
    equal_examples: bool = False
    part_tokens: int = PART_TOKENS_CPU


class EncodedSplit:
    """One split of all tasks as tokens, without the examples that do not fit. By task: `num_cut` counts those whose
    prompt gave way, `kept` holds the places in the dataset of those that fit, `num_left_out` counts the others."""

    def __init__(self, dataset: TaskDataset, split: str, encoder: Encoder, max_rows: int | None = None) -> None:
        self.encoder = encoder
        self.examples: list[list[Encoded]] = []
        self.kept: list[list[int]] = []
        self.num_left_out: list[int] = []
        for task in range(len(dataset.tasks)):
            rows = dataset.split(task, split)[:max_rows]
            found = encode_task(encoder.tokenizer, rows, encoder.architecture, encoder.max_tokens, task)
            self.examples.append([example for example in found if example is not None])
            self.kept.append([place for place, example in enumerate(found) if example is not None])
            self.num_left_out.append(len(found) - len(self.kept[-1]))
        self.num_cut = [sum(1 for e in task if e.num_cut) for task in self.examples]
        self._collator = Collator(encoder.pad_id, encoder.architecture)
        self.chunks = OFF  # one of the setting's choices
        self.room = encoder.max_tokens  # of a row of joined examples
        self.packed = False  # examples behind each other instead of padded rows (core/training/choose_packing.py)
        self.packed_tokens, self.chunk_size = PACKED_TOKENS, SMALL_CHUNKS

    def fitting(self, dataset: TaskDataset, split: str) -> TaskDataset:
        """The dataset with only those examples of the split that fit, so that both count alike."""
        examples = dict(dataset.examples)
        for task, kept in enumerate(self.kept):
            examples[(task, split)] = [dataset.split(task, split)[place] for place in kept]
        return replace(dataset, examples=examples)

    def length(self, place: Place) -> int:
        return self.examples[place[0]][place[1]].length

    def places(self) -> list[Place]:
        return [(task, row) for task, rows in enumerate(self.examples) for row in range(len(rows))]

    def collate(self, places: list[Place]) -> Batch:
        """A batch: input_ids, attention_mask [b, n], task_ids (list of b), num_tokens, and for the N answer tokens
        positions, targets, tasks_of_tokens, examples_of_tokens (their place in the batch) and token_weights [N].

        Decoder-only batches also tell which tokens are the question: prompt_mask [b, n]."""
        collated = self._collator([self.examples[task][row] for task, row in places])
        shifted = self.encoder.architecture == "decoder"
        labels = collated["labels"]
        positions, targets, owners = answer_positions(labels, shifted)
        tasks = collated["task_ids"]
        mask = collated["attention_mask"]
        batch: Batch = {
            "input_ids": collated["input_ids"],
            "attention_mask": mask,
            "num_tokens": int(mask.sum()),
            "task_ids": tasks.tolist(),
            "tasks_of_tokens": tasks[owners],
            "examples_of_tokens": owners,
            "positions": positions,
            "targets": targets,
            "token_weights": self._token_weights(owners, places),
        }
        if shifted:
            batch["prompt_mask"] = mask.bool() & (labels == -100)
        else:
            batch["decoder_input_ids"] = self._shift_right(labels)
        return batch

    def parts(self, places: list[Place]) -> list[Batch]:
        """A batch as parts of like length, to be computed one after the other; their sums are the batch's."""
        if self.chunks == JOINED or (self.chunks == APART and not self.packed):
            return [self.join(chunk) for chunk in self.cut_chunks(places)]
        if self.packed:
            return [self.pack(part) for part in cut_by_tokens(places, self.length, self.packed_tokens)]
        split = split_by_length([self.length(place) for place in places], self.encoder.part_tokens)
        return [self.collate([places[i] for i in part]) for part in split]

    def pack(self, places: list[Place]) -> Batch:
        """As `collate` for a decoder-only model, with the examples behind each other and what those of a task begin
        with only once: input_ids [1, N], packing."""
        examples = [self.examples[task][row] for task, row in places]
        lengths, listed = [example.length for example in examples], [example.task_id for example in examples]
        shared = share_beginnings([example.input_ids for example in examples], listed)
        packing = pack(lengths, shared, self.chunk_size)
        ids = torch.full((1, len(packing.owners)), self.encoder.pad_id)
        # A first token is predicted from nothing; here another example's last one would stand before it.
        labels = torch.tensor([i for example in examples for i in (IGNORED, *example.labels[1:])])
        tokens = torch.cat(packing.tokens)
        ids[0, tokens] = torch.tensor([i for example in examples for i in example.input_ids])
        learned = (labels != IGNORED).nonzero().flatten()
        owners = torch.arange(len(places)).repeat_interleave(torch.tensor(lengths))[learned]
        positions = tokens[learned - 1]
        return {
            "input_ids": ids,
            "packing": packing,
            "num_tokens": sum(lengths),
            "task_ids": listed,
            "tasks_of_tokens": torch.tensor(listed)[owners],
            "examples_of_tokens": owners,
            "positions": positions,
            "targets": labels[learned],
            "wanted": functional.pad(positions, (0, -len(positions) % ROUND_TOKENS)),
            "token_weights": self._token_weights(owners, places),
        }

    def join(self, places: list[Place]) -> Batch:
        """Examples behind each other in one row that the model's own attention reads: input_ids and position_ids
        [1, N], owners [N]. APART: every example alone, by its positions and a mask [1, 1, N, N]. JOINED: also those
        before it, as one text."""
        examples = [self.examples[task][row] for task, row in places]
        lengths = torch.tensor([len(example.input_ids) for example in examples])
        owners, steps = torch.arange(len(places)).repeat_interleave(lengths), torch.arange(int(lengths.sum()))
        starts = lengths.cumsum(0) - lengths
        # A first token has nothing of its own before it to be predicted from.
        labels = torch.tensor([i for example in examples for i in (IGNORED, *example.labels[1:])])
        learned = (labels != IGNORED).nonzero().flatten()
        listed = [example.task_id for example in examples]
        batch: Batch = {
            "input_ids": torch.tensor([[i for example in examples for i in example.input_ids]]),
            "position_ids": (steps - starts[owners] if self.chunks == APART else steps)[None],
            "owners": owners,
            "num_tokens": len(steps),
            "task_ids": listed,
            "tasks_of_tokens": torch.tensor(listed)[owners[learned]],
            "examples_of_tokens": owners[learned],
            "positions": learned - 1,
            "targets": labels[learned],
            "token_weights": self._token_weights(owners[learned], places),
        }
        if self.chunks == APART:
            sees = (owners[:, None] == owners[None, :]).tril()
            batch["attention_mask"] = sees[None, None]
        return batch

    def cut_chunks(self, places: list[Place]) -> list[list[Place]]:
        """A batch of `chunked` places as its chunks; a row that would be longer than the model reads is cut."""
        found: list[list[Place]] = []
        for place in places:
            filled = sum(map(self.length, found[-1])) if found else 0
            if not found or place[0] <= found[-1][-1][0] or filled + self.length(place) > self.room:
                found.append([])
            found[-1].append(place)
        return found

    def _token_weights(self, owners: torch.Tensor, places: list[Place]) -> torch.Tensor:
        """The weight of the token's example, 1 unless the task has weights; divided by the tokens of its answer
        when all examples count the same (EMMA, 2311.04067)."""
        weights = torch.tensor([self.examples[task][row].weight for task, row in places])[owners]
        if not self.encoder.equal_examples:
            return weights
        return weights / torch.bincount(owners, minlength=len(places))[owners]

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """All rows once, sorted by length, for checks."""
        for places in self.groups(batch_size):
            yield self.pack(places) if self.packed else self.collate(places)

    def groups(self, batch_size: int, of_each: int | None = None) -> Iterator[list[Place]]:
        """The places of `batches`, batch by batch; with `of_each` those of each task's first rows alone."""
        wanted = (place for place in self.places() if of_each is None or place[1] < of_each)
        places = sorted(wanted, key=self.length)
        for start in range(0, len(places), batch_size):
            chosen = places[start : start + batch_size]
            if self.packed:
                yield from cut_by_tokens(chosen, self.length, self.packed_tokens)
            else:
                yield chosen

    def _shift_right(self, labels: torch.Tensor) -> torch.Tensor:
        """Decoder inputs of an encoder-decoder model: the answer moved right by its start token."""
        shifted = labels.roll(1, dims=1)
        start, pad = self.encoder.decoder_start_id, self.encoder.pad_id
        shifted[:, 0] = pad if start is None else start
        return shifted.masked_fill(shifted == -100, pad)


class BatchPlan:
    """Micro batch number -> places, for the whole run: the mixture's examples in the order drawn. The plan of one
    pass is kept at a time.
    """

    def __init__(self, sampler: MixtureSampler, batch_size: int, chunks: str = OFF) -> None:
        self._sampler = sampler
        self._chunks = chunks
        self.rows_at_once = whole_chunks(batch_size, chunks, sum(1 for size in sampler.sizes if size))
        self._first = [0]  # number of the first micro batch of every pass seen so far
        self._pass = -1
        self._batches: list[list[Place]] = []
        if not self._plan(0):
            raise TaskloomError("training.no_batches")

    def places(self, number: int) -> list[Place]:
        """Micro batch `number` of the run, counted from 0."""
        epoch = 0
        while True:
            start = self._first[epoch]
            if epoch + 1 < len(self._first) and number >= self._first[epoch + 1]:
                epoch += 1
                continue
            batches = self._plan(epoch)
            if len(self._first) == epoch + 1:
                self._first.append(start + len(batches))
            if number < self._first[epoch + 1]:
                return batches[number - start]
            epoch += 1

    def _plan(self, epoch: int) -> list[list[Place]]:
        if self._pass != epoch:
            drawn = self._sampler.epoch_examples(epoch)
            drawn = drawn if self._chunks == OFF else chunked(drawn)
            size = self.rows_at_once
            self._batches = [drawn[start : start + size] for start in range(0, len(drawn), size)]
            self._pass = epoch
        return self._batches


def chunked(drawn: list[Place]) -> list[Place]:
    """The same examples, dealt out in chunks that hold one of each task, in the tasks' order, while they last."""
    seen: Counter[int] = Counter()
    turns = []
    for task, row in drawn:
        turns.append((seen[task], task, row))
        seen[task] += 1
    return [(task, row) for _, task, row in sorted(turns)]


class MicroBatches(Dataset[list[Batch]]):
    """The micro batches of one stage and one process, in order, as a map-style dataset; each as its ready parts.

    A step takes accumulation x processes micro batches of the plan; process p of N takes p, p + N, ...: N processes
    together see what one process with N times the accumulation sees.
    """

    def __init__(
        self, split: EncodedSplit, plan: BatchPlan, first: int, count: int, rank: int = 0, world: int = 1
    ) -> None:
        self._split = split
        self._plan = plan
        self._first = first
        self._count = count
        self._rank = rank
        self._world = world

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> list[Batch]:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._split.parts(self._plan.places(self._first + index * self._world + self._rank))
