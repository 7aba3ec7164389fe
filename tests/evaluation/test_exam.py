"""The exam answers like the model does on its own, and can be interrupted between tasks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.base.folders import restore_folder
from core.base.lines import read_records
from core.evaluation import choosing
from core.evaluation.certainty import Certainty, read_certainties, write_certainties
from core.evaluation.choosing import Given
from core.evaluation.exam import BASE, TUNED, Draft, Examiner, ExamSettings, exam_rows
from core.evaluation.labels import task_labels
from core.evaluation.results import build_results
from core.models.building import build_modular, save_adapter
from core.models.loading import load_base
from core.runs.creation import create_run
from core.runs.folder import RunFolder
from core.tasks.dataset import TaskDataset, load_dataset_of
from core.tasks.encoding import answer_ids, encode_prompt
from core.training.reexamination import examine_again, with_exam
from core.workspace import Project
from tests.toy_project import quick_config

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


Groups = Iterable[tuple[list[int], list[str]]]


def gather(groups: Groups) -> dict[int, str]:
    return {place: text for places, texts in groups for place, text in zip(places, texts, strict=True)}


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
        input_ids=torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=6,
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
    results = build_results(dataset, tmp_path)
    assert [t["n"] for t in results["tasks"]] == [6, 6]


def test_an_interrupted_exam_goes_on_with_the_next_answer(
    examiner: Examiner, toy_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset_of(toy_project)

    def stop(done: int, _: int) -> None:
        if done > 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examiner.sit(dataset, tmp_path, stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.jsonl", "1.part"]
    with open(tmp_path / "1.part", "a", encoding="utf-8") as file:
        file.write('{"who": "base", "ro')  # killed while it wrote
    asked: list[tuple[int, str, int]] = []
    ask = Examiner.give_all

    def count(self: Examiner, dataset: TaskDataset, task: int, prompts: list[str], who: str) -> Any:
        asked.append((task, who, len(prompts)))
        return ask(self, dataset, task, prompts, who)

    monkeypatch.setattr(Examiner, "give_all", count)
    heard: list[int] = []
    examiner.sit(dataset, tmp_path, lambda done, total: None, heard.append)
    assert heard == [1]
    assert asked == [(1, BASE, 2), (1, TUNED, 6)]  # four base answers were there already
    assert not (tmp_path / "1.part").exists()
    lines = [json.loads(line) for line in (tmp_path / "1.jsonl").read_text(encoding="utf-8").splitlines()]
    assert all({"base", "tuned"} <= set(line) for line in lines)


def test_with_the_option_answers_are_labels_and_the_likeliest_ones(
    examiner: Examiner, toy_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where labels are too many to compare them all."""
    monkeypatch.setattr(choosing, "MOST_SCORED", 1)
    dataset = load_dataset_of(toy_project)
    assert task_labels(dataset, 0) == ["no", "yes"]
    strict = Examiner(examiner.base, examiner.model, replace(SETTINGS, only_labels=True))
    free = gather(examiner.answer_all(dataset, 0, PROMPTS, TUNED))
    assert not set(free.values()) <= {"yes", "no"}  # a random model does not answer labels by itself
    for who in (BASE, TUNED):
        texts = gather(strict.answer_all(dataset, 0, PROMPTS, who))
        assert sorted(texts) == list(range(len(PROMPTS)))
        assert set(texts.values()) <= {"yes", "no"}
        for place, text in texts.items():
            assert text == greedy_label(examiner, dataset, PROMPTS[place], who)


