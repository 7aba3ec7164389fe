"""The converter is told how a tokenizer splits words where it does not know the vocabulary."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.export import gguf_program
from core.export.gguf_program import recognise, splitting_of

CONVERTER = """
import sys
from pathlib import Path

class TextModel:
    def __init__(self, folder):
        self.dir_model = Path(folder)
    def get_vocab_base_pre(self, tokenizer):
        raise NotImplementedError("BPE pre-tokenizer was not recognized")

def main():
    Path(sys.argv[3]).write_text(TextModel(sys.argv[1]).get_vocab_base_pre(None))
"""


def known(answer: str | None) -> type:
    """A converter's model class that knows one answer, or none."""

    class Model:
        def get_vocab_base_pre(self, _: object) -> str:
            if answer is None:
                raise NotImplementedError("not recognized")
            return answer

    return Model


def ask(model_class: type, folder: Path) -> str:
    recognise(model_class)
    model = model_class()
    model.dir_model = folder
    return str(model.get_vocab_base_pre(SimpleNamespace()))


def test_the_starter_splits_words_as_a_model_that_llama_cpp_knows(repo_root: Path) -> None:
    assert splitting_of(repo_root / "assets" / "starter") == "qwen2"
    assert ask(known(None), repo_root / "assets" / "starter") == "qwen2"


def test_what_the_converter_knows_itself_stays(repo_root: Path) -> None:
    assert ask(known("smollm"), repo_root / "assets" / "starter") == "smollm"


def test_another_splitting_stays_refused(repo_root: Path, tmp_path: Path) -> None:
    written = json.loads((repo_root / "assets" / "starter" / "tokenizer.json").read_text(encoding="utf-8"))
    written["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\s+"
    (tmp_path / "tokenizer.json").write_text(json.dumps(written), encoding="utf-8")
    assert splitting_of(tmp_path) is None
    with pytest.raises(NotImplementedError):
        ask(known(None), tmp_path)


def test_the_program_runs_the_converter_with_its_own_arguments(repo_root: Path, tmp_path: Path) -> None:
    converter, made = tmp_path / "convert_hf_to_gguf.py", tmp_path / "made"
    converter.write_text(CONVERTER, encoding="utf-8")
    starter = str(repo_root / "assets" / "starter")
    command = [sys.executable, "-P", gguf_program.__file__, str(converter), starter, "--outfile", str(made)]
    subprocess.run(command, check=True, timeout=60)
    assert made.read_text(encoding="utf-8") == "qwen2"
