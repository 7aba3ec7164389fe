"""A merged model, or a task's LoRA, as a GGUF file for llama.cpp and whatever reads its files.

Written by the `gguf` package of llama.cpp's makers in a child with limits (`gguf_writer`), from files alone; read
back and compared by `recheck`. What cannot be written is refused by name before anything is made (`gguf_layout`).
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.base.errors import RunError
from core.base.limits import Limits
from core.base.processes import Order, python, run_to_end
from core.export.gguf_layout import require_layout
from core.export.gguf_numbers import NUMBERS
from core.models.records import weight_files

FILE, LORA_FILE = "model.gguf", "adapter.gguf"
MOST_S = 3600
_OWN_BYTES = 3 * 2**29  # what the program takes before it reads a tensor


@dataclass(frozen=True)
class GgufRequest:
    """What is written: the safetensors of `weights`, a model's (or with `alpha` a LoRA's, for the model of
    `folder`), as `out`; `folder` has settings and tokenizer; `told` are texts of general.* such as name and
    licence."""

    folder: str
    weights: str
    out: str
    numbers: str = NUMBERS[0]
    alpha: float | None = None
    told: dict[str, str] = field(default_factory=dict)


def write_gguf(request: GgufRequest) -> Path:
    """Writes the file -> where it lies.

    Raises:
        ModelError: the family, a setting or the tokenizer has no counterpart in llama.cpp.
        RunError: the program failed or took too long; nothing of the file is left.
    """
    require_layout(Path(request.folder))
    out = Path(request.out)
    size = sum(path.stat().st_size for path in weight_files(Path(request.weights)))
    limits = Limits(cpu_s=MOST_S, memory_bytes=_OWN_BYTES + 3 * size, written_bytes=2 * size + 2**28)
    with tempfile.TemporaryDirectory(prefix="taskloom-gguf-") as place:
        asked = Path(place) / "request.json"
        asked.write_text(json.dumps(asdict(request)), encoding="utf-8")
        command = python("-m", "core.export.gguf_writer", str(asked))
        order = Order(command, is_bare=True, limits=limits, variables={"OPENBLAS_NUM_THREADS": "1"})
        try:
            done = run_to_end(order, MOST_S)
        except TimeoutError as error:
            out.unlink(missing_ok=True)
            raise RunError("export.gguf_failed", detail=str(error)) from error
    if done.code != 0 or not out.is_file():
        out.unlink(missing_ok=True)
        raise RunError("export.gguf_failed", detail=done.last_words[:300])
    return out
