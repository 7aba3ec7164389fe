"""Loading a base model from a folder or the Hub: safetensors only, no code from the repository, errors in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, StrictDataclassError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from core.base.errors import ModelError
from core.models.catalogue import CONTEXT_NAMES, find_model, pinned_revision, resolve_model
from core.models.inspection import MOST_PARAMETERS

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
UNKNOWN_CONTEXT = 512
TOLD_OF_LONG_TEXTS = "sequence-length-is-longer-than-the-specified-maximum"
# What transformers raises for a folder that is damaged, incomplete or of a kind that needs something else.
_BROKEN = (
    *(OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError, ImportError),
    *(HfHubHTTPError, HFValidationError, StrictDataclassError),
)


@dataclass
class LoadedBase:
    """A base model with its tokenizer. `context` is the longest input in tokens; `model_id` is how it was asked
    for.
    """

    model: Any
    tokenizer: Any
    architecture: str  # "decoder" | "encoder_decoder"
    context: int
    model_id: str


def load_base(model_id_or_path: str, dtype: str = "float32", device: str = "cpu") -> LoadedBase:
    """Loads a base model and its tokenizer.

    Raises:
        ModelError: the model is not there (and what to do offline), holds no safetensors, wants code of its own to
        run,
            or is neither decoder-only nor encoder-decoder.
    """
    if dtype not in DTYPES:
        raise ModelError("model.dtype", dtype=dtype, known=", ".join(DTYPES))
    source, revision = resolve_model(model_id_or_path), pinned_revision(model_id_or_path)
    try:
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
        architecture = _architecture_of(config, model_id_or_path)
        config.return_dict = True  # what its makers asked for beside the logits would come in another shape
        config.output_hidden_states = config.output_attentions = False
        loader = AutoModelForSeq2SeqLM if architecture == "encoder_decoder" else AutoModelForCausalLM
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision, trust_remote_code=False)
        loaded: Any = loader.from_pretrained(
            source,
            revision=revision,
            config=config,
            dtype=DTYPES[dtype],
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except _BROKEN as error:
        raise _explain(error, model_id_or_path) from error
    model, told = loaded
    _require_whole(model, told, model_id_or_path)
    _set_padding(tokenizer, model)
    tokenizer.deprecation_warnings[TOLD_OF_LONG_TEXTS] = True  # its own warning; texts are cut here, and said to be
    model.to(_require_device(device))
    model.eval()
    return LoadedBase(model, tokenizer, architecture, _context_of(config), model_id_or_path)


def require_size(base: LoadedBase, allow_large: bool) -> None:
    """For a model of the Hub that was fetched just now: its size was not known before.

    Raises:
        ModelError: it has more than a billion parameters.
    """
    count = base.model.num_parameters()
    if count > MOST_PARAMETERS and not allow_large:
        raise ModelError("model.too_large", model=base.model_id, millions=round(count / 1e6))


def _require_whole(model: nn.Module, told: Any, name: str) -> None:
    """transformers fills weights that are in no file with random numbers, and leaves out a bias of a layer that has
    none by config.json."""
    lost = sorted(told["missing_keys"])
    if lost:
        raise ModelError("model.missing_tensors", model=name, count=len(lost), names=", ".join(lost[:3]))
    layers = {path for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    left = sorted(key for key in told["unexpected_keys"] if key.rpartition(".")[0] in layers)
    if left:
        raise ModelError("model.unused_tensors", model=name, count=len(left), names=", ".join(left[:3]))


def _architecture_of(config: Any, name: str) -> str:
    if getattr(config, "is_encoder_decoder", False):
        return "encoder_decoder"
    kind = getattr(config, "model_type", "")
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "decoder"
    raise ModelError("model.architecture", model=name, kind=kind)


def _context_of(config: Any) -> int:
    for name in CONTEXT_NAMES:
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return UNKNOWN_CONTEXT


def _set_padding(tokenizer: Any, model: Any) -> None:
    """Batches need a padding token; the end token serves where a tokenizer has none (labels mark what counts). Of a
    tokenizer without an end token the model's settings may name it."""
    if tokenizer.eos_token is None:
        ends = (getattr(one, "eos_token_id", None) for one in (model.config, model.generation_config))
        end = next((e[0] if isinstance(e, list) else e for e in ends if e not in (None, [])), None)
        tokenizer.eos_token = None if end is None else tokenizer.convert_ids_to_tokens(end)
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token is None:
            raise ModelError("model.no_padding")
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    if model.generation_config is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        if model.generation_config.eos_token_id is None:
            model.generation_config.eos_token_id = tokenizer.eos_token_id


def _require_device(device: str) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError) as error:  # torch asserts where a kind of device was not built in
        raise ModelError("model.device", device=device) from error
    return found


def _explain(error: Exception, name: str) -> ModelError:
    detail = str(error).strip().split("\n")[0][:300]
    if "safetensors" in str(error):
        return ModelError("model.no_safetensors", path=name)
    if "trust_remote_code" in str(error):
        return ModelError("model.remote_code", model=name)
    local = find_model(name).local_path is not None
    return ModelError("model.unloadable" if local else "model.not_found", model=name, detail=detail)
