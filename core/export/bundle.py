"""Exports of a run as folders that can be handed on: the weights, checked after reloading, and a model card.

Nothing of the training rows leaves with an export; a whole run takes the tasks' descriptions along, not their rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from core.base.errors import RunError, SettingError, require_between
from core.base.files import write_text_atomic
from core.base.folders import undone_on_error
from core.chat.loading import LoadedRun
from core.export.card import GGUF, LORA, SPACE, WHOLE_RUN, CardRequest, build_card
from core.export.gguf import LORA_FILE
from core.export.gguf_export import add_gguf_lora, export_gguf, require_gguf
from core.export.gguf_numbers import NUMBERS
from core.export.recheck import Written, recheck, recheck_run
from core.export.space import build_space
from core.export.weights import ExportReport, build_probe, export_folder, export_lora, export_merged
from core.models.building import load_adapter
from core.models.catalogue import pinned_revision, resolve_model
from core.models.chat_form import save_tokenizer
from core.models.forward import share_weights
from core.models.loading import load_base
from core.runs.folder import RunFolder
from core.tasks.dataset import TaskDataset, load_saved_dataset, save_dataset
from core.tasks.spec import TaskSpec

PROBE_ROWS = 4


Tell = Callable[[int, int, str], None]  # done, of how many, the task that is next


@dataclass(frozen=True)
class ExportWish:
    """What to export: one of `card.KINDS`, some tasks (None: all), the card's language, how many practice rows a
    task the card may show (0: none; they are public wherever the card is), and the weight under which a task leaves
    without a common skill (0: with all it uses). `numbers`: what a GGUF file stores weights in."""

    kind: str = LORA
    tasks: tuple[str, ...] | None = None
    language: str = "en"
    examples: int = 0
    drop_below: float = 0.0
    numbers: str = NUMBERS[0]

    def __post_init__(self) -> None:
        if self.numbers not in NUMBERS:
            raise SettingError("export.numbers", numbers=self.numbers, known=", ".join(NUMBERS))
        require_between("drop_below", self.drop_below, 0, 1)


@dataclass(frozen=True)
class Export:
    """One exported folder. `difference`: the largest difference of logits (32-bit floats) between the run and the
    files, loaded again in a fresh process."""

    task: str | None
    folder: Path
    rank: int | None
    difference: float


def export_run(run_dir: Path, target: Path, wish: ExportWish, tell: Tell = lambda *_: None) -> list[Export]:
    """Exports tasks of a run below `target`, one folder a task; a Space or a whole run into `target` itself. `tell`
    hears of every task before it is written, and at last "", when all is read again.

    Raises:
        RunError: no trained adapter, an unknown task, the target is in use, or a reloaded export differs.
        ModelError: the method cannot become this kind of export.
    """
    if target.exists() and any(target.iterdir()):
        raise RunError("serving.target_used", folder=str(target))
    if wish.kind == GGUF:
        require_gguf(RunFolder(run_dir).read_config().base_model)
    run = load_for_export(run_dir)
    if wish.drop_below:
        run.model.adapter.prune(wish.drop_below)
    indices = [run.task_index(name) for name in wish.tasks or [task.name for task in run.tasks]]
    was_there = target.exists()

    def clear() -> None:  # what was not compared is not offered
        shutil.rmtree(target, ignore_errors=True)
        if was_there:
            target.mkdir()

    with undone_on_error(clear):
        if wish.kind == WHOLE_RUN:
            return [_export_whole(run, target, wish)]
        if wish.kind == SPACE:
            return [_export_space(run, indices, target, wish)]
        return _export_tasks(run, indices, target, wish, tell)


def load_for_export(run_dir: Path) -> LoadedRun:
    """The run in 32-bit floats on the processor, so that the files are exact wherever they were made."""
    folder = RunFolder(run_dir)
    if not folder.description_path.is_file():
        raise RunError("serving.no_adapter", run=run_dir.name)
    base = load_base(folder.read_config().base_model)
    own = replace(base, model=share_weights(base.model))
    return LoadedRun(folder.path, load_adapter(own, folder.adapter_dir), base)


def _export_tasks(run: LoadedRun, indices: list[int], target: Path, wish: ExportWish, tell: Tell) -> list[Export]:
    probe = _probe(run, indices)
    write = _export_ggufs if wish.kind == GGUF else _export_checked
    exports = []
    for index, report in zip(indices, write(run, _told(run, indices, tell), target, probe, wish), strict=True):
        name = run.tasks[index].name
        exports.append(Export(name, report.folder, report.rank, report.difference))
        has_gguf = wish.kind == LORA and (report.folder / LORA_FILE).is_file()
        request = CardRequest(run.folder.path, wish.kind, name, wish.language, wish.examples, has_gguf)
        write_text_atomic(report.folder / "README.md", build_card(request))
    return exports


def _told(run: LoadedRun, indices: list[int], tell: Tell) -> Iterator[int]:
    for done, index in enumerate(indices):
        tell(done, len(indices) + 1, run.tasks[index].name)
        yield index
    tell(len(indices), len(indices) + 1, "")


def _export_ggufs(
    run: LoadedRun, indices: Iterable[int], target: Path, probe: Tensor, wish: ExportWish
) -> list[ExportReport]:
    return [export_gguf(run, i, target / run.tasks[i].task_id, probe, wish.numbers) for i in indices]


def _export_checked(
    run: LoadedRun, indices: Iterable[int], target: Path, probe: Tensor, wish: ExportWish
) -> list[ExportReport]:
    """LoRAs or merged models, all reloaded in one fresh process. A LoRA has the tokenizer and llama.cpp's form
    of it beside PEFT's files."""
    base, reports, written = run.base.model_id, [], []
    for index in indices:
        folder = target / run.tasks[index].task_id
        if wish.kind == LORA:
            reports.append(export_lora(run.model, index, folder, probe))
            add_gguf_lora(run, reports[-1], index)
            save_tokenizer(run.tokenizer, run.base.architecture, folder)
        else:
            reports.append(export_merged(run.model, index, folder, run.tokenizer, probe))
        written.append(Written(wish.kind, folder, index, resolve_model(base), pinned_revision(base)))
    found = recheck(run.model, written, probe)
    return [replace(r, difference=d) for r, d in zip(reports, found, strict=True)]