def test_labels_are_compared_by_likelihood_and_say_how_sure_they_are(
    examiner: Examiner, toy_project: Project
) -> None:
    dataset = half_written(toy_project)
    strict = Examiner(examiner.base, examiner.model, replace(SETTINGS, only_labels=True))
    certainty = strict.choosing.certainty_of(dataset, 0)
    assert certainty is not None
    assert certainty.rows == len(dataset.split(0, "validation"))
    for who in (BASE, TUNED):
        for places, given in strict.give_all(dataset, 0, PROMPTS, who):
            for place, one in zip(places, given, strict=True):
                values = {label: likelihood(examiner, PROMPTS[place], label, who) for label in ("yes", "no")}
                assert one.text == max(values, key=lambda label: values[label])
                if who == BASE:
                    assert (one.certainty, one.ranking) == (None, ())
                    continue
                found = certainty.probabilities(list(values.values()))
                assert one.certainty == pytest.approx(found.max(), abs=1e-3)
                assert one.ranking[0] == (one.text, one.certainty)
                assert sum(share for _, share in one.ranking) == pytest.approx(1, abs=1e-3)
    assert strict.choosing.certainty_of(dataset, 1) is None  # a task of written answers


def half_written(project: Project) -> TaskDataset:
    """The first task has labels, the second one's answers are written."""
    dataset = load_dataset_of(project)
    return TaskDataset((dataset.tasks[0], replace(dataset.tasks[1], kind="generation")), dataset.examples)


def likelihood(examiner: Examiner, prompt: str, label: str, who: str) -> float:
    """Of a label's tokens, its end included, in one plain forward pass."""
    base, model = examiner.base, examiner.model
    label_ids = answer_ids(base.tokenizer, label)
    ids = examiner.encode(prompt, max(len(answer_ids(base.tokenizer, one)) for one in ("yes", "no")))
    with torch.no_grad(), model.disabled() if who == BASE else nullcontext():
        if base.architecture == "decoder":
            logits = model(input_ids=torch.tensor([ids + label_ids]), task_ids=[0]).logits[0, len(ids) - 1 : -1]
        else:
            start = [model.config.decoder_start_token_id, *label_ids[:-1]]
            given = {"input_ids": torch.tensor([ids]), "decoder_input_ids": torch.tensor([start])}
            logits = model(**given, task_ids=[0]).logits[0]
    return float(logits.float().log_softmax(-1).gather(-1, torch.tensor(label_ids)[:, None]).sum())


def test_the_exam_keeps_how_sure_each_answer_is(examiner: Examiner, toy_project: Project, tmp_path: Path) -> None:
    dataset = half_written(toy_project)
    strict = Examiner(examiner.base, examiner.model, replace(SETTINGS, only_labels=True))
    strict.sit(dataset, tmp_path, lambda done, total: None)
    lines = read_records(tmp_path / "0.jsonl")
    assert all(0.5 <= line["tuned_sure"] < 1 and "base_sure" not in line for line in lines)
    assert all("tuned_sure" not in line for line in read_records(tmp_path / "1.jsonl"))
    first, second = build_results(dataset, tmp_path, only_labels=True)["tasks"]
    assert second["certainty"] is None
    told = first["certainty"]
    assert told["n"] == len(lines)
    assert told["sure"] == pytest.approx(sum(line["tuned_sure"] for line in lines) / len(lines))
    assert told["right"] == first["tuned"]["value"]
    assert 0 <= told["error"] <= 1


def test_certainties_are_measured_once(examiner: Examiner, toy_project: Project, tmp_path: Path) -> None:
    dataset, path = half_written(toy_project), tmp_path / "certainty.json"
    choosing = Examiner(examiner.base, examiner.model, SETTINGS).choosing
    assert read_certainties(path) is None
    choosing.note_certainties(dataset, path)
    assert read_certainties(path) == {dataset.tasks[0].task_id: choosing.certainty_of(dataset, 0)}
    write_certainties(path, {"t-9": Certainty(2.0, 9, 0.5, 0.25)})
    choosing.note_certainties(dataset, path)
    assert read_certainties(path) == {"t-9": Certainty(2.0, 9, 0.5, 0.25)}


