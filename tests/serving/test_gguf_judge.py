"""llama.cpp itself reads what was written: the greedy answers of a task's file, and of a base with its LoRA beside
it, are the product's own; also in llama.cpp's chat mode, with the chat form in the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from core.export.bundle import ExportWish, export_run, load_for_export
from core.export.gguf import GgufRequest, write_gguf
from core.tasks.encoding import encode_prompt
from tests.serving.conftest import make_trained_run

pytest.importorskip("xllamacpp")
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
PROGRAM = Path(__file__).with_name("llama_cpp.py")
QUESTIONS = ["message 3 of task 0", "Is it 12 or 30?", "déjà vu", "Please book a table for two people at seven."]
TOKENS = 6


def judge(place: Path, model: Path, lora: Path | None = None) -> list[str]:
    chats = [[{"role": "user", "content": question}] for question in QUESTIONS]
    request: dict[str, Any] = {"model": str(model), "lora": str(lora) if lora else None, "prompts": None}
    request |= {"chats": chats, "tokens": TOKENS, "out": str(place / "answers.json")}
    (place / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, str(PROGRAM), str(place / "request.json")]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    return json.loads((place / "answers.json").read_text(encoding="utf-8"))["chats"]


@pytest.fixture(scope="module")
def starter_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the starter, whose adapter has random numbers."""
    return make_trained_run(tmp_path_factory.mktemp("judge"), Path("starter"), num_tasks=1)


@pytest.fixture(scope="module")
def expected(starter_run: Path) -> list[str]:
    """What the product answers for the first task, greedily."""
    run = load_for_export(starter_run)
    answers = []
    for question in QUESTIONS:
        ids = list(encode_prompt(run.tokenizer, question, "decoder", 512).input_ids)
        begin = len(ids)
        for _ in range(TOKENS):
            with torch.no_grad():
                found = run.model(torch.tensor([ids]), task_ids=[0]).logits[0, -1].argmax()
            if int(found) == run.tokenizer.eos_token_id:
                break
            ids.append(int(found))
        answers.append(run.tokenizer.decode(ids[begin:], skip_special_tokens=True))
    assert len(set(answers)) > 1
    return answers


def test_a_merged_task_answers_the_same(starter_run: Path, expected: list[str], tmp_path: Path) -> None:
    [export] = export_run(starter_run, tmp_path / "out", ExportWish("gguf", ("task 0",), numbers="f32"))
    assert judge(tmp_path, export.folder / "model.gguf") == expected


def test_a_lora_beside_its_base_answers_the_same(
    starter_run: Path, expected: list[str], tmp_path: Path, repo_root: Path
) -> None:
    [export] = export_run(starter_run, tmp_path / "out", ExportWish("lora", ("task 0",)))
    starter = str(repo_root / "assets" / "starter")
    base = write_gguf(GgufRequest(starter, starter, str(tmp_path / "base.gguf"), "f32"))
    found = judge(tmp_path, base, export.folder / "adapter.gguf")
    assert found == expected
    assert judge(tmp_path, base) != found  # the LoRA does something
