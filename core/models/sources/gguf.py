"""A .gguf file (Ollama, LM Studio, llama.cpp) as a base model: read back into plain numbers once. Needs torch.

The weights of a quantised file are those that llama.cpp would compute with, not the ones it was made from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.models.inspection import MOST_PARAMETERS, inspect_folder
from core.models.records import ModelRecord, Progress, write_record

MAGIC = b"GGUF"


def is_gguf(path: Path) -> bool:
    """Whether a file begins as GGUF files do."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == MAGIC
    except OSError:
        return False


def describe_gguf(path: Path, name: str) -> ModelRecord:
    """What the file says of itself, without reading its numbers.

    Raises:
        ModelError: no GGUF file, cut off, or one of several parts.
    """
    if not is_gguf(path):
        raise ModelError("model.no_gguf", file=path.name)
    from gguf import GGUFReader  # here: slow to import, and needed for this alone

    try:
        reader = GGUFReader(path)
        tensors = reader.tensors
        numbers = sum(int(t.n_elements) for t in tensors)
        kinds = {t.tensor_type.name: int(t.n_elements) for t in tensors}
    except (ValueError, OSError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise ModelError("model.bad_gguf", file=path.name, detail=_first_line(error)) from error
    if _text(reader, "split.count") not in ("", "0", "1"):
        raise ModelError("model.split_gguf", file=path.name)
    return ModelRecord(
        name,
        _text(reader, "general.name") or path.stem,
        "gguf",
        path.name,
        hub_id=_hub_id(_text(reader, "general.source.url") or _text(reader, "general.repo_url")),
        licence=_text(reader, "general.license"),
        languages=_text(reader, "general.languages"),
        parameters=numbers,
        quantised_from=max(kinds, key=lambda kind: kinds[kind], default=""),
    )


def convert_gguf(
    path: Path, target: Path, record: ModelRecord, progress: Progress, allow_large: bool = False
) -> None:
    """Writes the model of a GGUF file as a folder of safetensors in bfloat16, with its tokenizer and record.

    Raises:
        ModelError: transformers cannot read this kind of file, it is too large, or what came out cannot be trained.
    """
    if record.parameters > MOST_PARAMETERS and not allow_large:
        raise ModelError("model.too_large", model=record.title, millions=round(record.parameters / 1e6))
    progress(0, 3, "weights")
    model, tokenizer = _load(path)
    progress(1, 3, "saving")
    try:
        model.save_pretrained(target)
        tokenizer.save_pretrained(target)
    except OSError as error:
        raise ModelError("model.no_store", path=str(target), detail=error.strerror or str(error)) from error
    progress(2, 3, "checking")
    inspect_folder(target, allow_large)
    write_record(target, record.with_files(target))
    progress(3, 3, "done")


def _load(path: Path) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()  # ours says what is done

    # transformers has no list of its own errors for this: an unknown kind of model or number, a missing tensor and
    # a damaged tokenizer each come as one of these.
    broken = (
        ValueError,
        OSError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        AttributeError,
        IndexError,
    )
    folder = str(path.parent)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=path.name, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=path.name, dtype=torch.bfloat16, use_safetensors=True, trust_remote_code=False
        )
    except broken as error:
        raise ModelError("model.bad_gguf", file=path.name, detail=_first_line(error)) from error
    # Saved as an ordinary model: its numbers are read back by now.
    for name, value in (("hf_quantizer", None), ("is_quantized", False)):
        setattr(model, name, value)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model, tokenizer


def _text(reader: Any, key: str) -> str:
    field = reader.get_field(key)
    if field is None:
        return ""
    found = field.contents()
    return ", ".join(map(str, found)) if isinstance(found, list) else str(found)


def _hub_id(url: str) -> str:
    """'owner/name' of an address of the Hub."""
    words = url.rstrip("/").split("/")
    return "/".join(words[-2:]) if len(words) == 5 and words[2] == "huggingface.co" else ""


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:200]
