"""Detecting the task of a text: above the majority, honest probabilities, instruction left out, Chinese too."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.base.errors import RunError
from core.base.records import from_record
from core.chat import learning_router
from core.chat.abstaining import Abstainer, read_foreign_texts
from core.chat.detecting import (
    Detection,
    DetectorReport,
    TaskDetector,
    by_columns,
    describe_detector,
    examine_detector,
    load_detector,
    question_text,
)
from core.chat.learning_router import _difference, compare_ways, learn_router, open_router
from core.chat.router import ROWS, load_router, train_router
from core.chat.routing import BY_STATES, BY_TEXT, RouterReport, describe_ways, find_task, has_router, rows_of_ways
from core.chat.text_space import CHARACTERS, WORDS, TextSpace
from core.evaluation.intervals import Score
from core.models.loading import load_base
from core.runs.creation import create_run
from core.runs.folder import RunFolder
from core.tasks.changing.add_task import add_task
from core.tasks.changing.describing import TaskRequest
from core.tasks.dataset import TaskDataset, load_saved_dataset, load_saved_tasks
from core.tasks.spec import TaskSpec
from core.training.config import RunConfig
from core.workspace import Workspace

PATTERNS = {
    "cards": ("my card was {} and I need a new one", ("lost", "stolen", "broken", "eaten", "bent")),
    "weather": ("will it {} in the town tomorrow", ("rain", "snow", "freeze", "storm", "clear")),
    "银行": ("我的{}什么时候可以办好", ("贷款", "转账", "开户", "信用卡", "存折")),
}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny_models import build_tiny_llama

    folder = tmp_path_factory.mktemp("detect")
    build_tiny_llama(folder / "llama")
    project = Workspace(folder / "home").create_project("Desk")
    for name, (pattern, words) in PATTERNS.items():
        rows = [{"text": pattern.format(words[i % 5]) + f" {i}", "label": words[i % 5]} for i in range(60)]
        path = folder / f"{name}.jsonl"
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
        add_task(project, path, TaskRequest(name=name, instruction=f"Same words for {len(PATTERNS)} tasks."))
    return create_run(project, RunConfig(base_model=str(folder / "llama"))).path


def test_held_out_rows_are_told_apart(run_dir: Path) -> None:
    report = examine_detector(run_dir)
    assert report.accuracy.n == 18
    assert report.accuracy.value > 0.9 > report.majority
    assert report.calibration_error < 0.2


def test_new_texts_go_to_their_task(run_dir: Path) -> None:
    detector = load_detector(run_dir)
    assert detector.detect("someone has stolen my card").task == "cards"
    assert detector.detect("does it rain tomorrow?").task == "weather"
    found = detector.detect("我想办一张信用卡")
    assert found.task == "银行"
    assert sum(p for _, p in found.ranking) == pytest.approx(1.0, abs=1e-3)
    assert found.ranking[0] == (found.task, found.probability)
    assert load_detector(run_dir) is detector  # made once


STRANGE = (
    "Does warfarin interact with ibuprofen?",
    "hi",
    "Schreib mir ein Gedicht",
    "¿Qué síntomas tiene la gripe?",
    "Кто выиграл матч?",
    "???",
    "",
    "  \n ",
    "The patient was admitted with acute renal failure and treated with intravenous fluids. " * 200,
)
OWN = (
    "someone has stolen my card",
    "does it rain tomorrow?",
    "我的信用卡什么时候到",
    "will it snow",
    "my card was lost. " * 2000,
)


@pytest.mark.parametrize("text", STRANGE)
def test_a_text_of_no_task_is_told(run_dir: Path, text: str) -> None:
    assert load_detector(run_dir).detect(text).is_none


@pytest.mark.parametrize("text", OWN)
def test_a_text_of_a_task_is_not_refused(run_dir: Path, text: str) -> None:
    assert not load_detector(run_dir).detect(text).is_none


def test_abstaining_is_measured_on_texts_that_were_not_seen(run_dir: Path) -> None:
    report = examine_detector(run_dir)
    told = report.abstaining
    assert told is not None
    assert told.num_own == 18
    assert told.num_foreign > 250
    assert told.recall > 0.8
    assert told.refused < 0.2
    assert told.precision == pytest.approx(told.recall / (told.recall + told.refused))
    assert from_record(DetectorReport, asdict(report), "test") == report
    older = {name: value for name, value in asdict(report).items() if name != "abstaining"}
    assert from_record(DetectorReport, older, "test").abstaining is None
    assert "says.abstaining" in [sentence.key for sentence in describe_detector(report)]
    assert len(describe_detector(from_record(DetectorReport, older, "test"))) == 2


def test_a_detector_is_the_same_every_time(run_dir: Path) -> None:
    dataset = load_saved_dataset(run_dir / "data")
    first, second = TaskDetector(dataset), TaskDetector(dataset)
    texts = ["my card was lost", "will it rain", "Does warfarin interact with ibuprofen?"]
    assert np.array_equal(first.probabilities(texts), second.probabilities(texts))
    assert np.array_equal(first.foreignness(texts), second.foreignness(texts))


def test_a_run_of_one_task_refuses_too(run_dir: Path) -> None:
    """And one without check rows: then practice rows, each without itself, say where the limit is."""
    dataset = load_saved_dataset(run_dir / "data")
    detector = TaskDetector(TaskDataset(dataset.tasks[:1], {(0, "train"): dataset.split(0, "train")}))
    assert detector.detect("my card was bent and I need a new one").task == "cards"
    assert not detector.detect("my card was bent and I need a new one").is_none
    assert detector.detect("Does warfarin interact with ibuprofen?").is_none


def test_foreign_texts_of_a_tasks_own_field_are_left_out() -> None:
    foreign = read_foreign_texts()
    assert len(foreign.texts) > 300
    assert len(set(foreign.texts)) == len(foreign.texts)
    weather = [
        text for text, topic in zip(foreign.texts, foreign.topics, strict=True) if foreign.names[topic] == "weather"
    ]
    labels = np.zeros(len(weather), dtype=np.int64)
    spaces = [TextSpace(unit, [*weather, *foreign.texts]) for unit in (CHARACTERS, WORDS)]
    own = Abstainer(spaces, labels, ()).own_topics
    assert [foreign.names[topic] for topic in own] == ["weather"]


def test_a_text_of_no_task_is_less_sure(run_dir: Path) -> None:
    detector = load_detector(run_dir)
    strange = detector.probabilities(["qqqq zzzz 12"]).max()
    assert strange < detector.probabilities(["my card was lost and I need a new one"]).max()
    np.testing.assert_allclose(detector.probabilities(["a", "b"]).sum(1), 1.0)


def test_the_instruction_is_taken_out_of_prompts(run_dir: Path) -> None:
    dataset = load_saved_dataset(run_dir / "data")
    task, row = load_saved_tasks(run_dir / "data")[0], dataset.split(0, "train")[0]
    text = question_text(task, row.prompt)
    assert "Same words" in row.prompt
    assert "Same words" not in text
    assert text.startswith("my card was")
    assert question_text(task, "something else") == "something else"


def test_an_undecided_text_mixes_the_tasks_it_may_belong_to() -> None:
    shares = dict(Detection("a", 0.6, (("a", 0.6), ("b", 0.392), ("c", 0.008))).blend)
    assert list(shares) == ["a", "b"]  # less than one in a hundred takes no part
    assert shares["a"] == pytest.approx(0.6 / 0.992)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert Detection("a", 0.995, (("a", 0.995), ("b", 0.005))).blend == ()  # as if it had been named


def test_a_text_is_put_into_the_columns_of_its_task() -> None:
    one = TaskSpec("t-1", "one", ("text",), ("label",), "", "{text}", "accuracy", "classification")
    both = ("question", "context")
    two = TaskSpec("t-2", "two", both, ("answer",), "", "{question}{context}", "accuracy", "generation")
    assert by_columns(one, "a\nb") == "a\nb"
    assert by_columns(two, "a\nb\n") == {"question": "a", "context": "b"}
    assert by_columns(two, "a") == {"question": "a", "context": ""}
    assert by_columns(two, "a\nb\nc") == {"question": "a\nb\nc", "context": ""}


def test_a_router_finds_tasks_by_hidden_states(run_dir: Path) -> None:
    """Trained from the run's rows and seed; saved, it says the same, and it keeps means of ten rows, never one."""
    assert not has_router(run_dir)
    router = learn_router(run_dir)
    texts = [*OWN[:3], *STRANGE]
    probability, foreign = router.judge(texts)
    assert [router.detect(text).task for text in OWN[:3]] == ["cards", "weather", "银行"]
    assert foreign[3 + STRANGE.index("")] == 1.0
    again, learned_anew = open_router(run_dir), learn_router(run_dir)
    for other in (again, learned_anew):
        found = other.judge(texts)
        np.testing.assert_allclose(found[0], probability, atol=1e-6)
        np.testing.assert_allclose(found[1], foreign, atol=1e-5)
    moved = replace(router.base, model_id="/elsewhere/" + Path(router.base.model_id).name)
    assert load_router(RunFolder(run_dir).router_path, moved).names == router.names
    with pytest.raises(RunError, match="learned on the base model"):
        load_router(RunFolder(run_dir).router_path, replace(router.base, model_id="org/another"))
    practice = [min(size, ROWS["train"]) for size in load_saved_dataset(run_dir / "data").sizes("train")]
    assert len(router.tables.own) <= sum(practice) / 10


