"""Exports of a whole run: other software loads them, the card is right in both languages and safe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from app.texts import say
from app.texts.language import in_language
from core.base.errors import RunError
from core.base.files import write_json_atomic
from core.chat.loading import RunShelf
from core.evaluation.metrics import METRICS
from core.evaluation.results import build_results
from core.export import bundle
from core.export.bundle import ExportWish, export_run
from core.export.card import CardRequest, build_card
from core.export.markdown import escape, fenced
from core.insight.results import read_scores
from core.insight.verdicts import read_verdicts
from core.messages import Sentence, word
from core.messages.locales import LANGUAGES, load_texts
from core.models.building import load_adapter
from core.models.loading import load_base
from core.runs.folder import RunFolder
from core.tasks.dataset import load_saved_dataset

# PEFT 0.21 asks transformers 5.23 by an old name.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
IDS = torch.tensor([[9, 8, 7, 6]])


@pytest.fixture(scope="module")
def examined(run_dir: Path) -> Path:
    """The run with exam results for its first task."""
    folder = RunFolder(run_dir)
    folder.predictions_dir.mkdir(exist_ok=True)
    rows = [
        {"row": i, "prompt": "p", "target": "yes", "base": "no", "tuned": ("yes", "no")[i % 3 == 0]}
        for i in range(30)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder.predictions_dir / "0.jsonl").write_text(text, encoding="utf-8")
    write_json_atomic(
        folder.results_path, build_results(load_saved_dataset(folder.data_dir), folder.predictions_dir)
    )
    return run_dir


def live_logits(run_dir: Path, task: int) -> torch.Tensor:
    folder = RunFolder(run_dir)
    model = load_adapter(load_base(folder.read_config().base_model), folder.adapter_dir)
    with torch.no_grad():
        logits: torch.Tensor = model(IDS, task_ids=[task]).logits
    return logits


def test_every_task_leaves_as_a_lora_that_peft_loads(examined: Path, tmp_path: Path) -> None:
    exports = export_run(examined, tmp_path / "out", ExportWish("lora"))
    assert [e.task for e in exports] == ["task 0", "task 1", "pairs"]
    base_dir = RunFolder(examined).read_config().base_model
    for task, export in enumerate(exports):
        assert export.difference < 1e-4
        plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base_dir), export.folder)
        with torch.no_grad():
            torch.testing.assert_close(plain(IDS).logits, live_logits(examined, task), atol=1e-4, rtol=1e-4)
        assert (export.folder / "README.md").is_file()
    with pytest.raises(RunError, match="not empty"):
        export_run(examined, tmp_path / "out", ExportWish("lora"))


def test_one_task_leaves_as_a_whole_model(examined: Path, tmp_path: Path) -> None:
    [export] = export_run(examined, tmp_path / "out", ExportWish("merged", ("task 1",)))
    plain = AutoModelForCausalLM.from_pretrained(export.folder)
    with torch.no_grad():
        torch.testing.assert_close(plain(IDS).logits, live_logits(examined, 1), atol=1e-4, rtol=1e-4)


def test_a_whole_run_answers_elsewhere_and_takes_no_rows_along(examined: Path, tmp_path: Path) -> None:
    [export] = export_run(examined, tmp_path / "out", ExportWish("run"))
    names = {str(p.relative_to(export.folder)) for p in export.folder.rglob("*") if p.is_file()}
    assert {"README.md", "adapter/adapter.json", "data/tasks.json", "run.json", "allocation.json"} <= names
    assert not any(name.endswith(".jsonl") for name in names)
    run = RunShelf().get(str(export.folder))
    with torch.no_grad():
        assert torch.equal(run.model(IDS, task_ids=[2]).logits, live_logits(examined, 2))


def test_what_a_fresh_process_reads_is_what_counts(
    examined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that were changed after writing answer differently or cannot be read: nothing is offered."""
    written = bundle.export_lora

    def spoilt(model, task, folder, probe):
        report = written(model, task, folder, probe)
        path = folder / "adapter_model.safetensors"
        tensors = {k: t * 1.01 for k, t in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})
        return report

    def broken(model, task, folder, probe):
        report = written(model, task, folder, probe)
        (folder / "adapter_config.json").write_text("{", encoding="utf-8")
        return report

    for fault, said in ((spoilt, "differ by"), (broken, "cannot load it")):
        monkeypatch.setattr(bundle, "export_lora", fault)
        with pytest.raises(RunError, match=said):
            export_run(examined, tmp_path / "out", ExportWish("lora", ("task 1",)))
        assert not (tmp_path / "out").exists()


