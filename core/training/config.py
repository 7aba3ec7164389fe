"""What one run does, written once: the form, YAML files, the command line, docs and tests read these fields.

Torch-free. Goals (named sets of settings) are in `goals.py`, checks against data in `checks.py`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.adapters.registry import METHODS
from core.base.errors import SettingError
from core.base.settings import describe_settings, parse_yaml_settings, setting, settings_from_dict, settings_to_dict

DEFAULT_METHOD = "cpoly"


@dataclass(frozen=True)
class RunConfig:
    """Every setting of a run. `adapter` holds the settings of the chosen method (None: its defaults)."""

    base_model: str = setting(
        "starter",
        label="Base model",
        group="model",
        level="simple",
        help="The language model that is tuned: a name from the list, a folder, or an id on the Hugging Face Hub.",
    )
    method: str = setting(
        DEFAULT_METHOD,
        label="Adapter method",
        group="model",
        help="How the tasks share what they learn. C-Poly has common and private skills; LoRA is a plain baseline.",
    )
    seed: int = setting(
        0,
        label="Seed",
        minimum=0,
        maximum=2**31 - 1,
        group="training",
        help="Every random draw follows from it: the same seed gives the same result on the same machine.",
    )
    epochs: float = setting(
        3.0,
        label="Passes over the data",
        unit="passes",
        minimum=0.01,
        maximum=1000.0,
        level="detailed",
        help="How often stage 1 goes through the mixture of tasks (epochs). Unused when steps are given.",
    )
    max_steps: int | None = setting(
        None,
        label="Steps of stage 1",
        unit="steps",
        minimum=1,
        maximum=10_000_000,
        help="A fixed number of optimizer steps instead of passes over the data.",
    )
    batch_size: int = setting(
        16,
        label="Batch size",
        unit="examples",
        minimum=1,
        maximum=4096,
        help="Examples in one forward and backward pass. Halve it when memory runs out.",
    )
    accumulation: int = setting(
        1,
        label="Gradient accumulation",
        unit="batches",
        minimum=1,
        maximum=1024,
        level="expert",
        help="Batches whose gradients are added up before one optimizer step.",
    )
    max_tokens: int = setting(
        512,
        label="Longest example",
        unit="tokens",
        minimum=16,
        maximum=131_072,
        help="Prompt and answer together. Longer prompts are cut in the middle; answers are kept.",
    )
    learning_rate_skills: float | None = setting(
        None,
        label="Learning rate of the skills",
        minimum=0.0,
        maximum=1.0,
        help="Step size of the skills in stage 1. Too high and the loss jumps, too low and nothing is learned. "
        "Empty: the method's own, 0.01 (0.03 for multi-head routing and task adapters).",
    )
    learning_rate_allocation: float = setting(
        1e-1,
        label="Learning rate of the allocation",
        minimum=0.0,
        maximum=10.0,
        help="Step size of the tasks x skills table. It wants about ten times the rate of the skills.",
    )
    rate_by_width: bool = setting(
        True,
        label="Smaller steps for wider models",
        level="expert",
        help="The learning rate of the skills is meant for a base model of width 256, like the starter. Wider "
        "models get 256 / width of it. Off: the rate is used as written.",
    )
    loss_average: str = setting(
        "tokens",
        label="Loss averaged over",
        choices=("tokens", "examples"),
        level="expert",
        help="tokens: long answers weigh more. examples: every example counts the same, short or long.",
    )
    max_hours: float | None = setting(
        None,
        label="Time limit",
        unit="hours",
        minimum=0.001,
        maximum=10_000.0,
        level="expert",
        help="Training stops after this time and keeps the best adapter so far. Empty: no limit.",
    )
    schedule: str = setting(
        "linear",
        label="Schedule",
        choices=("linear", "cosine", "constant"),
        level="expert",
        help="How the learning rates fall over a stage after the warm-up.",
    )
    warmup: float = setting(
        0.06,
        label="Warm-up",
        unit="share of the steps",
        minimum=0.0,
        maximum=0.9,
        level="expert",
        help="Share of a stage's steps during which the learning rates rise from zero.",
    )
    weight_decay: float = setting(
        0.0,
        label="Weight decay",
        minimum=0.0,
        maximum=1.0,
        level="expert",
        help="Pulls skills towards zero. Zero by default: skills of tasks absent from a batch must not move.",
    )
    max_gradient_norm: float = setting(
        1.0,
        label="Gradient clipping",
        minimum=0.0,
        maximum=1000.0,
        level="expert",
        help="Longer gradients are shortened to this norm. 0 switches it off.",
    )
    stage2_fraction: float = setting(
        0.15,
        label="Stage 2, share of stage 1",
        unit="share of the steps",
        minimum=0.0,
        maximum=10.0,
        group="stage2",
        help="Stage 2 freezes the skills and refines which task uses which skill. 0 leaves it out.",
    )
    stage2_steps: int | None = setting(
        None,
        label="Steps of stage 2",
        unit="steps",
        minimum=0,
        maximum=10_000_000,
        group="stage2",
        level="expert",
        help="A fixed number of steps for stage 2 instead of a share of stage 1.",
    )
    stage2_learning_rate: float | None = setting(
        None,
        label="Learning rate of stage 2",
        minimum=0.0,
        maximum=10.0,
        group="stage2",
        help="Step size of the allocation while the skills are frozen. Empty: the method's own, 0.3 for a table of "
        "weights, 0.01 for the gate of the mixture of task adapters.",
    )
    mixture: str = setting(
        "capped",
        label="Mixture of tasks",
        choices=("capped", "proportional", "temperature", "equal", "balanced"),
        group="mixture",
        help="How often each task is drawn. Capped: by size, but no task more than the cap times the smallest one. "
        "Balanced: equal shares, evenly spread over the pass.",
    )
    mixture_cap: float = setting(
        3.0,
        label="Cap of the mixture",
        unit="times the smallest task",
        minimum=1.0,
        maximum=1e6,
        group="mixture",
        level="expert",
        help="Largest size a task may count for, as a multiple of the smallest task.",
    )
    mixture_temperature: float = setting(
        2.0,
        label="Temperature of the mixture",
        minimum=1.0,
        maximum=100.0,
        group="mixture",
        level="expert",
        help="For the temperature mixture: 1 draws by size, larger values move towards equal shares.",
    )
    few_shot: int | None = setting(
        None,
        label="Rows per label",
        unit="rows",
        minimum=1,
        maximum=1_000_000,
        group="mixture",
        level="expert",
        help="Trains on this many practice rows of each label (or of each task without labels) only, drawn by the "
        "seed, to see how few rows do. Empty: all rows.",
    )
    evaluate_every: int | None = setting(
        None,
        label="Check every",
        unit="steps",
        minimum=1,
        maximum=10_000_000,
        group="evaluation",
        help="Steps between two checks on the check set (validation). Empty: up to ten checks a stage.",
    )
    validation_rows: int = setting(
        64,
        label="Check rows per task",
        unit="rows",
        minimum=1,
        maximum=1_000_000,
        group="evaluation",
        help="Rows of each task's check set that are used for a check during training.",
    )
    patience: int | None = setting(
        None,
        label="Stop early after",
        unit="checks",
        minimum=1,
        maximum=10_000,
        group="evaluation",
        help="Ends a stage when this many checks in a row brought no improvement. Empty: never.",
    )
    exam_rows: int | None = setting(
        200,
        label="Exam rows per task",
        unit="rows",
        minimum=0,
        maximum=10_000_000,
        group="evaluation",
        help="Rows of each task's final exam (test split) answered at the end. 0: no exam. Empty: all rows.",
    )
    exam_base: bool = setting(
        True,
        label="Examine the base model too",
        group="evaluation",
        help="Answers the same exam with the untouched base model, so that the gain can be shown.",
    )
    exam_after_stop: bool = setting(
        False,
        label="Exam after an early stop",
        group="evaluation",
        level="expert",
        help="Whether a run that was stopped by hand still sits the final exam.",
    )
    exam_only_labels: bool = setting(
        False,
        label="Answer with labels only",
        group="evaluation",
        level="expert",
        help="In tasks with labels the exam's answers can only be labels, for both models.",
    )
    exam_batch_size: int = setting(
        16,
        label="Exam batch size",
        unit="examples",
        minimum=1,
        maximum=4096,
        group="evaluation",
        level="expert",
        help="Questions that are answered at the same time in the final exam.",
    )
    max_new_tokens: int | None = setting(
        None,
        label="Longest answer",
        unit="tokens",
        minimum=1,
        maximum=8192,
        group="evaluation",
        help="Longest answer in the exam. Empty: taken from the answers in each task's practice set.",
    )
    device: str = setting(
        "auto",
        label="Device",
        choices=("auto", "cpu", "cuda"),
        group="machine",
        help="Where the model is trained. auto: a graphics card when there is one.",
    )
    precision: str = setting(
        "auto",
        label="Precision",
        choices=("auto", "float32", "bfloat16"),
        group="machine",
        help="auto: bfloat16 where the hardware has units for it, else float32. bfloat16 halves the memory.",
    )
    gradient_checkpointing: bool = setting(
        False,
        label="Save memory by computing twice",
        group="machine",
        level="expert",
        help="Forgets intermediate results and computes them again in the backward pass: about half the memory, "
        "a third slower.",
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
    )
    num_processes: int = setting(
        1,
        label="Processes",
        minimum=1,
        maximum=1024,
        group="machine",
        level="expert",
        help="Processes that share the batches on this machine (data parallel): one a graphics card.",
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
    )
    report_to: str = setting(
        "none",
        label="Also report to",
        choices=("none", "tensorboard", "trackio", "wandb"),
        group="machine",
        level="expert",
        help="A tracking tool that is installed on this machine and gets the curves as well.",
    )
    adapter: Any = None

    def __post_init__(self) -> None:
        if self.adapter is None:
            object.__setattr__(self, "adapter", METHODS.get(self.method).config_class())


def skill_rate(config: RunConfig) -> float:
    """Learning rate of the skills: as set, else the method's own."""
    own = METHODS.get(config.method).skill_rate
    return own if config.learning_rate_skills is None else config.learning_rate_skills


