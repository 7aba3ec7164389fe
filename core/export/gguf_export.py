"""One task of a run as a GGUF file: merged, written, read back and compared; and a LoRA's GGUF beside PEFT's
files."""

from __future__ import annotations

import shutil
from pathlib import Path

from torch import Tensor

from core.base.errors import ModelError, RunError
from core.chat.loading import LoadedRun
from core.export.base_names import licence_of, public_name
from core.export.card import GGUF
from core.export.gguf import FILE, LORA_FILE, GgufRequest, write_gguf
from core.export.gguf_layout import gguf_refusal
from core.export.gguf_numbers import NUMBERS
from core.export.recheck import TOLERANCE, Written, recheck
from core.export.weights import ExportReport, export_merged
from core.models.seeing import token_folder

# Largest difference of logits, as a share of the largest, that a number type may bring: above what
# assets/docs/models.md has for base models, since a trained run's weights are no rounded numbers.
TOLERANCES = {"f32": TOLERANCE, "f16": 0.01, "bf16": 0.05, "q8_0": 0.2}
assert set(TOLERANCES) == set(NUMBERS)


def require_gguf(base_model: str) -> None:
    """Raises ModelError where a run on this base model cannot leave as a GGUF file, and says why."""
    refusal = gguf_refusal(base_model)
    if refusal is not None:
        raise refusal


def export_gguf(run: LoadedRun, task: int, folder: Path, probe: Tensor, numbers: str) -> ExportReport:
    """The merged model of a task as FOLDER/model.gguf, and nothing beside it.

    Raises:
        ModelError: the base model has no counterpart in llama.cpp. RunError: the file answers differently.
    """
    merged = folder / "merged"
    export_merged(run.model, task, merged, run.tokenizer, probe)
    path = write_gguf(GgufRequest(str(merged), str(merged), str(folder / FILE), numbers, None, _told(run, task)))
    shutil.rmtree(merged)
    written = Written(GGUF, path, task, run.base.model_id, tolerance=TOLERANCES[numbers])
    return ExportReport(folder, None, recheck(run.model, [written], probe)[0])


def add_gguf_lora(run: LoadedRun, report: ExportReport, task: int) -> Path | None:
    """A PEFT folder's LoRA once more as adapter.gguf, for llama.cpp beside a GGUF file of the base model; None
    where llama.cpp has no counterpart."""
    base = token_folder(run.base.model_id)
    if base is None or report.rank is None:
        return None
    try:
        out = str(report.folder / LORA_FILE)
        told = _told(run, task)
        return write_gguf(GgufRequest(str(base), str(report.folder), out, "f32", float(report.rank), told))
    except (ModelError, RunError):  # another family, or the child ended: PEFT's files are whole without it
        return None


def _told(run: LoadedRun, task: int) -> dict[str, str]:
    base = public_name(run.base.model_id)
    told = {
        "name": f"{run.folder.read_run()['name']}: {run.tasks[task].name}",
        "license": licence_of(run.base.model_id).lower(),
        "description": run.tasks[task].instruction,
    }
    return {**told, "finetune": "taskloom", "basename": base.rsplit("/", 1)[-1]}
