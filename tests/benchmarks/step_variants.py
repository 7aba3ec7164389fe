"""The variants that the step benchmarks compare: every registered method, the frozen base, PEFT's LoRA and Poly."""

from __future__ import annotations

import copy
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.adapters.fast.bfloat16_linears import use_half_products
from core.adapters.registry import METHODS
from core.models.building import build_modular
from core.models.loading import LoadedBase

SYNCS = ("_local_scalar_dense", "nonzero", "_unique2", "item", "equal", "is_nonzero")
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 128,
        "intermediate_size": 352,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1024,
    },
    "small": {
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "vocab_size": 8192,
    },
    "smollm2-135m": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
    },
    "qwen2.5-0.5b": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
    },
}
# Equal active rank 8: C-Poly 3 + 1 skills of rank 2, Poly and MoE 4 of rank 2, LoRA rank 8.
OURS: dict[str, tuple[str, dict[str, Any], int]] = {
    **{name: (name, {}, 1) for name in METHODS.names()},
    "cpoly-plain": ("cpoly", {"kernel": "plain"}, 1),
    "cpoly-mix": ("cpoly", {"combine": "mix", "rank": 8}, 1),
    "cpoly-r8": ("cpoly", {"rank": 8}, 1),
    "cpoly-stage2": ("cpoly", {}, 2),
    "cpoly-half": ("cpoly", {}, 1),
    "mta-stage2": ("mta", {}, 2),
    "lora-r32": ("lora", {"rank": 32}, 1),
}
HALF_WAY = 0.5  # of the training: TAPS chooses layers and AdaLoRA deals out ranks by then
HALF = ("cpoly-half",)  # products of the frozen layers in bfloat16, as training does where the processor has them
THEIRS = ("frozen", "peft-lora", "peft-poly")


@dataclass(frozen=True)
class Workload:
    shape: str
    batch: int
    tokens: int
    tasks: int
    dtype: str
    device: str
    layers: int | None = None
    answers: int | None = None  # the loss is on this many tokens at the end of a row; None: on all


class Bench:
    """One variant, ready to step."""

    def __init__(self, variant: str, work: Workload, base: Any) -> None:
        self.variant, self.work = variant, work
        self.layers = sum(isinstance(m, torch.nn.Linear) for m in base.model.layers.modules())
        self.model, self.parameters = build_variant(variant, work, copy.deepcopy(base))
        self.model.train()
        generator = torch.Generator().manual_seed(0)
        vocabulary = base.config.vocab_size
        self.ids = torch.randint(5, vocabulary, (work.batch, work.tokens), generator=generator).to(work.device)
        self.tasks = [int(t) for t in torch.randint(0, work.tasks, (work.batch,), generator=generator)]
        trained = [p for p in self.parameters if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True) if trained else None

    def step(self) -> None:
        self.loss().backward()
        self.update()

    def update(self) -> None:
        if self.optimizer is not None:
            self.optimizer.step()
            if self.variant in OURS:
                self.model.adapter.after_step()
            self.optimizer.zero_grad()

    def loss(self) -> torch.Tensor:
        extra: dict[str, Any] = {}
        penalties: list[torch.Tensor] = []  # what a method adds to the loss
        if self.variant in OURS:
            extra |= {"task_ids": self.tasks, "penalties": penalties}
        elif self.variant == "peft-poly":
            extra["task_ids"] = torch.tensor(self.tasks, device=self.work.device)
        answers = self.work.answers
        if answers is None:
            found: torch.Tensor = self.model(input_ids=self.ids, labels=self.ids, use_cache=False, **extra).loss
            return found + sum(penalties)
        logits = self.model(input_ids=self.ids, use_cache=False, logits_to_keep=answers + 1, **extra).logits
        flat = logits[:, :-1].flatten(0, 1).float()
        return torch.nn.functional.cross_entropy(flat, self.ids[:, -answers:].flatten()) + sum(penalties)

    def timed(self) -> float:
        """Seconds of a step: of this process on one CPU thread (others cannot take them away), of the clock
        else.
        """
        on_gpu = self.work.device == "cuda"
        clock = time.process_time if not on_gpu and torch.get_num_threads() == 1 else time.perf_counter
        if on_gpu:
            torch.cuda.synchronize()
        start = clock()
        self.step()
        if on_gpu:
            torch.cuda.synchronize()
        return clock() - start


def build_variant(variant: str, work: Workload, base: Any) -> tuple[Any, list[torch.nn.Parameter]]:
    base.requires_grad_(False)
    if variant == "frozen":
        # The gradient must flow through the base as it does with adapters in the first block.
        base.get_input_embeddings().register_forward_hook(lambda _, __, y: y.requires_grad_(True))
        return base, []
    if variant in ("peft-lora", "peft-poly"):
        model = build_peft(variant, work, base)
        return model, [p for p in model.parameters() if p.requires_grad]
    method, config, stage = OURS[variant]
    if variant in HALF:
        use_half_products(base)
    loaded = LoadedBase(base, None, "decoder", work.tokens, variant)
    model = build_modular(loaded, method, config, work.tasks)
    model.set_stage(stage)
    model.adapter.trained_share = HALF_WAY
    return model, [p for ps in model.parameter_groups(stage).values() for p in ps]


def build_peft(variant: str, work: Workload, base: Any) -> Any:
    from peft import LoraConfig, PolyConfig, get_peft_model

    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    if variant == "peft-lora":
        return get_peft_model(base, LoraConfig(r=8, lora_alpha=8, target_modules=names, task_type="CAUSAL_LM"))
    return get_peft_model(
        base,
        PolyConfig(
            poly_type="poly",
            r=2,
            n_tasks=work.tasks,
            n_skills=4,
            n_splits=1,
            target_modules=names,
            task_type="CAUSAL_LM",
        ),
    )


class Counter(TorchDispatchMode):
    """Counts operations and host synchronisations of a step, from torch's own dispatch."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.syncs = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if not func.is_view:
            self.operations += 1
        self.syncs += name in SYNCS
        return func(*args, **(kwargs or {}))


def build_base(work: Workload) -> Any:
    torch.manual_seed(0)
    options = {**SHAPES[work.shape], "tie_word_embeddings": True, "max_position_embeddings": work.tokens}
    if work.layers is not None:
        options["num_hidden_layers"] = work.layers
    if work.shape.startswith("qwen"):
        model = Qwen2ForCausalLM(Qwen2Config(**options))
    else:
        model = LlamaForCausalLM(LlamaConfig(**options))
    return model.to(device=work.device, dtype=getattr(torch, work.dtype))