def stage2_rate(config: RunConfig) -> float:
    """Learning rate of what stage 2 refines: as set, else the method's own."""
    own = METHODS.get(config.method).stage2_rate
    return own if config.stage2_learning_rate is None else config.stage2_learning_rate


def num_ranks(config: RunConfig) -> int:
    """Training processes over all machines."""
    return config.num_processes * config.num_machines


def config_to_dict(config: RunConfig) -> dict[str, Any]:
    """Plain values, the method's settings nested under `adapter`."""
    return {**settings_to_dict(config), "adapter": settings_to_dict(config.adapter)}


def config_from_dict(values: dict[str, Any]) -> RunConfig:
    """Builds and checks a config; unknown names and wrong values are refused.

    Raises:
        SettingError: names the setting.
    """
    flat = {name: value for name, value in values.items() if name != "adapter"}
    nested = values.get("adapter") or {}
    if not isinstance(nested, dict):
        raise SettingError("setting.yaml_shape", file="adapter", found=type(nested).__name__)
    config = settings_from_dict(RunConfig, flat)
    return dataclasses.replace(config, adapter=settings_from_dict(METHODS.get(config.method).config_class, nested))


def config_to_yaml(config: RunConfig) -> str:
    """YAML with one line a setting, in the order of the fields; `config_from_yaml` gives the same config back."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False, allow_unicode=True)


def config_from_yaml(text: str, name: str = "YAML") -> RunConfig:
    return config_from_dict(parse_yaml_settings(text, name))


def load_config(path: Path) -> RunConfig:
    return config_from_yaml(path.read_text(encoding="utf-8-sig"), path.name)


def change_config(config: RunConfig, changes: dict[str, Any]) -> RunConfig:
    """A copy with changes; keys are setting names or `adapter.<name>`. A new method starts from its own defaults;
    what differs from the old method's defaults is kept where both know it."""
    values = config_to_dict(config)
    nested = dict(values.pop("adapter"))
    method = changes.get("method", config.method)
    if method != config.method:
        known = {info.name for info in describe_settings(METHODS.get(method).config_class)}
        usual = settings_to_dict(METHODS.get(config.method).config_class())
        nested = {name: value for name, value in nested.items() if name in known and value != usual[name]}
    for name, value in changes.items():
        if name.startswith("adapter."):
            nested[name.removeprefix("adapter.")] = value
        else:
            values[name] = value
    return config_from_dict({**values, "adapter": nested})


def apply_assignments(config: RunConfig, assignments: list[str]) -> RunConfig:
    """Applies `key=value` texts such as `batch_size=8` or `adapter.rank=4`; values are read as YAML scalars.

    Raises:
        SettingError: a text without '=', an unknown name, a value that does not fit.
    """
    changes: dict[str, Any] = {}
    for text in assignments:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise SettingError("setting.assignment", text=text)
        changes[name.strip()] = value.strip()
    return change_config(config, changes)
