"""A study's runs in the form of PEFT's method comparison (`method_comparison/` of its repository): one JSON a run
with `run_info`, `train_info` and `meta_info`, so that they can be put beside PEFT's own results.

What that form has no place for is said in it, never guessed: "test accuracy" is the mean exam score over the tasks,
whatever their metrics are ("test scores" names them); a run without a graphics card has no accelerator's memory
(0), and the process's stands beside it; of a card only the peak is measured, and stands in all three places. What
says where a machine keeps its files, who meets where, or what other tasks are called is left out. Torch-free.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.base.errors import RunError
from core.base.files import read_json, write_json_atomic
from core.insight.results import read_scores
from core.insight.study import Cell, Study
from core.runs.events import read_events
from core.runs.folder import RunFolder
from core.training.config import config_to_dict, num_ranks
from core.training.manifest import list_checkpoints
from core.training.plan import rows_at_once
from core.workspace import Project

# Settings that hold paths, addresses or names of tasks and runs beside those of the run itself.
_OWN = ("base_model", "rendezvous", "left_out_tasks", "keep_apart", "bind_tasks", "freeze_skills")
_PEAK_ONLY = "only the peak was measured; average and 99th percentile are no more than it"
_PACKAGES = ("transformers", "peft", "datasets", "bitsandbytes", "torch")


def peft_records(project: Project, study: Study) -> dict[str, dict[str, Any]]:
    """By file name the record of every run of the study that sat its exam.

    Raises:
        RunError: no run of the study has been examined.
    """
    records: dict[str, dict[str, Any]] = {}
    for cell in study.cells:
        folder = RunFolder(project.runs_dir / cell.run_id)
        if cell.run_id and folder.read_done() is not None and folder.record_path.exists() and folder.read_results():
            name = _experiment(project, folder, cell)
            while _file(name) in records:  # arms whose labels differ in signs that no file name holds
                name += "+"
            records[_file(name)] = _record(folder, cell, name)
    if not records:
        raise RunError("insight.no_results", run=study.name)
    return records


def write_peft_records(project: Project, study: Study, folder: Path) -> list[Path]:
    """One file a run; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, record in peft_records(project, study).items():
        write_json_atomic(folder / name, record)
        written.append(folder / name)
    return written


def zip_peft_records(project: Project, study: Study) -> bytes:
    """The same files in one archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, record in peft_records(project, study).items():
            archive.writestr(name, json.dumps(record, ensure_ascii=False, indent=1))
    return packed.getvalue()


def _file(experiment: str) -> str:
    return f"{experiment.replace('/', '--')}.json"


def _experiment(project: Project, folder: RunFolder, cell: Cell) -> str:
    """ "method/base-arm-seed", as PEFT names its experiments; distinct among the cells of a study."""
    share = "" if cell.share == 1 else f"-{100 * cell.share:g}percent"
    base = Path(folder.read_config().base_model).name
    plain = re.sub(r"[^\w.+-]+", "_", f"{project.name}-{base}-{cell.arm}{share}-seed{cell.seed}")
    return f"{folder.read_config().method}/{plain}"


def _record(folder: RunFolder, cell: Cell, name: str) -> dict[str, Any]:
    kept = read_json(folder.record_path)
    return {
        "run_info": _run_info(folder, kept, name),
        "train_info": _train_info(folder, kept),
        "meta_info": _meta_info(kept),
        "taskloom": {"arm": cell.arm, "seed": cell.seed, "share_of_rows": cell.share, "run": folder.run_id},
    }


def _run_info(folder: RunFolder, kept: dict[str, Any], name: str) -> dict[str, Any]:
    config, status = folder.read_config(), folder.read_status()
    plain = {name: value for name, value in config_to_dict(config).items() if name not in _OWN}
    adapter = plain.pop("adapter", {})
    model = Path(config.base_model).name
    return {
        "created_at": datetime.fromtimestamp(kept["created"], UTC).isoformat(),
        "total_time": float((status.ended or 0) - (status.started or 0)),
        "experiment_name": name,
        "peft_branch": None,
        "train_config": plain | {"model_id": model, "dtype": kept["device"]["dtype"]},
        "peft_config": {"peft_type": config.method.upper(), "base_model_name_or_path": model, **adapter},
        "error_msg": "",
    }


def _train_info(folder: RunFolder, kept: dict[str, Any]) -> dict[str, Any]:
    actual, size = kept.get("actual", {}), kept["parameters"]
    memory = int(actual.get("memory_mb", 0)) << 20
    is_card = kept["device"]["device"] != "cpu"
    on_card = memory if is_card else 0
    return {
        "accelerator_memory_reserved_avg": on_card,
        "accelerator_memory_max": on_card,
        "accelerator_memory_reserved_99th": on_card,
        **({"accelerator_memory_note": _PEAK_ONLY} if is_card else {"process_memory_max": memory}),
        "train_time": float(actual.get("training_s", 0.0)),
        "file_size": sum(path.stat().st_size for path in folder.adapter_dir.glob("*.safetensors")),
        "num_trainable_params": size["adapter"],
        "num_total_params": size["adapter"] + size["base"],
        "status": "success",
        "metrics": [*_checks(folder), _exam(folder)],
    }


def _checks(folder: RunFolder) -> list[dict[str, Any]]:
    """The checks during training: their loss stands where PEFT's form has an accuracy of its own set."""
    events = [e for e in read_events(folder.events_path) if e["kind"] == "validation"]
    return [{"step": e["step"], "valid loss": e["mean"]} for e in events]


def _exam(folder: RunFolder) -> dict[str, Any]:
    scores = {s.task: s for s in read_scores(folder.path)}
    losses = [e for e in read_events(folder.events_path) if e["kind"] == "loss"]
    config, steps = folder.read_config(), losses[-1]["step"] if losses else 0
    ranks = num_ranks(config)
    batch = rows_at_once(config, len(folder.read_run()["tasks"])) * config.accumulation * ranks
    return {
        "step": steps,
        "test accuracy": float(np.mean([s.tuned.value for s in scores.values()])),
        "test scores": {task: {"metric": s.metric, **s.tuned.as_dict()} for task, s in scores.items()},
        "train loss": losses[-1]["loss"] if losses else None,
        "train samples": steps * batch,
        "train total tokens": _tokens(folder) * ranks,  # one process counts its own part, one of equal ones
    }


def _tokens(folder: RunFolder) -> int:
    """Tokens trained on, as the newest kept state of the training counts them."""
    states = [path / "state.json" for path in list_checkpoints(folder.checkpoints_dir)]
    return max((int(read_json(path)["tokens"]) for path in states if path.exists()), default=0)


def _meta_info(kept: dict[str, Any]) -> dict[str, Any]:
    versions, hardware = kept["versions"], kept["hardware"]
    packages = {f"{name}-version": versions.get(name) for name in _PACKAGES}
    cards = ", ".join(map(str, hardware.get("cards", [])))
    return {
        "model_info": {"sha": kept.get("base_weights_sha256"), "created_at": None},
        "dataset_info": {task["name"]: {"sha": task["sha256"], "created_at": None} for task in kept["data"]},
        "package_info": packages | {f"{name}-commit-hash": None for name in _PACKAGES},
        "system_info": {
            "system": hardware["system"],
            "machine": "",
            "processor": hardware["processor"],
            "accelerator": cards or "N/A",
        },
        "pytorch_info": "",
    }
