"""The forgetting card: losses against a plain forward pass, answers as the model gives them, words and warnings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.base.files import write_json_atomic
from core.base.records import from_record
from core.evaluation.forgetting import MOST_TASKS, choose_tasks, measure_forgetting
from core.evaluation.general import GeneralQuestion, general_questions, general_texts
from core.insight.forgotten import (
    Forgetting,
    TaskLoss,
    describe_forgetting,
    describe_warning,
    read_forgetting,
    tell_forgetting,
    tone_of,
)
from core.messages import word
from core.models.building import build_modular
from core.models.loading import load_base


@pytest.fixture(scope="module", params=["llama", "t5"])
def measured(request: pytest.FixtureRequest, tiny_llama: Path, tiny_t5: Path) -> tuple[Any, Any, dict[str, Any]]:
    base = load_base(str(tiny_llama if request.param == "llama" else tiny_t5))
    model = build_modular(base, "cpoly", None, 2).eval()
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return base, model, measure_forgetting(base, model)


def test_losses_are_those_of_a_plain_forward_pass(measured: tuple[Any, Any, dict[str, Any]]) -> None:
    base, model, record = measured
    losses = []
    for text in general_texts():
        ids = torch.tensor([base.tokenizer(text.text)["input_ids"][:128]])
        half = max(1, ids.shape[1] // 2)
        with torch.no_grad():
            if base.architecture == "encoder_decoder":
                with model.disabled():
                    losses.append(float(model(input_ids=ids[:, :half], labels=ids[:, half:]).loss))
            else:
                with model.disabled():
                    losses.append(float(model(input_ids=ids, labels=ids).loss))
    assert record["base_loss"] == pytest.approx(sum(losses) / len(losses), abs=1e-4)
    assert all(task["low"] <= task["change"] <= task["high"] for task in record["tasks"])
    assert all(
        task["loss"] == pytest.approx(record["base_loss"] + task["change"], abs=1e-5) for task in record["tasks"]
    )
    assert any(abs(task["change"]) > 1e-4 for task in record["tasks"])  # the adapter was moved


def test_every_question_is_asked_of_both(measured: tuple[Any, Any, dict[str, Any]]) -> None:
    _, model, record = measured
    assert [q["question"] for q in record["questions"]] == [q.question for q in general_questions()]
    asked = [q for q in record["questions"] if q["base_right"]]  # only what was known can be forgotten
    assert all([a["task"] for a in q["tuned"]] == model.tasks for q in asked)
    assert all(q["tuned"] == [] for q in record["questions"] if not q["base_right"])
    again = from_record(Forgetting, record, "test")
    assert [t.task for t in again.tasks] == model.tasks


def test_an_adapter_that_adds_nothing_forgets_nothing(tiny_llama: Path) -> None:
    base = load_base(str(tiny_llama))
    record = measure_forgetting(base, build_modular(base, "lora", None, 2))
    assert all(task["change"] == pytest.approx(0, abs=1e-6) for task in record["tasks"])
    assert all(a["text"] == q["base"] for q in record["questions"] for a in q["tuned"])
    assert not from_record(Forgetting, record, "test").is_warning


def test_few_tasks_stand_for_many() -> None:
    assert choose_tasks(1) == [0]
    assert choose_tasks(3) == [0, 1, 2]
    assert choose_tasks(50) == [0, 24, 49]
    assert len(choose_tasks(1000)) == MOST_TASKS


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Paris", True),
        ("The capital is PARIS.", True),
        ("Parisian", False),
        ("", False),
        ("It is not known", False),
    ],
)
def test_an_answer_holds_the_right_word_whole(answer: str, right: bool) -> None:
    assert GeneralQuestion("en", "?", ("Paris", "City of Light")).is_right(answer) is right
    assert GeneralQuestion("zh", "?", ("北京",)).is_right("中国的首都是北京。")
    assert not GeneralQuestion("zh", "?", ("北京",)).is_right("北方的京城")
    assert GeneralQuestion("en", "?", ("7", "seven")).is_right("There are seven days")
    assert not GeneralQuestion("en", "?", ("7",)).is_right("There are 17 days")


def test_the_set_is_small_and_of_several_languages() -> None:
    assert len(general_texts()) == 40
    assert len(general_questions()) == 20
    assert len({text.language for text in general_texts()}) >= 8
    assert all(len(text.text) < 200 for text in general_texts())
    assert all(question.is_right(question.answers[0]) for question in general_questions())


def made(right: int, lost: int, change: float, half: float = 0.02) -> Forgetting:
    """A record of one task: `right` of 20 questions right before, of which `lost` are wrong after."""
    questions = [
        {"language": "en", "question": f"q{i}", "right": ["a"], "base": "", "base_right": i < right}
        | {"tuned": [{"task": "mails", "text": "", "right": lost <= i < right}]}
        for i in range(20)
    ]
    task = {"task": "mails", "loss": 3 + change, "change": change, "low": change - half, "high": change + half}
    return from_record(Forgetting, {"base_loss": 3.0, "tasks": [task], "questions": questions}, "test")


@pytest.mark.parametrize(
    ("found", "keys", "warns"),
    [
        (made(20, 0, 0.0), ["forgot.no_text", "forgot.no_answers"], False),
        (made(15, 0, 0.0), ["forgot.no_text", "forgot.unsure_answers"], False),  # a fifth may be lost and not seen
        (made(15, 2, 0.05), ["forgot.no_text", "forgot.unsure_answers"], False),
        (made(2, 2, 0.0), ["forgot.no_text", "forgot.unsure_answers"], False),  # all that was known
        (made(20, 0, 0.4, 0.45), ["forgot.unsure_text", "forgot.no_answers"], False),
        (made(20, 0, 0.09), ["forgot.unsure_text", "forgot.no_answers"], False),  # surely worse, perhaps by enough
        (made(15, 8, 0.0), ["forgot.no_text", "forgot.answers"], True),
        (made(20, 0, 0.4), ["forgot.text", "forgot.no_answers"], True),
        (made(20, 0, 2.9), ["forgot.text", "forgot.no_answers"], True),
        (made(0, 0, 0.4), ["forgot.text", "forgot.never_knew"], True),
    ],
)
def test_what_is_said_and_when_to_warn(found: Forgetting, keys: list[str], warns: bool) -> None:
    said = describe_forgetting(found)
    assert [sentence.key for sentence in said] == keys
    assert found.is_warning is warns
    reasons = [key for key in keys if key in ("forgot.text", "forgot.answers")]
    first = "forgot.warning" if "forgot.answers" in keys else "forgot.warning_text"
    assert [one.key for one in describe_warning(found)] == ([first, *reasons] if warns else [])
    assert [one.key for one in tell_forgetting(found)] == ([first, *keys] if warns else keys)
    for language in ("en", "zh"):
        assert all("{" not in word(sentence, language) for sentence in said)


def test_the_worst_task_is_named() -> None:
    found = made(15, 2, 0.05)
    other = TaskLoss("calls", 3.6, 0.6, 0.5, 0.7)
    both = replace(found, tasks=(*found.tasks, other))
    assert "(answering as calls: 3.60 nats a token instead of 3.00)" in describe_forgetting(both)[0].text


def test_a_sure_loss_is_not_hidden_by_a_larger_one_that_is_not_sure() -> None:
    found = made(20, 0, 0.2)
    noisy = TaskLoss("calls", 3.4, 0.4, -0.05, 0.85)
    both = replace(found, tasks=(noisy, *found.tasks))
    assert both.is_warning
    assert "(answering as mails: 3.20 nats" in describe_forgetting(both)[0].text


def test_one_task_that_may_read_worse_is_enough_to_leave_it_open() -> None:
    found = made(20, 0, 0.03)
    both = replace(found, tasks=(*found.tasks, TaskLoss("calls", 3.0, 0.0, -0.5, 0.5)))
    said = describe_forgetting(both)[0]
    assert (said.key, said.values["task"], tone_of(said)) == ("forgot.unsure_text", "calls", "info")


def test_a_run_without_the_record_says_nothing(tmp_path: Path) -> None:
    assert read_forgetting(tmp_path) is None
    write_json_atomic(tmp_path / "forgetting.json", {"base_loss": 1.0, "tasks": [], "questions": []})
    assert read_forgetting(tmp_path) is not None
