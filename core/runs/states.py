"""The states of a run, and what may follow what.

draft -> queued | pending -> starting -> running -> (stopping) -> succeeded | cancelled | failed
            any live state whose worker is gone -> interrupted -> queued (Resume)
pending waits in the queue of an engine that is not this machine; queued waits here for the device.
stalled is running without progress; it is derived when a run is read and never written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

DRAFT = "draft"
QUEUED = "queued"
PENDING = "pending"
STARTING = "starting"
RUNNING = "running"
STOPPING = "stopping"
STALLED = "stalled"
INTERRUPTED = "interrupted"
FAILED = "failed"
CANCELLED = "cancelled"
SUCCEEDED = "succeeded"

STATES = (DRAFT, QUEUED, PENDING, STARTING, RUNNING, STOPPING, STALLED, INTERRUPTED, FAILED, CANCELLED, SUCCEEDED)
TERMINAL = frozenset({FAILED, CANCELLED, SUCCEEDED})
LIVE = frozenset({QUEUED, PENDING, STARTING, RUNNING, STOPPING, STALLED})
STARTABLE = frozenset({DRAFT, INTERRUPTED})

STAGES = ("preparing", "stage1", "stage2", "exam", "saving")

FAILURE_CLASSES = ("out_of_memory", "nan_loss", "data", "model", "disk_full", "hardware", "killed", "unknown")


@dataclass(frozen=True)
class RunStatus:
    """What a reader sees of a run. Times are seconds since 1970, `eta_s` and `stalled_s` seconds, progress 0..1.

    `message_key` with `message_values` is a worded message (an error for failed runs, else what goes on).
    `failure` is one of FAILURE_CLASSES for failed runs. `stopped_early`: Stop and keep ended it.
    """

    state: str = DRAFT
    stage: str | None = None
    step: int = 0
    total_steps: int = 0
    progress: float = 0.0
    eta_s: float | None = None
    eta_range_s: tuple[float, float] | None = None
    tokens_per_s: float | None = None
    message_key: str | None = None
    message_values: dict[str, Any] = field(default_factory=dict)
    failure: str | None = None
    stopped_early: bool = False
    queue_place: int | None = None
    stalled_s: float | None = None
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    updated: float | None = None
    heartbeat: float | None = None

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"state {self.state!r}")  # in a file: pydantic names it there

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
