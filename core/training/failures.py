"""Failures of a run: from an exception to a class, a worded message and a change of settings that may help."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import Any

from core.base.errors import ModelError, TaskFileError, TaskloomError, WorkspaceError
from core.training.config import RunConfig, skill_rate, stage2_rate
from core.training.plan import smaller_batch


class TrainingFailure(TaskloomError):
    """Training cannot go on. `failure` is one of the failure classes of a run."""

    def __init__(self, failure: str, key: str, **values: Any) -> None:
        self.failure = failure
        super().__init__(key, **values)


@dataclass(frozen=True)
class Failure:
    """What the status of a failed run says."""

    failure: str
    key: str
    values: dict[str, Any] = field(default_factory=dict)


_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "failed to allocate memory",
    "alloc_cpu",
    "bad_alloc",
    "_status_alloc_failed",  # cuBLAS, cuDNN, hipBLAS: no room for their own workspace
    "cublas_status_not_initialized",  # what a full card says to the first matrix product
    "hipblas_status_not_initialized",
)
_DEVICE_WORDS = (
    "cuda error",
    "cuda driver",
    "cuda-capable device",
    "no kernel image is available",
    "cublas",
    "cudnn",
    "cusolver",
    "cufft",
    "hip error",
    "hipblas",
    "rocblas",
    "miopen",
    "nccl",
    "rccl",
    "nvml",
    "device-side assert",
    "ecc error",
    "unspecified launch failure",
)


def classify(error: BaseException, place: dict[str, Any]) -> Failure:
    """The failure class of an exception; `place` has stage, step and batch_size for the message."""
    if isinstance(error, TrainingFailure):
        return Failure(error.failure, error.key, error.values)
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(words in text for words in _MEMORY_WORDS):
        return Failure("out_of_memory", "training.out_of_memory", place)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure("disk_full", "run.disk_full", {"path": error.filename or "", "detail": error.strerror or ""})
    if isinstance(error, TaskloomError):
        return Failure(_class_of(error), error.key, error.values)
    if type(error).__name__ == "SafetensorError":
        return Failure("model", "check.bad_model", {"model": place.get("base_model", ""), "detail": str(error)})
    if any(words in text for words in _DEVICE_WORDS):
        return Failure("hardware", "training.hardware", {"detail": str(error)[:300]})
    detail = f"{type(error).__name__}: {error}"[:300]
    return Failure("unknown", "run.unexpected", {"detail": detail})


def _class_of(error: TaskloomError) -> str:
    if error.key == "run.disk_full":
        return "disk_full"
    if isinstance(error, ModelError):
        return "model"
    if isinstance(error, TaskFileError | WorkspaceError):
        return "data"
    return "unknown"


def remedy_changes(failure: str, config: RunConfig, num_tasks: int) -> dict[str, Any]:
    """Changes of settings that may cure a failure of a run of so many tasks; empty when those are not the cause."""
    if failure == "out_of_memory" and (smaller := smaller_batch(config, num_tasks)):
        return {**smaller, "exam_batch_size": max(1, config.exam_batch_size // 2)}
    if failure == "out_of_memory":
        return (
            {"gradient_checkpointing": True}
            if not config.gradient_checkpointing
            else {"max_tokens": max(16, config.max_tokens // 2)}
        )
    if failure == "nan_loss":
        return {
            "learning_rate_skills": skill_rate(config) / 2,
            "learning_rate_allocation": config.learning_rate_allocation / 2,
            "stage2_learning_rate": stage2_rate(config) / 2,
        }
    if failure == "hardware" and config.device != "cpu":
        return {"device": "cpu"}
    return {}
