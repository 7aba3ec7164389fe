"""Exports answer like the live model when plain PEFT or transformers loads them in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from core.adapters.registry import METHODS
from core.base.errors import ModelError, RunError, SettingError
from core.export import bundle, weights
from core.models.building import build_modular, load_adapter
from core.models.loading import LoadedBase, load_base
from core.models.modular import ModularModel
from tests.adapters.contract import NO_TASK_ALONE
from tests.tiny_models import build_tiny_llama, build_tiny_t5, build_tokenizer

# PEFT asks transformers for an attribute under its old name.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")

PLAIN_USER = """
import json, sys
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM
ids, jobs = load_file(sys.argv[1])["ids"], json.loads(sys.argv[2])
for kind, base, folder, out in jobs:
    auto = AutoModelForSeq2SeqLM if base.endswith("t5") else AutoModelForCausalLM
    if kind == "lora":
        model = PeftModel.from_pretrained(auto.from_pretrained(base), folder)
    else:
        model = auto.from_pretrained(folder)
    extra = {"decoder_input_ids": ids} if base.endswith("t5") else {}
    with torch.no_grad():
        save_file({"logits": model.eval()(input_ids=ids, **extra).logits}, out)
assert "core" not in sys.modules
"""
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "sum": ("cpoly", {}),
    "mix": ("cpoly", {"combine": "mix", "rank": 3}),
    "paper": ("cpoly", {"private_block": "learnable", "num_private_skills": 2}),
    "heads": ("cpoly", {"routing_heads": 4, "granularity": "model"}),
    "upper": ("cpoly", {"upper_share": 0.5}),
    "poly": ("poly", {}),
    "mhr": ("mhr", {}),
    "private": ("private_lora", {}),
    "lora": ("lora", {"alpha": 5.0}),
}


def build_tiny_gpt2(folder: Path) -> Path:
    tokenizer = build_tokenizer(chat=True)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=32,
        n_layer=1,
        n_head=2,
        n_positions=64,
        eos_token_id=4,
        bos_token_id=4,
        pad_token_id=0,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    torch.manual_seed(0)
    return {
        "llama": build_tiny_llama(root / "llama"),
        "t5": build_tiny_t5(root / "t5"),
        "gpt2": build_tiny_gpt2(root / "gpt2"),
    }


def tuned(folders: dict[str, Path], architecture: str, form: str) -> tuple[ModularModel, LoadedBase]:
    method, config = FORMS.get(form, (form, {}))
    base = load_base(str(folders[architecture]))
    model = build_modular(base, method, config, 3).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model, base


PROBE = torch.tensor([[20, 30, 40, 50, 60], [61, 51, 41, 31, 21]])


def live_logits(model: ModularModel, task: int) -> torch.Tensor:
    extra = {"decoder_input_ids": PROBE} if model.architecture == "encoder_decoder" else {}
    with torch.no_grad():
        return model(PROBE, task_ids=[task, task], **extra).logits


@pytest.mark.parametrize("architecture", ["llama", "t5", "gpt2"])
@pytest.mark.parametrize("form", FORMS)
def test_lora_of_every_form(folders, tmp_path, architecture, form):
    """export_lora itself reloads with plain PEFT and compares; here the file's shape is looked at too."""
    model, _ = tuned(folders, architecture, form)
    reports = [weights.export_lora(model, task, tmp_path / f"task{task}", PROBE) for task in (0, 2)]
    assert all(report.difference < 2e-5 for report in reports)
    config = json.loads((tmp_path / "task2" / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"] == reports[1].rank
    assert config["bias"] == "none"
    # What vLLM refuses besides a rank above its --max-lora-rank (its PEFTHelper).
    assert not any(config[name] for name in ("use_dora", "modules_to_save", "rank_pattern", "use_rslora"))
    tensors = load_file(tmp_path / "task2" / "adapter_model.safetensors")
    assert {t.shape[0] for name, t in tensors.items() if "lora_A" in name} == {config["r"]}
    expected = {"sum": 8, "mix": 3, "paper": (3 + 6) * 2, "heads": 8, "upper": 8, "poly": 8, "mhr": 2, "private": 8}
    assert config["r"] == expected.get(form, 8)
    short = all("." not in name for name in config["target_modules"])
    assert short == (form != "upper" or architecture == "gpt2")
    other = load_file(tmp_path / "task0" / "adapter_model.safetensors")
    assert any(not torch.equal(tensors[name], other[name]) for name in tensors) == (form != "lora")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["task0", "task2"]


FRESH = [
    (kind, architecture, form)
    for kind, architecture in (("lora", "llama"), ("lora", "t5"), ("merged", "llama"), ("merged", "t5"))
    for form in ("sum", "mix")
]


def test_reloaded_in_a_fresh_process(folders, tmp_path):
    """Both forms as LoRA and as merged model, on both architectures, by plain PEFT and transformers: one process
    that has never imported this project loads them all. Every LoRA has one rank with alpha = rank, as vLLM and
    llama.cpp want it."""
    jobs, expected = [], {}
    save_file({"ids": PROBE}, tmp_path / "ids")
    for kind, architecture, form in FRESH:
        model, base = tuned(folders, architecture, form)
        name = f"{kind} {architecture} {form}"
        if kind == "lora":
            weights.export_lora(model, 1, tmp_path / name, PROBE)
            _require_uniform(tmp_path / name)
        else:
            weights.export_merged(model, 1, tmp_path / name, base.tokenizer, PROBE)
        assert not list((tmp_path / name).glob("*.bin"))
        jobs.append([kind, str(folders[architecture]), str(tmp_path / name), str(tmp_path / f"{name}.out")])
        expected[name] = live_logits(model, 1)
    subprocess.run(
        [sys.executable, "-c", PLAIN_USER, str(tmp_path / "ids"), json.dumps(jobs)], check=True, cwd=tmp_path
    )
    for name, logits in expected.items():
        found = load_file(tmp_path / f"{name}.out")["logits"]
        assert (found - logits).abs().max() < 1e-5 * logits.abs().max(), name


def _require_uniform(folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"]
    assert not config.get("rank_pattern")
    assert not config.get("alpha_pattern")
    assert not config.get("use_rslora")
    tensors = load_file(folder / "adapter_model.safetensors")
    ranks = {t.shape[0] for n, t in tensors.items() if "lora_A" in n}
    ranks |= {t.shape[1] for n, t in tensors.items() if "lora_B" in n}
    assert ranks == {config["r"]}


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("form", ["sum", "ia3", "lora", "mhr"])
def test_merged_models(folders, tmp_path, architecture, form):
    model, base = tuned(folders, architecture, form)
    before = live_logits(model, 0)
    report = weights.export_merged(model, 2, tmp_path / "merged", base.tokenizer, PROBE)
    assert report.difference < 2e-5
    assert torch.equal(live_logits(model, 0), before)  # the live model is left alone
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert plain.num_parameters() == base.model.num_parameters()
    assert len(AutoTokenizer.from_pretrained(tmp_path / "merged")) == len(base.tokenizer)


def test_methods_that_cannot_say_so_and_leave_nothing(folders, tmp_path):
    for info in METHODS:
        model, base = tuned(folders, "llama", info.name)
        if info.name == "cpoly":
            weights.export_lora(model, 0, tmp_path / "out", PROBE)
        elif not info.exports_lora:
            with pytest.raises(ModelError, match="cannot become one LoRA"):
                weights.export_lora(model, 0, tmp_path / "none", PROBE)
        if info.name in NO_TASK_ALONE:
            with pytest.raises(ModelError, match="cannot"):
                weights.export_merged(model, 0, tmp_path / "none", base.tokenizer, PROBE)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    with pytest.raises(ModelError, match="no task 3"):
        weights.export_lora(tuned(folders, "llama", "sum")[0], 3, tmp_path / "none", PROBE)


def test_an_export_that_answers_differently_is_taken_back(folders, tmp_path, monkeypatch):
    model, _ = tuned(folders, "llama", "sum")
    factors = model.adapter.lora_factors(0)
    broken = {name: (down, up * 1.5) for name, (down, up) in factors.items()}
    monkeypatch.setattr(model.adapter, "lora_factors", lambda task: broken)
    with pytest.raises(RunError, match="taken back"):
        weights.export_lora(model, 0, tmp_path / "out", PROBE)
    assert not list(tmp_path.iterdir())


def test_own_folder(folders, tmp_path):
    model, base = tuned(folders, "llama", "mta")
    weights.export_folder(model, tmp_path / "own")
    loaded = load_adapter(load_base(str(folders["llama"])), tmp_path / "own")
    assert torch.equal(live_logits(loaded, 1), live_logits(model, 1))
    assert weights.build_probe(base, ["hello there", "hi"]).shape[0] == 2


def test_skills_a_task_hardly_uses_stay_behind_on_request(run_dir: Path, tmp_path: Path) -> None:
    """Mod-Squad's pruned export: nothing below 0 is dropped, so the files are the run's; above, each task keeps its
    strongest common skill and its private one, and the files are compared with the run pruned alike."""
    whole, same, pruned = (
        bundle.export_run(run_dir, tmp_path / name, bundle.ExportWish("lora", ("task 0",), drop_below=below))[0]
        for name, below in (("whole", 0.0), ("same", 1e-9), ("pruned", 1.0))
    )
    files = [load_file(export.folder / "adapter_model.safetensors") for export in (whole, same)]
    assert all(torch.equal(tensor, files[1][name]) for name, tensor in files[0].items())
    assert (whole.rank, pruned.rank) == (8, 4)
    assert max(whole.difference, pruned.difference) < 2e-5
    with pytest.raises(SettingError):
        bundle.ExportWish(drop_below=1.5)
