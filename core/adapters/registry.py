"""The registry of adapter methods. Torch-free: an implementation is imported only where a model is built.

A new method is one file with `build(base_model, method, config, num_tasks) -> Adapter`, its settings in one of
`settings/`, and one entry here. Nothing else in the house knows a method by its name, its class or its attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.adapters.settings.baselines import (
    AdaLoraConfig,
    ArrowConfig,
    IA3Config,
    LoraConfig,
    MoeLoraConfig,
    PrivateLoraConfig,
    TapsConfig,
    TaskMoeConfig,
)
from core.adapters.settings.places import AdapterConfig
from core.adapters.settings.skills import CPolyConfig, MHRConfig, PolyConfig
from core.adapters.settings.task_adapters import MTAConfig
from core.adapters.wishes import APART, BOUND, FROZEN
from core.base.registry import Registry

# Learning rates measured by tests/benchmarks/rates.py and stage_two.py (assets/docs/decisions.md)
SKILL_RATE, HEADS_RATE, TASK_ADAPTER_RATE = 0.01, 0.03, 0.03
TABLE_RATE, GATE_RATE = 0.3, 0.01


Arms = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class MethodInfo:
    """What a form, a table or a run needs to know about a method without importing it.

    `stages` names what each stage of training trains, in order: the first of ("skills and allocation",
    "allocation") is stage 1. `exports_lora` says whether a task leaves as one standard LoRA. `skill_rate` and
    `stage2_rate` are the learning rates that stage 1 and stage 2 want: a table's logits must move by whole units to
    change a weight, a network's not. `reads_weights`: its adapters are made of the base model's own layers, which
    then cannot be held in 8 bits. `takes_lora`: one low-rank pair a layer can be put in as the whole adapter
    (`Adapter.take_lora`), as a merge wants it; `takes_library`: several can (`Adapter.take_library`), and it is
    made of them, not trained. `joins`: as it is by default it may read several tasks in one row (`Adapter.packs`).
    `wishes`: which of a user's wishes about tasks it can hold (`core.adapters.wishes`).
    `arms`: what a comparison of methods runs, (label, settings) each; `parts`: what takes the method apart, one
    thing changed in each.
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
    reads_weights: bool = False
    takes_lora: bool = False
    takes_library: bool = False
    joins: bool = True
    wishes: tuple[str, ...] = ()
    arms: Arms = ()
    parts: Arms = ()


METHODS: Registry[MethodInfo] = Registry("adapter method")

JOINT_THEN_ALLOCATION = ("skills and allocation", "allocation")


def register(
    name: str, title: str, config_class: type[AdapterConfig], stages: tuple[str, ...], summary: str, **traits: Any
) -> MethodInfo:
    """Registers the method of `core/adapters/methods/<name>.py`, or of another `module`; `traits` are fields of
    MethodInfo. Without `arms` a comparison runs it once, with its defaults."""
    home = {"module": f"core.adapters.methods.{name}", "arms": ((title, ()),), **traits}
    return METHODS.register(name, MethodInfo(name, title, summary, config_class, stages=stages, **home))


register(
    "cpoly",
    "C-Poly",
    CPolyConfig,
    JOINT_THEN_ALLOCATION,
    "Common skills shared by all tasks, private skills of each task",
    wishes=(APART, BOUND, FROZEN),
    arms=(("C-Poly", ()), ("C-Poly mix", ("adapter.combine=mix",))),
    parts=(
        ("C-Poly common only", ("adapter.num_private_skills=0",)),
        ("C-Poly private only", ("adapter.num_common_skills=0",)),
        ("C-Poly learnable private", ("adapter.private_block=learnable",)),
        ("C-Poly one allocation", ("adapter.granularity=model",)),
        ("C-Poly stage 1", ("stage2_fraction=0",)),
    ),
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
    reads_weights=True,
    wishes=(BOUND,),
    arms=(("MTA", ()), ("MTA stage 1", ("stage2_fraction=0",))),
    parts=(
        ("MTA one for all", ("adapter.num_adapters=1", "stage2_fraction=0")),
        ("MTA one a task", ("adapter.selector=own", "stage2_fraction=0")),
        ("MTA uniform", ("adapter.selector=uniform", "stage2_fraction=0")),
        *((f"MTA K={count}", (f"adapter.num_shared={count}",)) for count in range(3)),
    ),
    joins=False,
)
register(
    "poly",
    "Polytropon",
    PolyConfig,
    JOINT_THEN_ALLOCATION,
    "Common skills only; each task learns its mixture of them",
    wishes=(APART, BOUND, FROZEN),
    arms=(("Poly", ()),),
)
register(
    "mhr",
    "Multi-head routing",
    MHRConfig,
    JOINT_THEN_ALLOCATION,
    "Polytropon with a mixture of its own for each block of a layer",
    wishes=(APART, BOUND, FROZEN),
    skill_rate=HEADS_RATE,
    arms=(("MHR", ()),),
    joins=False,
)
register(
    "lora",
    "LoRA (shared)",
    LoraConfig,
    ("skills",),
    "One low-rank adapter for all tasks: the plain baseline",
    takes_lora=True,
    arms=(("shared LoRA", ()),),
)
register(
    "adalora",
    "AdaLoRA (ranks dealt out)",
    AdaLoraConfig,
    ("skills",),
    "One low-rank adapter for all tasks whose layers compete for ranks",
    arms=(("AdaLoRA", ()),),
)
register(
    "private_lora",
    "LoRA (one per task)",
    PrivateLoraConfig,
    ("skills",),
    "Nothing is shared between tasks",
    wishes=(APART,),
    arms=(("private LoRA", ()),),
)
register(
    "taps",
    "TAPS (layers chosen by task)",
    TapsConfig,
    ("skills and allocation",),
    "One adapter per task on the layers that the task learns to need",
    wishes=(APART,),
    arms=(("TAPS", ()),),
)
register(
    "moe_lora",
    "MoE-LoRA",
    MoeLoraConfig,
    ("skills and allocation",),
    "Low-rank experts that every token chooses among; knows no tasks",
    exports_lora=False,
    joins=False,
)
register(
    "task_moe",
    "Task-based MoE",
    TaskMoeConfig,
    ("skills and allocation",),
    "A pool of adapters, fewer than tasks, mixed by a gate that knows the task and reads the question",
    exports_lora=False,
    joins=False,
)
register(
    "lora_library",
    "Arrow (library of LoRAs)",
    ArrowConfig,
    ("skills",),
    "LoRAs of trained runs that every token chooses among; nothing is trained",
    exports_lora=False,
    takes_library=True,
    arms=(),
    joins=False,
)
register(
    "ia3",
    "(IA)\u00b3",
    IA3Config,
    ("skills",),
    "Learned scales of keys, values and activations; the smallest adapters",
    exports_lora=False,
    arms=(),
    joins=False,
)

DEFAULT_METHOD = METHODS.names()[0]
