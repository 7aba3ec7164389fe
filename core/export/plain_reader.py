"""Loads exports as any user of transformers and PEFT would, in a process of its own, and writes down their logits.

    python -I core/export/plain_reader.py REQUEST.json

Started by `recheck`, by its path and not as a module, so that nothing of Taskloom is in the process. REQUEST.json
holds a list of {"kind", "base", "folder", "ids", "out"}; `out` becomes a safetensors file with "logits" [b, n, V]
in 32-bit floats. Imports no part of the workbench.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM
from transformers.utils.logging import disable_progress_bar


def load_plain(kind: str, base: str, folder: str, revision: str | None) -> torch.nn.Module:
    """The exported model: a LoRA on its base model, a merged folder, or a GGUF file."""
    place = Path(folder)
    source, options = (base, {"revision": revision}) if kind == "lora" else (folder, {})
    if kind == "gguf":
        source, options = str(place.parent), {"gguf_file": place.name}
    config = AutoConfig.from_pretrained(source, trust_remote_code=False, **options)
    auto = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    safe = {} if kind == "gguf" else {"use_safetensors": True}
    model = auto.from_pretrained(source, trust_remote_code=False, dtype=torch.float32, **options, **safe)
    if kind == "lora":
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, folder)
    return model.eval()


@torch.no_grad()
def write_logits(order: dict[str, str]) -> None:
    ids = load_file(order["ids"])["ids"]
    model = load_plain(order["kind"], order["base"], order["folder"], order.get("revision"))
    config: Any = model.config
    extra = {"decoder_input_ids": ids} if config.is_encoder_decoder else {}
    save_file({"logits": model(input_ids=ids, **extra).logits.float().contiguous()}, order["out"])


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=FutureWarning)
    disable_progress_bar()
    for entry in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        write_logits(entry)
    assert "core" not in sys.modules