def test_answers_come_in_groups_and_equal_answers_one_by_one(examiner: Examiner, toy_project: Project) -> None:
    dataset = load_dataset_of(toy_project)
    prompts = [" ".join(["word"] * (1 + 5 * n % 12)) + f" {n}" for n in range(12)]
    few = Examiner(examiner.base, examiner.model, replace(SETTINGS, batch_size=3, max_new_tokens=9))
    groups = list(few.answer_all(dataset, 1, prompts, TUNED))
    assert len(groups) > 2, "answers are there before the last question is asked"
    assert gather(groups) == {n: examiner.answer([prompt], 1, TUNED, 9)[0] for n, prompt in enumerate(prompts)}


def greedy_label(examiner: Examiner, dataset: TaskDataset, prompt: str, who: str) -> str:
    """Token by token the likeliest continuation among those that lead to a label, without a tree or a cache."""
    base, model = examiner.base, examiner.model
    labels = [answer_ids(base.tokenizer, label) for label in ("yes", "no")]
    ids, written = examiner.encode(prompt, max(map(len, labels))), []
    while written not in labels:
        allowed = sorted({label[len(written)] for label in labels if label[: len(written)] == written})
        with torch.no_grad(), model.disabled() if who == BASE else nullcontext():
            if base.architecture == "decoder":
                given = {"input_ids": torch.tensor([ids + written])}
            else:
                start = [model.config.decoder_start_token_id, *written]
                given = {"input_ids": torch.tensor([ids]), "decoder_input_ids": torch.tensor([start])}
            logits = model(**given, task_ids=[0]).logits[0, -1]
        written = [*written, max(allowed, key=lambda token: float(logits[token]))]
    return base.tokenizer.decode(written, skip_special_tokens=True).strip()


def test_a_new_exam_keeps_the_old_answers_until_it_is_done(
    examiner: Examiner, toy_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finished_run(examiner, toy_project, tmp_path)
    old = (folder.predictions_dir / "0.jsonl").read_text(encoding="utf-8")
    config = with_exam(folder.read_config(), 3, False)

    class Stop:
        def event(self, kind: str, done: int, total: int) -> None:
            if done >= 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine_again(folder, config, Stop())  # type: ignore[arg-type]
    assert (folder.predictions_dir / "0.jsonl").read_text(encoding="utf-8") == old

    asked: list[int] = []
    journal = SimpleNamespace(event=lambda kind, done, total: asked.append(done))
    results = examine_again(folder, config, journal)  # type: ignore[arg-type]
    assert asked[0] == 3  # the first task was answered before the interruption
    assert [task["n"] for task in results["tasks"]] == [3, 3]
    assert len((folder.predictions_dir / "0.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    assert sorted(p.name for p in folder.path.iterdir() if p.name.startswith("predictions")) == ["predictions"]

    folder.predictions_dir.rename(folder.path / ".predictions.old")  # killed between the two renames
    restore_folder(folder.predictions_dir)
    assert len(folder.read_predictions(0)) == 3


def finished_run(examiner: Examiner, project: Project, tmp_path: Path) -> RunFolder:
    made = create_run(project, quick_config(Path(examiner.base.model_id)))
    folder = RunFolder(shutil.copytree(made.path, tmp_path / made.run_id))
    shutil.rmtree(made.path)
    save_adapter(examiner.model, folder.adapter_dir)
    examiner.sit(load_dataset_of(project), folder.predictions_dir, lambda *_: None)
    return folder


def test_characters_that_end_lines_elsewhere_stay_inside_an_answer(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "0.part")
    given = [Given("one\u2028two"), Given("three\x85four\nfive", 0.75)]
    draft.add(TUNED, [0, 1], given)
    again = Draft(tmp_path / "0.part")
    assert again.answers == {TUNED: dict(enumerate(given))}


def test_answer_length_follows_the_practice_answers(examiner: Examiner, toy_project: Project) -> None:
    dataset = load_dataset_of(toy_project)
    free = Examiner(examiner.base, examiner.model, ExamSettings(None, 4, None, 96))
    assert 2 <= free.answer_length(dataset, 0) <= 16
    assert examiner.answer_length(dataset, 0) == 5
    assert len(exam_rows(dataset, 0, free.settings)) == len(dataset.split(0, "test"))
