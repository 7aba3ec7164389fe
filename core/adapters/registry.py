"""The registry of adapter methods. Torch-free: an implementation is imported only where a model is built.

A new method is one file with `build(base_model, config, num_tasks, seed) -> Adapter` and one line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.adapters.settings.baselines import IA3Config, LoraConfig, MoeLoraConfig, PrivateLoraConfig
from core.adapters.settings.places import AdapterConfig
from core.adapters.settings.skills import CPolyConfig, MHRConfig, PolyConfig
from core.adapters.settings.task_adapters import MTAConfig
from core.base.registry import Registry

# Learning rates measured by tests/benchmarks/rates.py and stage_two.py (assets/docs/decisions.md)
SKILL_RATE, HEADS_RATE, TASK_ADAPTER_RATE = 0.01, 0.03, 0.03
TABLE_RATE, GATE_RATE = 0.3, 0.01


@dataclass(frozen=True)
class MethodInfo:
    """What a form, a table or a run needs to know about a method without importing it.

    `stages` names what each stage of training trains, in order: the first of ("skills and allocation",
    "allocation") is stage 1. `exports_lora` says whether a task leaves as one standard LoRA. `skill_rate` and
    `stage2_rate` are the learning rates that stage 1 and stage 2 want: a table's logits must move by whole units to
    change a weight, a network's not.
    """

    name: str
    title: str
    summary: str
    config_class: type[AdapterConfig]
    module: str
    stages: tuple[str, ...]
    exports_lora: bool = True
    skill_rate: float = SKILL_RATE
    stage2_rate: float = TABLE_RATE


METHODS: Registry[MethodInfo] = Registry("adapter method")

JOINT_THEN_ALLOCATION = ("skills and allocation", "allocation")


def register(
    name: str, title: str, config_class: type[AdapterConfig], stages: tuple[str, ...], summary: str, **traits: Any
) -> MethodInfo:
    """Registers the method of `core/adapters/methods/<name>.py`; `traits` are further fields of MethodInfo."""
    info = MethodInfo(name, title, summary, config_class, f"core.adapters.methods.{name}", stages, **traits)
    return METHODS.register(name, info)


register(
    "cpoly",
    "C-Poly",
    CPolyConfig,
    JOINT_THEN_ALLOCATION,
    "Common skills shared by all tasks, private skills of each task",
)
register(
    "mta",
    "Mixture of Task Adapters",
    MTAConfig,
    ("skills and allocation", "shared skills and gate"),
    "Feed-forward adapters mixed by task, then by a gate that reads the question (ALTER)",
    exports_lora=False,
    skill_rate=TASK_ADAPTER_RATE,
    stage2_rate=GATE_RATE,
)
register(
    "poly",
    "Polytropon",
    PolyConfig,
    JOINT_THEN_ALLOCATION,
    "Common skills only; each task learns its mixture of them",
)
register(
    "mhr",
    "Multi-head routing",
    MHRConfig,
    JOINT_THEN_ALLOCATION,
    "Polytropon with a mixture of its own for each block of a layer",
    skill_rate=HEADS_RATE,
)
register("lora", "LoRA (shared)", LoraConfig, ("skills",), "One low-rank adapter for all tasks: the plain baseline")
register("private_lora", "LoRA (one per task)", PrivateLoraConfig, ("skills",), "Nothing is shared between tasks")
register(
    "moe_lora",
    "MoE-LoRA",
    MoeLoraConfig,
    ("skills and allocation",),
    "Low-rank experts that every token chooses among; knows no tasks",
    exports_lora=False,
)
register(
    "ia3",
    "(IA)\u00b3",
    IA3Config,
    ("skills",),
    "Learned scales of keys, values and activations; the smallest adapters",
    exports_lora=False,
)