def test_both_ways_are_compared_on_the_same_exam(run_dir: Path) -> None:
    learn_router(run_dir)
    report = compare_ways(run_dir, learns=False)
    assert report.states.accuracy.value > 0.9 > report.states.majority
    assert report.learn_s is None
    assert [row[0] for row in rows_of_ways(report)] == [BY_TEXT, BY_STATES]
    assert [sentence.key for sentence in describe_ways(report)] == ["says.ways_open"]
    text, states = report.text.abstaining, report.states.abstaining
    assert text is not None
    assert states is not None
    assert text.num_foreign == states.num_foreign  # of the same topics
    assert 0 < text.num_foreign <= examine_detector(run_dir).abstaining.num_foreign  # type: ignore[union-attr]
    older = replace(report, difference=None)
    assert [row[4:6] for row in rows_of_ways(older)] == [["", ""]] * 2
    assert [sentence.key for sentence in describe_ways(older)] == ["says.ways_open"]


@pytest.mark.parametrize(
    ("text", "states", "key"), [(72, 60, "way_text"), (60, 72, "way_states"), (63, 60, "ways_open")]
)
def test_ways_are_told_apart_row_by_row_though_their_intervals_overlap(text: int, states: int, key: str) -> None:
    rows = np.arange(100)
    one = DetectorReport(Score(0.7, 0.5, 0.9, 100), 0.2, 0.01)
    report = RouterReport(one, one, None, 1.0, 1.0, _difference(rows < text, rows < states))
    told = describe_ways(report)[0]
    assert told.key == f"says.{key}"
    assert key == "ways_open" or 0 < float(told.values["low"]) < 12 < float(told.values["high"])


