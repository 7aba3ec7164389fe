"""A Space: a folder that starts by itself as a small chat with the tuned model, here or on the Hub.

All code comes from assets/space; settings.json says how each task is worded, finder.json
and finder.safetensors, where the run has its rows, find the task of a text. A base model that is not
on the Hub goes along; one that is there is named with its commit and fetched at the start.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import SpaceCardData

from core.adapters.registry import METHODS
from core.base.errors import WorkspaceError
from core.base.files import write_text_atomic
from core.chat.compact import write_finder
from core.chat.loading import ANSWER_TOKENS, LoadedRun
from core.export.base_names import licence_of, public_name
from core.export.card import MERGED, CardRequest, card_body
from core.export.markdown import escape
from core.export.recheck import Written
from core.export.weights import export_lora, export_merged
from core.models.catalogue import find_model, pinned_revision
from core.tasks.dataset import load_saved_dataset

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "space"
REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
NEEDED: tuple[str, ...] = ("gradio", "torch", "transformers", "tokenizers", "peft", "accelerate", "safetensors")
NEEDED += ("huggingface_hub", "numpy", "scikit-learn")
PYTHON = "3.12.12"
MODEL_SUFFIXES = {".json", ".jinja", ".model", ".txt"}


def build_space(run: LoadedRun, tasks: list[int], target: Path, probe: Any, card: CardRequest) -> list[Written]:
    """Writes the folder and returns its weights for the check after reloading.

    Raises:
        ModelError: the method can become neither a LoRA nor a merged model of one task.
    """
    target.mkdir(parents=True, exist_ok=True)
    base_info = find_model(run.base.model_id)
    is_local = base_info.local_path is not None
    is_lora = METHODS.get(run.model.adapter.method).exports_lora
    if base_info.local_path is not None:
        copy_model(base_info.local_path, target / "base", with_weights=is_lora)
    written = []
    for index in tasks:
        folder = target / "tasks" / run.tasks[index].task_id
        if is_lora:
            export_lora(run.model, index, folder, probe)
        else:
            export_merged(run.model, index, folder, run.tokenizer, probe)
        source = str(target / "base") if is_local else run.base.model_id
        kind = "lora" if is_lora else MERGED
        written.append(Written(kind, folder, index, source, pinned_revision(run.base.model_id)))
    for name in ("app.py", "answering.py", "finding.py"):
        shutil.copyfile(ASSETS / name, target / name)
    if len(tasks) == len(run.tasks):
        _write_finder(run, target)
    settings = json.dumps(_settings(run, tasks, card.language), ensure_ascii=False, indent=1)
    write_text_atomic(target / "settings.json", settings)
    write_text_atomic(target / "requirements.txt", "\n".join(_pins().values()) + "\n")
    write_text_atomic(target / "README.md", _readme(run, card))
    return written


def _write_finder(run: LoadedRun, target: Path) -> None:
    """What finds the task of a text by itself; a run that came without its rows has none."""
    try:
        write_finder(load_saved_dataset(run.folder.data_dir), target)
    except WorkspaceError:
        return


def copy_model(source: Path, target: Path, with_weights: bool) -> None:
    """The files of a model folder as they are, so that 16-bit weights stay small: settings, tokenizer, weights."""
    target.mkdir(parents=True)
    suffixes = {*MODEL_SUFFIXES, ".safetensors"} if with_weights else MODEL_SUFFIXES
    for path in source.iterdir():
        if path.is_file() and path.suffix in suffixes and (with_weights or "index" not in path.name):
            shutil.copyfile(path, target / path.name)


def _settings(run: LoadedRun, tasks: list[int], language: str) -> dict[str, Any]:
    name, base, config = run.folder.read_run()["name"], run.base, run.config
    longest = config.max_new_tokens or ANSWER_TOKENS
    room = config.max_tokens
    if base.architecture == "decoder":  # the answer is written behind the prompt
        room = min(room, max(base.context // 2, base.context - longest))
    return {
        "title": name,
        "title_markdown": escape(name),
        "language": language,
        "architecture": base.architecture,
        "base": public_name(base.model_id),
        "revision": pinned_revision(base.model_id),
        "context": base.context,
        "ends": sorted(run.ends),
        "tasks": [
            {
                "name": spec.name,
                "folder": spec.task_id,
                "inputs": list(spec.inputs),
                "system": spec.system,
                "instruction": spec.instruction,
                "template": spec.template,
                "room": room,
                "answer_tokens": longest,
                "labels": _labels(run, index),
            }
            for index, spec in ((index, run.tasks[index]) for index in tasks)
        ],
    }


def _labels(run: LoadedRun, index: int) -> dict[str, Any] | None:
    """What the answers of a task are chosen from and how sure they are, as exam and chat have it; None for tasks
    whose answers are written. `rest`: the share of every certainty that is spread evenly over the labels; `slack`:
    how many nats behind the best label another one is not read to its end."""
    labels, certainty = run.label_set(index), run.certainty_of(index)
    if labels is None:
        return None
    sure = {"temperature": certainty.temperature, "rest": certainty.rest} if certainty else None
    told = {"names": list(labels.names), "ids": [list(ids) for ids in labels.ids]}
    return {**told, "certainty": sure, "slack": labels.slack(certainty)}


def _pins() -> dict[str, str]:
    """The pinned lines of requirements.txt that a Space needs, by package."""
    lines = [line.strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    pinned = {line.partition("==")[0]: line for line in lines if "==" in line}
    return {name: pinned[name] for name in NEEDED}


def _readme(run: LoadedRun, card: CardRequest) -> str:
    """Front matter that the Hub reads, and the card's text below it."""
    model_id = run.base.model_id
    licence = licence_of(model_id).lower() or "other"
    is_local = find_model(model_id).local_path is not None
    head = SpaceCardData(
        title=run.folder.read_run()["name"],
        emoji="🧵",
        colorFrom="indigo",
        colorTo="green",
        sdk="gradio",
        sdk_version=_pins()["gradio"].partition("==")[2],
        python_version=PYTHON,
        app_file="app.py",
        pinned=False,
        license=licence,
        models=None if is_local else [model_id],
        tags=["taskloom", "peft", "multi-task"],
        short_description="A small model tuned on several tasks",
        suggested_hardware="cpu-basic",
    )
    return f"---\n{head.to_yaml()}\n---\n\n{card_body(card)}\n"
