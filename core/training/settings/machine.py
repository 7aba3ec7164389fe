"""Settings of the machine a run trains on: device, processes, reports and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

from core.base.settings import SAME_RESULT, STILL_FITS, setting


@dataclass(frozen=True)
class MachineSettings:
    """Where a run computes and what it leaves on the disk."""

    device: str = setting(
        "auto",
        label="Device",
        choices=("auto", "cpu", "cuda"),
        group="machine",
        help="Where the model is trained. auto: a graphics card when there is one.",
        changed=STILL_FITS,
    )
    precision: str = setting(
        "auto",
        label="Precision",
        choices=("auto", "float32", "bfloat16"),
        group="machine",
        help="auto: bfloat16 where the hardware has units for it, else float32. bfloat16 halves the memory.",
        changed=STILL_FITS,
    )
    gradient_checkpointing: bool = setting(
        False,
        label="Save memory by computing twice",
        group="machine",
        level="expert",
        help="Forgets intermediate results and computes them again in the backward pass: about half the memory, "
        "a third slower.",
        changed=STILL_FITS,
    )
    card_paths: str = setting(
        "plain",
        label="Quicker ways on a graphics card",
        choices=("plain", "packed", "compiled", "both"),
        group="machine",
        level="expert",
        help="packed: rows behind each other without padding. compiled: small operations joined into fewer ones. "
        "Taken only where the card gives the same numbers; no card was timed yet. A processor has its own ways.",
        changed=STILL_FITS,
    )
    num_threads: int | None = setting(
        None,
        label="CPU threads",
        unit="threads",
        minimum=1,
        maximum=1024,
        group="machine",
        level="expert",
        help="Threads of the training process. Empty: all cores of this machine.",
        changed=SAME_RESULT,
    )
    num_processes: int = setting(
        1,
        label="Processes",
        minimum=1,
        maximum=1024,
        group="machine",
        level="expert",
        help="Processes that share the batches on this machine (data parallel): one a graphics card.",
        changed=STILL_FITS,
    )
    num_machines: int = setting(
        1,
        label="Machines",
        minimum=1,
        maximum=1024,
        group="machine",
        level="expert",
        help="Machines that share the batches. Each runs the same number of processes.",
    )
    rendezvous: str | None = setting(
        None,
        label="Address of the first machine",
        group="machine",
        level="expert",
        help="host:port where the machines of a run meet. Needed with several machines only.",
    )
    log_every: int = setting(
        5,
        label="Report every",
        unit="steps",
        minimum=1,
        maximum=100_000,
        group="machine",
        level="expert",
        help="Steps between two points of the loss curves.",
        changed=SAME_RESULT,
    )
    checkpoint_every: int | None = setting(
        None,
        label="Checkpoint every",
        unit="steps",
        minimum=1,
        maximum=10_000_000,
        group="machine",
        level="expert",
        help="Steps between two resumable checkpoints. Empty: at every check.",
    )
    num_checkpoints: int = setting(
        2,
        label="Checkpoints kept",
        minimum=1,
        maximum=100,
        group="machine",
        level="expert",
        help="Older resumable checkpoints are deleted.",
        changed=SAME_RESULT,
    )
    report_to: str = setting(
        "none",
        label="Also report to",
        choices=("none", "tensorboard", "trackio", "wandb"),
        group="machine",
        level="expert",
        help="A tracking tool that is installed on this machine and gets the curves as well.",
        changed=SAME_RESULT,
    )
