"""The other way to find the task of a text: a router over the base model's hidden states. Needs torch.

As in the prompt-aware routing of WavLLM (Hu et al., arXiv 2404.00656, section 3.2) the prompt is read once with the
adapters off, pooled with attention, and the pooled vector decides:

    S = W2 GELU(W1 LN(H)),  p = sum_n softmax(S)_n LN(H_n),  q = softmax(V2 GELU(V1 p) / temperature)

The answer is then given with the skills sum_t q_t alpha_t, as for the detector over n-grams (`detecting.py`). The
paper's own use of p, a scale in [0, 3] for every element of the adapters' outputs, is left out: answers of a task
would differ from those of the LoRA, the merged model and the Space that are exported of it.

Whether a text is of none of the tasks is fitted as in `abstaining.py`, on likenesses of p. What is kept are
means of at least LEAST_SUMMED practice rows each, never a row, so that a router may leave with its run.

Shapes: n tokens of a text, d the model's width, T tasks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from core.base.errors import ModelError, RunError
from core.base.seeds import torch_seed
from core.chat.abstaining import AbstainReport, Fitted, drawn_topics, fit_limit, judge_limit, read_foreign_texts
from core.chat.detecting import Detection, find_rows, rank_tasks
from core.chat.text_space import Array, nearest, shorten
from core.evaluation.certainty import fit_temperature, softmax
from core.models.catalogue import resolve_model
from core.models.hidden_states import read_states
from core.models.loading import LoadedBase
from core.tasks.dataset import TaskDataset

ROWS = {"train": 100, "validation": 50, "test": 300}  # at most, of a task
WIDTH = 64  # of both layers between
PASSES, TOGETHER, RATE = 20, 64, 3e-3  # over the practice rows, rows of a step, learning rate at the start
LEAST_SUMMED = 10  # practice rows of a mean
_FORMAT = "1"


class Net(nn.Module):
    """Attention pooling and a decision over what was pooled."""

    def __init__(self, width: int, num_tasks: int) -> None:
        super().__init__()
        self.look, self.score = nn.Linear(width, WIDTH), nn.Linear(WIDTH, 1)
        self.hidden, self.decide = nn.Linear(width, WIDTH), nn.Linear(WIDTH, num_tasks)

    def forward(self, states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """[n, d] of each text -> decisions [texts, T], pooled [texts, d]."""
        padded = nn.utils.rnn.pad_sequence(list(states), batch_first=True)
        x = F.layer_norm(padded, padded.shape[-1:])
        lengths = torch.tensor([len(rows) for rows in states])
        scores = self.score(F.gelu(self.look(x))).squeeze(-1)
        scores = scores.masked_fill(torch.arange(x.shape[1]) >= lengths[:, None], -torch.inf)
        pooled = (scores.softmax(-1)[..., None] * x).sum(1)
        return self.decide(F.gelu(self.hidden(pooled))), pooled


@dataclass(frozen=True)
class Tables:
    """What abstaining needs. middle and spread [d] of the pooled vectors; means of practice rows and of foreign
    texts' topics [., d], of length 1; the likenesses that the limit was fitted on, and foreign texts' topics."""

    middle: Array
    spread: Array
    own: Array
    foreign: Array
    fitted_own: Array
    fitted_foreign: Array
    topics: NDArray[np.int64]

    def place(self, pooled: Array) -> Array:
        return _of_length_one((pooled - self.middle) / self.spread)

    def likenesses(self, pooled: Array, decisions: Array, topics: NDArray[np.int64] | None = None) -> Array:
        """[texts, 3]: to own means, to foreign ones (not that of a text's own topic), and how large the decision's
        values are altogether (Liu et al. 2020, energy)."""
        placed = self.place(pooled)
        far = placed @ self.foreign.T
        if topics is not None:
            far = np.where(topics[:, None] == np.unique(topics)[None, :], 0.0, far)
        highest = decisions.max(1)
        energy = highest + np.log(np.exp(decisions - highest[:, None]).sum(1))
        return np.stack([nearest(placed @ self.own.T), far.max(1), energy], 1)


class Router:
    """Of one run: the tasks by name, and a base model to read with. Use `train_router` or `load_router`."""

    def __init__(self, base: LoadedBase, names: list[str], net: Net, temperature: float, tables: Tables) -> None:
        self.base, self.names, self.net, self.temperature, self.tables = base, names, net, temperature, tables
        self._limit: Fitted = fit_limit(tables.fitted_own, tables.fitted_foreign)

    def detect(self, text: str) -> Detection:
        """The task of a text as a user would type it, without an instruction."""
        probability, foreign = self.judge([text])
        return rank_tasks(self.names, probability[0], float(foreign[0]))

    def judge(self, texts: Sequence[str]) -> tuple[Array, Array]:
        """[texts, T] probabilities and [texts] in 0..1, above one half a text is none of the tasks: one pass."""
        decisions, pooled = _run(self.net, read_states(self.base, [shorten(text) for text in texts]))
        found = self._limit.foreignness(self.tables.likenesses(pooled, decisions))
        foreign = np.where([bool(text.strip()) for text in texts], found, 1.0)
        return softmax(decisions / self.temperature), foreign

    @property
    def foreign_topics(self) -> frozenset[int]:
        return frozenset(map(int, np.unique(self.tables.topics)))

    def abstains(self, foreign: Array, among: Collection[int] | None = None) -> AbstainReport:
        """How well it refuses: `foreign` of own exam texts, and the shipped texts, each topic without itself."""
        tables = self.tables
        return judge_limit(tables.fitted_own, tables.fitted_foreign, tables.topics, foreign, among)


def train_router(base: LoadedBase, dataset: TaskDataset, seed: int) -> Router:
    """A router for a run's tasks, from practice rows, check rows and the shipped foreign texts; every draw follows
    from `seed`. The hidden states are read once and kept while it learns.

    Raises:
        RunError: fewer than two tasks, or too few practice rows of one.
    """
    texts, labels = few_rows(dataset, "train")
    counts = np.bincount(labels, minlength=len(dataset.tasks))
    if len(dataset.tasks) < 2 or counts.min() < LEAST_SUMMED:
        raise RunError("chat.no_router_rows", least=LEAST_SUMMED)
    check_texts, check_labels = few_rows(dataset, "validation")
    states = read_states(base, texts)
    net = _learn(states, labels, len(dataset.tasks), seed)
    decisions, pooled = _run(net, states)
    checked = _run(net, read_states(base, check_texts)) if check_texts else (decisions, pooled)
    known = check_labels if check_texts else labels
    tables = _measure(net, base, (pooled, labels), checked)
    return Router(base, dataset.names(), net, fit_temperature(checked[0], known), tables)


def few_rows(dataset: TaskDataset, split: str) -> tuple[list[str], NDArray[np.int64]]:
    """As `find_rows`, shortened and at most ROWS of a task."""
    texts, labels = find_rows(dataset, split)
    kept = [i for task in np.unique(labels) for i in np.flatnonzero(labels == task)[: ROWS[split]]]
    return [shorten(texts[i]) for i in kept], labels[kept]


def save_router(router: Router, path: Path) -> None:
    """One safetensors file: the net's tensors and the tables; names and numbers in its metadata."""
    tables = {
        f"tables.{name}": torch.from_numpy(np.asarray(value, dtype=np.int64 if name == "topics" else np.float32))
        for name, value in vars(router.tables).items()
    }
    told = {"names": router.names, "temperature": router.temperature, "base_model": router.base.model_id}
    tensors = {**{f"net.{k}": v for k, v in router.net.state_dict().items()}, **tables}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    save_file(tensors, draft, metadata={"format": _FORMAT, "router": json.dumps(told, ensure_ascii=False)})
    draft.replace(path)


def load_router(path: Path, base: LoadedBase) -> Router:
    """The inverse of `save_router`.

    Raises:
        RunError: there is none, it is damaged, or was made on another base model.
    """
    require_router(path)
    try:
        with safe_open(path, framework="pt") as file:
            told: dict[str, Any] = json.loads(file.metadata()["router"])
            known = str(told["base_model"])
            kept = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in kept}
        states = {name[4:]: value for name, value in tensors.items() if name.startswith("net.")}
        net = Net(states["look.weight"].shape[1], len(told["names"]))
        net.load_state_dict(states)
        parts = {name[7:]: value.numpy() for name, value in tensors.items() if name.startswith("tables.")}
        tables = Tables(**{n: v if n == "topics" else v.astype(np.float64) for n, v in parts.items()})
        router = Router(base, list(told["names"]), net, float(told["temperature"]), tables)
    except (OSError, SafetensorError, ValueError, TypeError, LookupError, RuntimeError) as error:
        raise RunError("chat.router_damaged", file=path.name, run=path.parent.name) from error
    if _folder_name(known) != _folder_name(base.model_id):
        raise RunError("chat.router_of_other", run=path.parent.name, known=known, base=base.model_id)
    return router


