"""What leaves the workbench: a standard LoRA per task, a merged model per task, or the workbench's own folder.

Task-level routing is a constant per task, so a task's layer is x W0^T + x A^T B^T exactly, and PEFT, vLLM or
llama.cpp can use it without this program. One rank for the whole file and alpha = rank, because some readers take
the scaling from the configuration alone; layers with fewer columns are filled up with zeros, which add nothing.

Every export is loaded again with plain PEFT or transformers and compared before it is offered. No file holds
pickles.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM
from transformers.pytorch_utils import Conv1D

from core.adapters.base import LoraFactors
from core.adapters.registry import METHODS
from core.adapters.targets import is_linear, weight_out_in
from core.base.errors import ModelError, RunError
from core.base.folders import whole_folder
from core.export.base_names import public_name
from core.models.building import save_adapter, unwrap
from core.models.catalogue import pinned_revision, resolve_model
from core.models.chat_form import save_tokenizer
from core.models.forward import share_weights
from core.models.loading import LoadedBase
from core.models.modular import ModularModel

TASK_TYPES = {"decoder": "CAUSAL_LM", "encoder_decoder": "SEQ_2_SEQ_LM"}
# Largest difference of logits between the live model and the reloaded export, as a share of the largest logit.
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.01}


@dataclass(frozen=True)
class ExportReport:
    """Where an export lies, its rank (None for merged models), and the largest relative difference of logits."""

    folder: Path
    rank: int | None
    difference: float


def export_lora(model: ModularModel, task: int, folder: Path, probe: Tensor) -> ExportReport:
    """One task as a standard PEFT LoRA: adapter_config.json and adapter_model.safetensors.

    `probe` [b, n] are token ids on which live and reloaded model are compared.

    Raises:
        ModelError: the method cannot become one LoRA. RunError: the reloaded LoRA answers differently.
    """
    _require_task(model, task)
    factors = _active(model.adapter.lora_factors(task))
    rank = max(1, max(down.shape[0] for down, _ in factors.values()))
    with whole_folder(folder) as part:
        config = LoraConfig(
            r=rank,
            lora_alpha=rank,
            target_modules=_target_names(model, factors),
            lora_dropout=0.0,
            bias="none",
            task_type=TASK_TYPES[model.architecture],
            base_model_name_or_path=public_name(model.model_id),
            revision=pinned_revision(model.model_id),
            fan_in_fan_out=_has_conv(model),
            inference_mode=True,
        )
        config.save_pretrained(str(part))
        save_file(_peft_tensors(factors, rank), part / "adapter_model.safetensors", metadata={"format": "pt"})
        plain = PeftModel.from_pretrained(_fresh_base(model), str(part)).eval()
        difference = _require_same(model, task, plain, probe, folder)
    return ExportReport(folder, rank, difference)


def export_merged(model: ModularModel, task: int, folder: Path, tokenizer: Any, probe: Tensor) -> ExportReport:
    """One task as an ordinary model folder, its adapters added to the weights; transformers loads it.

    Raises:
        ModelError: the method cannot be merged. RunError: the reloaded model answers differently.
    """
    _require_task(model, task)
    with whole_folder(folder) as part:
        merged = merge_task(model, task)
        merged.save_pretrained(part)
        save_tokenizer(tokenizer, model.architecture, part)
        difference = _require_same(model, task, _load_plain(str(part), model), probe, folder)
    return ExportReport(folder, None, difference)


def export_folder(model: ModularModel, folder: Path) -> ExportReport:
    """All tasks in the workbench's own format, which every method has."""
    save_adapter(model, folder)
    return ExportReport(folder, None, 0.0)


