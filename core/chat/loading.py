"""Trained runs in the memory of a worker: base models once a name, any number of adapters on top of them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from core.adapters.registry import METHODS
from core.adapters.skill import COMMON
from core.base.errors import ModelError, RunError
from core.chat.prompts import build_prompt, with_examples
from core.chat.protocol import DONE, FULL, LABELS, ChatEvent, ChatRequest, SkillWeight
from core.chat.quantising import quantise_base
from core.chat.router import Router, load_router
from core.evaluation.certainty import Certainty, read_certainties
from core.evaluation.choosing import Given, LabelSet, build_label_set
from core.evaluation.intervals import FEW
from core.evaluation.labels import task_labels
from core.insight.allocation import most_telling
from core.models.answer import Answer, choose_token
from core.models.building import load_adapter
from core.models.decoding import Batch, build_batch
from core.models.forward import Blend, end_tokens, share_weights
from core.models.label_scores import LabelQuestion, LabelScorer
from core.models.loading import LoadedBase, load_base
from core.models.modular import ModularModel
from core.runs.device_lease import lease_holder
from core.runs.folder import RunFolder
from core.runs.skill_names import read_names
from core.tasks.dataset import TaskDataset, load_saved_dataset
from core.tasks.encoding import encode_prompt
from core.training.device import card_has_bfloat16

MAX_RUNS = 4  # adapters kept in memory; base models are shared and stay
ANSWER_TOKENS = 128  # where neither the question nor the run's settings say how long an answer may be


class LoadedRun:
    """One trained run, ready to answer. Tasks are those of the frozen copy in the run folder."""

    def __init__(self, run_dir: Path, model: ModularModel, base: LoadedBase) -> None:
        self.folder = RunFolder(run_dir)
        self.model, self.base, self.tokenizer = model, base, base.tokenizer
        self.tasks = self.folder.read_tasks()
        self.config = self.folder.read_config()
        self.ends = end_tokens(base)
        self.device: str = model.device.type
        self._label_sets: dict[int, LabelSet | None] | None = None
        self._certainties = read_certainties(self.folder.certainty_path) or {}
        self._router: tuple[int, Router] | None = None  # with when its file was written

    def task_index(self, name: str) -> int:
        """Row of a task in the allocation, by its name or id."""
        for index, task in enumerate(self.tasks):
            if name in (task.name, task.task_id):
                return index
        raise RunError("insight.no_task", task=name, known=", ".join(task.name for task in self.tasks))

    def build_answer(self, number: int, request: ChatRequest) -> tuple[Answer, int]:
        """An answer about to be written, and how many prompt tokens had to be left out.

        Raises:
            RunError: no such task, also in the mixture, or a value for one of its input columns is missing.
        """
        index = self.task_index(request.task)
        if request.raw is not None:
            return self._raw_answer(number, index, request), 0
        longest = request.max_new_tokens or self.config.max_new_tokens or ANSWER_TOKENS
        room, context = self.config.max_tokens, self.base.context
        is_decoder = self.base.architecture == "decoder"  # it writes its answer behind the prompt
        if is_decoder:
            room = min(room, max(context // 2, context - longest))
        prompt = build_prompt(self.tasks[index], request.require_input())
        turns = with_examples(self.tokenizer, prompt, request.examples, self.base.architecture, room)
        encoded = encode_prompt(self.tokenizer, turns, self.base.architecture, room)
        if is_decoder:
            longest = min(longest, context - len(encoded.input_ids))
        return self._answer(number, index, list(encoded.input_ids), longest, request), encoded.num_cut

    def _answer(self, number: int, index: int, prompt: list[int], longest: int, request: ChatRequest) -> Answer:
        blend = {self.task_index(name): share for name, share in request.blend}
        how = (request.temperature, request.top_p, request.seed, blend)
        return Answer(number, index, prompt, longest, *how, num_likely=request.num_likely)

    def _raw_answer(self, number: int, index: int, request: ChatRequest) -> Answer:
        """A text as it stands; one that is too long is refused, since whoever writes a prompt himself counts on
        all of it."""
        is_decoder, given = self.base.architecture == "decoder", request.raw
        prompt = list(self.tokenizer(given)["input_ids"]) if isinstance(given, str) else list(given or ())
        if not prompt:
            raise RunError("serving.empty_message")
        if not all(0 <= token < self.model.config.vocab_size for token in prompt):
            raise RunError("serving.bad_request", detail="a token id is outside of the vocabulary")
        if request.echo and not is_decoder:
            raise RunError("serving.no_echo")
        longest = ANSWER_TOKENS if request.max_new_tokens is None else request.max_new_tokens
        room = self.base.context - (longest if is_decoder else 0)
        if len(prompt) > room:
            raise RunError("serving.raw_too_long", length=len(prompt), room=max(0, room), answer=longest)
        return self._answer(number, index, prompt, longest, request)

    def labels_for(self, request: ChatRequest, answer: Answer) -> LabelSet | None:
        """What the answer is chosen from; None where it is written, as every text is that was given raw or is to
        come with how likely its tokens were."""
        is_written = request.answers != LABELS or request.raw is not None or request.num_likely is not None
        return None if is_written or request.echo else self.label_set(answer.task)

    def choose(self, asked: Sequence[tuple[ChatRequest, Answer, LabelSet]], tuned: bool) -> list[Given]:
        """Answers chosen among labels, all in one go. How sure they are is told where check rows were answered in
        the same way: by the tuned model as one task, without examples in front and with its own number types."""
        known = [self._certainty(request, answer) if tuned else None for request, answer, _ in asked]
        slack = [labels.slack(one) for one, (_, _, labels) in zip(known, asked, strict=True)]
        exact = max(slack, default=0.0) if all(request.temperature <= 0 for request, _, _ in asked) else None
        questions = [LabelQuestion(answer.prompt, answer.tasks, labels.ids) for _, answer, labels in asked]
        found = LabelScorer(self.base, self.model, tuned).score(questions, exact)
        given = []
        for (request, answer, labels), values, one in zip(asked, found, known, strict=True):
            place = choose_token(values, request.temperature, request.top_p, answer.random)
            given.append(labels.give(values.tolist(), one, place))
        return given

    def _certainty(self, request: ChatRequest, answer: Answer) -> Certainty | None:
        is_plain = not answer.blend and not request.examples and request.precision == FULL
        return self.certainty_of(answer.task) if is_plain else None

    def label_set(self, task: int) -> LabelSet | None:
        """What the answers of a task are chosen from; None for tasks whose answers are written."""
        if self._label_sets is None:
            dataset = self._dataset()
            sets = (build_label_set(self.tokenizer, task_labels(dataset, task)) for task in range(len(self.tasks)))
            self._label_sets = dict(enumerate(sets))
        return self._label_sets.get(task)

    def _dataset(self) -> TaskDataset:
        """Without rows where they were left behind, as in an exported run."""
        if any(self.folder.data_dir.glob("*.jsonl")):
            return load_saved_dataset(self.folder.data_dir)
        return TaskDataset(self.tasks, {})

    def certainty_of(self, task: int) -> Certainty | None:
        """How far the likelihoods of a task's labels can be believed, as check rows have shown; None where these
        were too few to say."""
        found = self._certainties.get(self.tasks[task].task_id)
        return found if found is not None and found.rows >= FEW else None

    def route(self, request: ChatRequest) -> ChatEvent:
        """Which task the text of a request belongs to, by one pass of the base model without any adapter.

        Raises:
            RunError: the run has no router.
        """
        text, path = request.require_input(), self.folder.router_path
        written = path.stat().st_mtime_ns if path.is_file() else 0
        if self._router is None or self._router[0] != written:
            self._router = (written, load_router(path, self.base))
        found = self._router[1].detect(text if isinstance(text, str) else "\n".join(text.values()))
        return ChatEvent(DONE, ranking=found.ranking, values={"foreign": found.foreign})

    def build_batch(self, tuned: bool) -> Batch:
        return build_batch(self.base, self.model, tuned)

    def skill_weights(self, tasks: Blend) -> tuple[SkillWeight, ...]:
        """What the tasks use, mixed, in the layer where tasks differ most (skills of one layer have nothing to do
        with those of the next, so a mean would say nothing); private skills of others are left out. Named as on the
        Skills screen; nothing where no task mixes otherwise than another."""
        allocation, total = self.model.allocation(), sum(tasks.values())
        skills = self.model.adapter.skills()
        common = [i for i, skill in enumerate(skills) if skill.kind == COMMON]
        mixed_alike = bool((allocation[:, :, common] == allocation[:, :1, common]).all())
        if len(skills) == 1 or not common or (mixed_alike and allocation.shape[1] > 1):
            return ()  # one adapter for all or one for each: there is nothing to mix, and no such layer
        layer = most_telling(allocation, common)
        mixed = sum(allocation[layer, task] * (share / total) for task, share in tasks.items())
        names = read_names(self.folder.path)
        return tuple(
            SkillWeight(names.get(skill.name, skill.name), skill.kind, round(float(weight), 4))
            for skill, weight in zip(skills, mixed, strict=True)
            if skill.task is None or skill.task in tasks or weight
        )


class RunShelf:
    """Loaded runs, newest used last; a run that was trained further is loaded anew."""

    def __init__(self) -> None:
        self._bases: dict[tuple[str, str, str], LoadedBase] = {}
        self._runs: OrderedDict[tuple[str, str], tuple[float, LoadedRun]] = OrderedDict()

    def holds(self, run_dir: str, precision: str = FULL) -> bool:
        kept = self._runs.get((run_dir, precision))
        return kept is not None and kept[0] == _saved_at(run_dir)

    def get(self, run_dir: str, precision: str = FULL) -> LoadedRun:
        """The run in this folder, loaded when it is not here yet.

        Raises:
            RunError: it has no trained adapter. ModelError: base model or adapter cannot be loaded, or not in this
            precision on this machine.
        """
        key = (run_dir, precision)
        if not self.holds(run_dir, precision):
            self._runs[key] = (_saved_at(run_dir), self._load(RunFolder(run_dir), precision))
        self._runs.move_to_end(key)
        while len(self._runs) > MAX_RUNS:
            self._runs.popitem(last=False)
        return self._runs[key][1]

    def forget_device(self, device: str) -> None:
        """Drops everything on a device, so that its memory is free for others."""
        self._runs = OrderedDict((k, kept) for k, kept in self._runs.items() if kept[1].device != device)
        self._bases = {key: base for key, base in self._bases.items() if key[1] != device}
        if device == "cuda":
            torch.cuda.empty_cache()

    def workspaces_on(self, device: str) -> set[Path]:
        """Workspaces whose runs are loaded on a device."""
        return {run.folder.workspace_dir for _, run in self._runs.values() if run.device == device}

    def _load(self, folder: RunFolder, precision: str) -> LoadedRun:
        config, (dtype, device) = folder.read_config(), chat_device(folder.workspace_dir)
        if precision != FULL and METHODS.get(config.method).reads_weights:
            raise ModelError("chat.no_precision", method=config.method)
        key = (config.base_model, device, precision)
        if key not in self._bases:
            base = load_base(config.base_model, dtype, device)
            quantise_base(base, precision)
            self._bases[key] = base
        base = self._bases[key]
        own = replace(base, model=share_weights(base.model))
        return LoadedRun(folder.path, load_adapter(own, folder.adapter_dir), base)


def chat_device(workspace_dir: Path) -> tuple[str, str]:
    """Number type and device that questions are answered with now."""
    device = free_device(workspace_dir)
    return ("bfloat16" if device == "cuda" and card_has_bfloat16() else "float32"), device


def free_device(workspace_dir: Path) -> str:
    """The graphics card when there is one that no training holds, so that a chat never delays or crowds a run."""
    if not torch.cuda.is_available():
        return "cpu"
    holder = lease_holder(workspace_dir, "cuda:0")
    return "cuda" if holder is None or holder.get("pid") == os.getpid() else "cpu"


def _saved_at(run_dir: str) -> float:
    path = RunFolder(run_dir).description_path
    if not path.is_file():
        raise RunError("serving.no_adapter", run=Path(run_dir).name)
    return path.stat().st_mtime