def _folder_name(base_model: str) -> str:
    """Of a base model's folder: the same wherever the model lies, and for its id."""
    try:
        return Path(resolve_model(base_model)).name
    except ModelError:  # it is not on this machine
        return Path(base_model).name


def require_router(path: Path) -> None:
    """Raises RunError where the run has learned none."""
    if not path.is_file():
        raise RunError("chat.no_router", run=path.parent.name)


def _learn(states: list[Tensor], labels: NDArray[np.int64], num_tasks: int, seed: int) -> Net:
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(torch_seed(seed, 9))
        net = Net(states[0].shape[1], num_tasks)
        wanted, parts = torch.from_numpy(labels), -(-len(states) // TOGETHER)
        counts = torch.bincount(wanted, minlength=num_tasks).float()
        weights = len(states) / (num_tasks * counts.clamp(min=1))  # a task with few rows counts as much
        optimizer = torch.optim.AdamW(net.parameters(), lr=RATE)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, PASSES * parts)
        for _ in range(PASSES):
            for part in torch.randperm(len(states)).split(TOGETHER):
                decisions, _ = net([states[int(i)] for i in part])
                optimizer.zero_grad()
                F.cross_entropy(decisions, wanted[part], weights).backward()
                optimizer.step()
                schedule.step()
    return net.eval()