@torch.no_grad()
def merge_task(model: ModularModel, task: int) -> Any:
    """A plain transformers model that answers as one task. Weights that no adapter touches are shared, not
    copied.
    """
    merged = share_weights(model.base)
    unwrap(merged)
    merge = model.adapter.merger(task)
    for name in model.adapter.adapted_names():
        layer = merged.get_submodule(name)
        if not is_linear(layer):
            raise ModelError("adapter.no_merge", method=METHODS.get(model.adapter.method).title)
        weight = merge(name, weight_out_in(layer).detach())
        plain = weight.T.contiguous() if isinstance(layer, Conv1D) else weight
        layer.weight = nn.Parameter(plain, requires_grad=False)
        if layer.bias is not None:
            bias = model.adapter.merged_bias(name, layer.bias.detach(), task)
            layer.bias = nn.Parameter(bias, requires_grad=False)
    return merged


def _active(factors: LoraFactors) -> LoraFactors:
    """Without the layers that add nothing; one stays, since a LoRA of no layer is none."""
    found = {name: pair for name, pair in factors.items() if pair[0].shape[0]}
    return found or dict([next(iter(factors.items()))])


def _peft_tensors(factors: LoraFactors, rank: int) -> dict[str, Tensor]:
    """PEFT's names; A [rank, i] and B [o, rank], filled up with zeros."""
    tensors = {}
    for name, (down, up) in factors.items():
        missing = rank - down.shape[0]
        down, up = down.detach().float().cpu(), up.detach().float().cpu()
        padded = nn.functional.pad(down, (0, 0, 0, missing)), nn.functional.pad(up, (0, missing))
        tensors[f"base_model.model.{name}.lora_A.weight"] = padded[0].contiguous()
        tensors[f"base_model.model.{name}.lora_B.weight"] = padded[1].contiguous()
    return tensors


def _target_names(model: ModularModel, factors: LoraFactors) -> list[str]:
    """Short layer names where they mean exactly the adapted layers (other programs prefer them), else full ones."""
    plain = share_weights(model.base)
    unwrap(plain)
    leaves = {name.rsplit(".", 1)[-1] for name in factors}
    meant = {n for n, m in plain.named_modules() if is_linear(m) and n.rsplit(".", 1)[-1] in leaves}
    return sorted(leaves) if meant == set(factors) else sorted(factors)


def _has_conv(model: ModularModel) -> bool:
    return any(isinstance(module, Conv1D) for module in model.base.modules())


def _fresh_base(model: ModularModel) -> Any:
    return _load_plain(resolve_model(model.model_id), model, pinned_revision(model.model_id))


def _load_plain(source: str, model: ModularModel, revision: str | None = None) -> Any:
    """The model as any transformers user would load it."""
    loader = AutoModelForSeq2SeqLM if model.architecture == "encoder_decoder" else AutoModelForCausalLM
    loaded = loader.from_pretrained(
        source, revision=revision, dtype=model.dtype, use_safetensors=True, trust_remote_code=False
    )
    return loaded.to(model.device).eval()  # type: ignore[arg-type]


@torch.no_grad()
def _require_same(model: ModularModel, task: int, plain: nn.Module, probe: Tensor, folder: Path) -> float:
    """The largest relative difference of logits between the live task and the reloaded export."""
    probe = probe.to(model.device)
    extra = {"decoder_input_ids": probe} if model.architecture == "encoder_decoder" else {}
    was_training = model.training
    model.eval()
    expected = model(probe, task_ids=[task] * len(probe), **extra).logits.float()
    model.train(was_training)
    found = plain(input_ids=probe, **extra).logits.float()
    difference = float((found - expected).abs().max() / expected.abs().max())
    if not difference <= TOLERANCES[model.dtype]:
        raise RunError("export.differs", folder=str(folder), difference=f"{difference:.2g}")
    return difference


def _require_task(model: ModularModel, task: int) -> None:
    if not 0 <= task < model.adapter.num_tasks:
        count = model.adapter.num_tasks
        raise ModelError("adapter.task_unknown", task=task, count=count, last=count - 1)


def build_probe(base: LoadedBase, texts: list[str], longest: int = 64) -> Tensor:
    """Token ids [b, n] of some texts, cut to their common length, for the comparison of an export."""
    rows = [base.tokenizer(text)["input_ids"][:longest] for text in texts]
    length = max(1, min(len(row) for row in rows))
    return torch.tensor([row[:length] for row in rows])