def without_exam(dataset: TaskDataset) -> TaskDataset:
    return TaskDataset(dataset.tasks, {k: [] if k[1] == "test" else rows for k, rows in dataset.examples.items()})


def test_runs_without_a_router_are_asked_by_the_text_as_before(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = RunFolder(run_dir).router_path
    path.unlink(missing_ok=True)
    nobody: Any = None  # the text alone needs no chat process
    assert find_task(nobody, run_dir, "does it rain tomorrow?").task == "weather"
    for ask in (lambda: find_task(nobody, run_dir, "hi", BY_STATES), lambda: open_router(run_dir)):
        with pytest.raises(RunError) as missing:
            ask()
        assert missing.value.key == "chat.no_router"
    path.write_bytes(b"torn")
    with pytest.raises(RunError) as damaged:
        open_router(run_dir)
    assert damaged.value.key == "chat.router_damaged"
    path.unlink()
    dataset = load_saved_dataset(run_dir / "data")
    asked: list[Path] = []
    monkeypatch.setattr(learning_router, "load_saved_dataset", lambda _: without_exam(dataset))
    monkeypatch.setattr(learning_router, "learn_router", asked.append)
    with pytest.raises(RunError, match="exam row"):
        compare_ways(run_dir, learns=True)
    assert not asked  # nothing was learned for nothing
    few = TaskDataset(dataset.tasks, {key: rows[:5] for key, rows in dataset.examples.items()})
    with pytest.raises(RunError, match="10 practice rows"):
        train_router(load_base(RunFolder(run_dir).read_config().base_model), few, 0)