@torch.no_grad()
def _run(net: Net, states: list[Tensor]) -> tuple[Array, Array]:
    """Decisions [texts, T] and pooled [texts, d]."""
    found = [net(states[start : start + TOGETHER]) for start in range(0, len(states), TOGETHER)]
    return tuple(torch.cat(parts).double().numpy() for parts in zip(*found, strict=True))  # type: ignore[return-value]


def _measure(
    net: Net, base: LoadedBase, practice: tuple[Array, NDArray[np.int64]], checked: tuple[Array, Array]
) -> Tables:
    pooled, labels = practice
    foreign = read_foreign_texts()
    decisions, strange = _run(net, read_states(base, [shorten(text) for text in foreign.texts]))
    both = np.vstack([pooled, strange])
    middle, spread = both.mean(0), np.maximum(both.std(0), 1e-6)
    placed, far = _of_length_one((pooled - middle) / spread), _of_length_one((strange - middle) / spread)
    likeness = [placed[labels == task] @ far.T for task in np.unique(labels)]
    kept = ~np.isin(foreign.topics, drawn_topics(likeness))
    topics = foreign.topics[kept]
    own = np.vstack([_means(placed[labels == task]) for task in np.unique(labels)])
    means = np.vstack([far[kept][topics == topic].mean(0) for topic in np.unique(topics)])
    empty = np.empty((0, 3))
    tables = Tables(middle, spread, own, _of_length_one(means), empty, empty, topics)
    fitted = tables.likenesses(checked[1], checked[0])
    known = tables.likenesses(strange[kept], decisions[kept], topics)
    return Tables(middle, spread, own, tables.foreign, fitted, known, topics)


def _means(rows: Array) -> Array:
    """Means of at least LEAST_SUMMED neighbours: cut in two along the widest direction while both halves may be
    summed."""
    if len(rows) < 2 * LEAST_SUMMED:
        return _of_length_one(rows.mean(0, keepdims=True))
    centred = rows - rows.mean(0)
    order = np.argsort(centred @ np.linalg.svd(centred, full_matrices=False)[2][0], kind="stable")
    half = len(rows) // 2
    return np.vstack([_means(rows[order[:half]]), _means(rows[order[half:]])])


def _of_length_one(rows: Array) -> Array:
    found: Array = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
    return found