def _export_space(run: LoadedRun, indices: list[int], target: Path, wish: ExportWish) -> Export:
    probe = _probe(run, indices)
    card = CardRequest(run.folder.path, SPACE, None, wish.language, wish.examples)
    written = build_space(run, indices, target, probe, card)
    return Export(None, target, None, max(recheck(run.model, written, probe)))


def _export_whole(run: LoadedRun, target: Path, wish: ExportWish) -> Export:
    """A run folder that another workbench can answer with: everything but rows, checkpoints and logs."""
    source = RunFolder(run.folder.path)
    copy = RunFolder(target)
    copy.data_dir.mkdir(parents=True)
    export_folder(run.model, copy.adapter_dir)
    told = (source.run_path, source.config_path, source.record_path, source.status_path, source.done_path)
    for path in (*told, source.allocation_path, source.results_path, source.certainty_path, source.router_path):
        if path.is_file():
            shutil.copyfile(path, target / path.name)
    save_dataset(TaskDataset(_with_labels(run), {}), copy.data_dir)
    difference = recheck_run(run.model, target, _probe(run, list(range(len(run.tasks)))))
    request = CardRequest(source.path, WHOLE_RUN, None, wish.language, wish.examples)
    write_text_atomic(target / "README.md", build_card(request))
    return Export(None, target, None, difference)


def _with_labels(run: LoadedRun) -> tuple[TaskSpec, ...]:
    """The tasks, each naming the labels that its answers are chosen from: the rows that have them stay behind."""
    sets = [run.label_set(index) for index in range(len(run.tasks))]
    return tuple(
        replace(spec, labels=found.names) if found else spec for spec, found in zip(run.tasks, sets, strict=True)
    )


def _probe(run: LoadedRun, indices: list[int]) -> Tensor:
    """Prompts of some practice rows of every exported task as token ids [b, n]."""
    dataset = load_saved_dataset(run.folder.data_dir)
    rows = [row for index in indices for row in dataset.split(index, "train")[:PROBE_ROWS]]
    texts = [row.prompt for row in rows[: 2 * PROBE_ROWS]] or [task.instruction for task in run.tasks]
    return build_probe(run.base, texts)
