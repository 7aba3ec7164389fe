"""The reproducibility record of a run: settings, seeds, versions, hardware, hashes of the data."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from core.base.files import read_json, write_json_atomic
from core.models.catalogue import find_model
from core.models.modular import ModularModel
from core.models.records import hash_weights, read_record
from core.tasks.dataset import TaskDataset
from core.training.config import RunConfig, config_to_dict
from core.training.device import DeviceChoice
from core.training.pace import PartClock

_PACKAGES = ("torch", "transformers", "tokenizers", "peft", "accelerate", "safetensors", "numpy")


def build_record(
    run_id: str, config: RunConfig, choice: DeviceChoice, model: ModularModel, dataset: TaskDataset
) -> dict[str, Any]:
    """Everything needed to run it again and to see why another machine may differ in the last bits.

    `command` trains once more from the frozen tasks of this run: the same seed gives the same weights, bit for bit
    on the same processor and versions (a graphics card may add in another order each time). On another machine copy
    the run's folder there first.
    """
    return {
        "created": time.time(),
        "config": config_to_dict(config),
        "device": choice.as_dict(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "hardware": read_hardware(),
        "base_weights_sha256": _hash_of_base(config.base_model),
        "parameters": {
            "base": sum(p.numel() for p in model.base.parameters()),
            "adapter": model.adapter.num_parameters(),
        },
        "data": [_data_entry(dataset, index) for index in range(len(dataset.tasks))],
        "command": f"python -m core rerun {run_id}",
    }


def _hash_of_base(base_model: str) -> str:
    """SHA-256 of the base model's weights, where they lie in a folder of this machine; '' for the Hub's (the commit
    tells those apart)."""
    folder = find_model(base_model).local_path
    if folder is None:
        return ""
    record = read_record(folder)
    return record.weights_sha256 if record else hash_weights(folder)


def note_actual(record_path: Path, prediction_path: Path, clock: PartClock) -> None:
    """Adds to the record what an uninterrupted run took, by parts too, and how far the prediction was off:
    `prediction_error` is (what happened / what was likely) - 1."""
    record = read_json(record_path)
    memory = round(peak_memory_mb())
    actual = {
        "seconds": round(clock.seconds, 1),
        "training_s": round(clock.parts["training"][0], 1),
        "parts": {name: [round(value, 2) for value in pair] for name, pair in clock.parts.items()},
        "memory_mb": memory,
        "processor_s": round(time.process_time(), 1),
    }
    record["actual"] = actual
    if prediction_path.exists():
        record["prediction"] = predicted = read_json(prediction_path)
        took = actual["training_s" if predicted.get("covers") == "training" else "seconds"]
        likely = {name: predicted[name][1] for name in ("seconds", "memory_mb")}
        happened = {"seconds": took, "memory_mb": memory}
        record["prediction_error"] = {
            name: round(happened[name] / value - 1.0, 3) for name, value in likely.items() if value
        }
    write_json_atomic(record_path, record)


def peak_memory_mb() -> float:
    """Largest memory of this process so far: of the graphics card when one is used, else of the process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_reserved() / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def read_hardware() -> dict[str, Any]:
    cards = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "system": platform.platform(),
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "cards": cards,
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def _processor_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _data_entry(dataset: TaskDataset, index: int) -> dict[str, Any]:
    """The task's own source hash, and one hash over the frozen examples of each split."""
    spec = dataset.tasks[index]
    hashes = {}
    for split in ("train", "validation", "test"):
        digest = hashlib.sha256()
        for example in dataset.split(index, split):
            digest.update(f"{example.prompt}\0{example.target}\0".encode())
        hashes[split] = digest.hexdigest()
    return {"name": spec.name, "source": spec.source.file, "sha256": spec.source.sha256, "splits": hashes}
