"""How exactly a GGUF file keeps its weights; a file of its own, because `--help` lists them and loads nothing."""

from __future__ import annotations

# f32 is exact; f16 half of its size; bf16 as most base models are stored; q8_0 a quarter.
NUMBERS = ("f16", "f32", "bf16", "q8_0")
