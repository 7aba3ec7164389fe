"""The registry of adapter methods. Torch-free: an implementation is imported only where a model is built.

A new method is one file with `build(base_model, config, num_tasks, seed) -> Adapter` and one line here.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.adapters.configs import AdapterConfig, CPolyConfig, LoraConfig
from core.registry import Registry


@dataclass(frozen=True)
class MethodInfo:
    """What a form, a table or a run needs to know about a method without importing it.

    `stages` names what each stage of training trains, in order: the first of ("skills and allocation",
    "allocation") is stage 1. `exports_lora` says whether a task leaves as one standard LoRA.
    """

    name: str
    title: str
    summary: str
    config_class: type[AdapterConfig]
    module: str
    stages: tuple[str, ...]
    exports_lora: bool = True


METHODS: Registry[MethodInfo] = Registry("adapter method")

JOINT_THEN_ALLOCATION = ("skills and allocation", "allocation")


def register(
    name: str, title: str, config_class: type[AdapterConfig], stages: tuple[str, ...], summary: str,
    exports_lora: bool = True,
) -> MethodInfo:
    """Registers a method implemented in `core/adapters/<name>.py`."""
    info = MethodInfo(name, title, summary, config_class, f"core.adapters.{name}", stages, exports_lora)
    return METHODS.register(name, info)


register(
    "cpoly", "C-Poly", CPolyConfig, JOINT_THEN_ALLOCATION,
    "Common skills shared by all tasks, private skills of each task",
)
register("lora", "LoRA (shared)", LoraConfig, ("skills",), "One low-rank adapter for all tasks: the plain baseline")