def test_an_unknown_task_leaves_nothing(examined: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no task 'x'"):
        export_run(examined, tmp_path / "out", ExportWish("lora", ("x",)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_card_holds_scores_data_skills_and_limits(examined: Path, language: str) -> None:
    card = build_card(CardRequest(examined, "lora", "task 0", language))
    words = load_texts(language, "card")
    for title in ("tasks_title", "scores_title", "skills_title", "limits_title", "load_title", "settings_title"):
        assert f"## {words[title]}" in card
    assert f"| {words['metric_accuracy']} |" in card
    assert f"| {'common 1' if language == 'en' else '公共 1'} | " in card
    assert ("| common 1 |" in card) == (language == "en")
    assert "66.7 [" in card
    scored = read_scores(examined)[0]
    assert scored.gain is not None
    assert f" | {100 * scored.gain.value:+.1f} [" in card
    verdict = next(v for v in read_verdicts(examined) if v.task == "task 0")
    assert words["verdicts_head"] in card
    assert f"| task 0 | {escape(word(Sentence(f'verdict.{verdict.verdict}'), language))} | " in card
    assert escape(word(verdict.reason, language)) in card
    assert escape(word(Sentence("counts.accuracy"), language)) in card
    assert "PeftModel.from_pretrained" in card
    assert words["labels_free"].format(labels="no, yes") in card  # the code writes, the exam chose
    assert words["labels_free"][:40] not in build_card(CardRequest(examined, "space", None, language))
    assert "{text}" in card  # the prompt's template
    assert "apply_chat_template" in card
    assert "message 1 of task" not in card  # no row without consent
    agreed = build_card(CardRequest(examined, "lora", "task 0", language, examples=2))
    assert words["examples_title"] in agreed
    assert agreed.count("of task 0") == 2
    assert "of task 1" not in agreed
    head = yaml.safe_load(card.split("---")[1])
    assert head["language"] == [language]
    assert head["library_name"] == "peft"
    assert head["model-index"][0]["results"][0]["metrics"][0]["value"] == 66.67
    assert str(Path(RunFolder(examined).read_config().base_model).parent) not in card  # no folder of this machine


def test_a_card_without_an_exam_says_so(run_dir: Path, tmp_path: Path) -> None:
    kept = RunFolder(run_dir).results_path
    hidden = kept.rename(tmp_path / "kept") if kept.exists() else None
    try:
        assert "There was no final exam." in build_card(CardRequest(run_dir, "run"))
    finally:
        if hidden:
            hidden.rename(kept)


def test_both_languages_have_the_same_words() -> None:
    cards = {language: load_texts(language, "card") for language in LANGUAGES}
    for language, words in cards.items():  # metrics are called as on the screens
        for metric in METRICS.names():
            assert words[f"metric_{metric}"] == in_language(language, say, f"metric.{metric}")
    for key in ("tasks_head", "scores_head"):
        assert cards["en"][key].count("|") == cards["zh"][key].count("|")


def test_text_of_users_cannot_become_markup() -> None:
    assert escape("<script>x</script>") == "&lt;script&gt;x&lt;/script&gt;"
    assert escape("a | b\n# c [d](e)") == r"a \| b \# c \[d\]\(e\)"
    block = fenced("````\nx")
    assert block.startswith("`````\n")
