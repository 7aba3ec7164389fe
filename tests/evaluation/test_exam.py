"""The exam answers like the model does on its own, and can be interrupted between tasks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from core.evaluation.exam import BASE, TUNED, Examiner, ExamSettings, exam_rows
from core.evaluation.results import build_results
from core.models.loading import load_base
from core.models.modular import build_modular
from core.tasks.batching import encode_prompt
from core.tasks.dataset import load_dataset_of
from core.workspace import Project

SETTINGS = ExamSettings(max_rows=6, batch_size=4, max_new_tokens=5, max_tokens=96)


@pytest.fixture(scope="module", params=["llama", "t5"])
def examiner(request: pytest.FixtureRequest, tiny_llama: Path, tiny_t5: Path) -> Examiner:
    base = load_base(str(tiny_llama if request.param == "llama" else tiny_t5))
    model = build_modular(base, "cpoly", None, 2).eval()
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return Examiner(base, model, SETTINGS)


PROMPTS = ["good 1", "a much longer question than the others, with many words in it", "bad"]


def test_answers_in_a_padded_batch_equal_answers_one_by_one(examiner: Examiner) -> None:
    for task in (0, 1):
        together = examiner.answer(PROMPTS, task, TUNED, 6)
        assert together == [examiner.answer([prompt], task, TUNED, 6)[0] for prompt in PROMPTS]
    assert examiner.answer(PROMPTS, 0, TUNED, 6) != examiner.answer(PROMPTS, 0, BASE, 6)


def test_the_base_model_answers_as_if_there_were_no_adapter(
    examiner: Examiner, tiny_llama: Path, tiny_t5: Path
) -> None:
    folder = tiny_llama if examiner.base.architecture == "decoder" else tiny_t5
    plain = load_base(str(folder))
    ids = encode_prompt(plain.tokenizer, PROMPTS[1], plain.architecture, 96).input_ids
    output = plain.model.generate(
        input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_new_tokens=6,
        do_sample=False,
    )[0]
    start = len(ids) if plain.architecture == "decoder" else 0
    assert examiner.answer([PROMPTS[1]], 0, BASE, 6) == [
        plain.tokenizer.decode(output[start:], skip_special_tokens=True).strip()
    ]


def test_a_whole_exam_and_its_results(examiner: Examiner, toy_project: Project, tmp_path: Path) -> None:
    dataset = load_dataset_of(toy_project)
    seen: list[tuple[int, int]] = []
    examiner.sit(dataset, tmp_path, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    lines = [json.loads(line) for line in (tmp_path / "0.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = exam_rows(dataset, 0, SETTINGS)
    assert [(line["row"], line["prompt"], line["target"]) for line in lines] == [
        (row, example.prompt, example.target) for row, example in rows
    ]
    assert lines[2]["tuned"] == examiner.answer([lines[2]["prompt"]], 0, TUNED, 5)[0]
    results = build_results(dataset.tasks, tmp_path)
    assert [t["n"] for t in results["tasks"]] == [6, 6]


def test_an_interrupted_exam_goes_on_with_the_next_task(
    examiner: Examiner, toy_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset_of(toy_project)

    def stop(done: int, _: int) -> None:
        if done > 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examiner.sit(dataset, tmp_path, stop)
    assert [p.name for p in tmp_path.iterdir()] == ["0.jsonl"]
    asked: list[int] = []
    answer = Examiner.answer
    monkeypatch.setattr(Examiner, "answer", lambda s, p, task, *a: asked.append(task) or answer(s, p, task, *a))
    examiner.sit(dataset, tmp_path, lambda done, total: None)
    assert set(asked) == {1}


def test_answer_length_follows_the_practice_answers(examiner: Examiner, toy_project: Project) -> None:
    dataset = load_dataset_of(toy_project)
    free = Examiner(examiner.base, examiner.model, ExamSettings(None, 4, None, 96))
    assert 2 <= free.answer_length(dataset, 0) <= 16
    assert examiner.answer_length(dataset, 0) == 5
    assert len(exam_rows(dataset, 0, free.settings)) == len(dataset.split(0, "test"))
