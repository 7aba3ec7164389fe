"""The refine loop: when it stops, what it shows, and that it never sees an exam row."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import pytest

from core.chat.client import ChatClient
from core.chat.detecting import question_text
from core.chat.prompts import with_examples
from core.chat.protocol import DONE, ERROR, VERSION, ChatEvent, ChatRequest, ask
from core.chat.refining import build_rule, refine
from core.chat.retrieving import ExampleIndex, load_index
from core.evaluation.normalise import plain
from core.tasks.dataset import SYSTEM_END, Example, load_saved_dataset
from core.tasks.encoding import encode_prompt
from core.tasks.spec import TaskSpec

Reply = Callable[[int, ChatRequest], str]


class Scripted:
    """In place of the model: replies by round; keeps the requests."""

    def __init__(self, *replies: str) -> None:
        self.replies, self.asked = replies, list[ChatRequest]()

    def __call__(self, request: ChatRequest) -> Generator[ChatEvent, None, None]:
        self.asked.append(request)
        text = self.replies[(len(self.asked) - 1) % len(self.replies)]
        if text == "!":
            yield ChatEvent(ERROR, key="serving.worker_died", values={"code": 1, "log": ""})
            return
        yield ChatEvent(DONE, text, tokens=2, seconds=0.5)


def run(run_dir: Path, task: str, model: Scripted, rounds: int = 3) -> list[ChatEvent]:
    return list(refine(ask(run_dir, task, "message 3 of a task", refine=rounds), model))


def versions(events: list[ChatEvent]) -> list[str]:
    return [event.text for event in events if event.kind == VERSION]


def test_a_valid_answer_is_left_alone(run_dir: Path) -> None:
    model = Scripted("yes")
    events = run(run_dir, "task 0", model)
    assert (versions(events), events[-1].values["reason"]) == (["yes"], "valid")
    assert model.asked[0].examples == ()


def test_one_fixable_error_takes_one_more_round(run_dir: Path) -> None:
    model = Scripted("perhaps", "no")
    events = run(run_dir, "task 0", model)
    assert versions(events) == ["perhaps", "no"]
    assert events[-1].values == {"reason": "valid", "rounds": 1, "valid": True}
    assert (events[-1].text, events[-1].tokens, events[-1].seconds) == ("no", 4, 1.0)
    assert len(model.asked[1].examples) == 4


def test_oscillation_stops_at_the_maximum(run_dir: Path) -> None:
    model = Scripted("perhaps", "maybe")
    events = run(run_dir, "task 0", model, rounds=3)
    assert versions(events) == ["perhaps", "maybe", "perhaps", "maybe"]
    assert (events[-1].values["reason"], events[-1].values["valid"]) == ("maximum", False)


def test_a_stable_answer_stops(run_dir: Path) -> None:
    events = run(run_dir, "task 0", Scripted("perhaps", "Perhaps."))
    assert (versions(events), events[-1].values["reason"]) == (["perhaps", "Perhaps."], "stable")


def test_an_error_ends_the_loop(run_dir: Path) -> None:
    events = run(run_dir, "task 0", Scripted("perhaps", "!"))
    assert events[-1].kind == ERROR
    assert versions(events) == ["perhaps"]


def test_no_exam_row_is_ever_shown(run_dir: Path) -> None:
    """Asked with every exam question itself, and with a practice split that holds the exam."""
    dataset = load_saved_dataset(run_dir / "data")
    for index, spec in enumerate(dataset.tasks):
        exam = dataset.split(index, "test")
        forbidden = {plain(question_text(spec, example.prompt)) for example in exam}
        assert forbidden
        leaky = ExampleIndex(spec, [*dataset.split(index, "train"), *exam], exam)
        for found in (load_index(run_dir, spec.name)[1], leaky):
            for example in exam:
                shown = found.find(question_text(spec, example.prompt), example.target, 10)
                assert shown
                assert not forbidden & {plain(question_text(spec, row.prompt)) for row in shown}


def test_bm25_ranks_rare_common_words_first(run_dir: Path) -> None:
    spec = load_saved_dataset(run_dir / "data").tasks[0]
    texts = ["the card was stolen", "the card is new", "the weather is fine", "卡被偷了"]
    index = ExampleIndex(spec, [Example(text, "x", i) for i, text in enumerate(texts)], [])
    assert [row.line for row in index.find("my card was stolen yesterday")][:2] == [0, 1]
    assert index.find("我的卡被偷")[0].line == 3
    assert index.find("the card was stolen")[0].line == 1  # never the question itself
    # one document of one word: idf ln(1 + 0.5 / 1.5), tf part 1 * 2.5 / (1 + 1.5)
    alone = ExampleIndex(spec, [Example("card", "", 0)], [])
    assert alone.scores("card")[0] == pytest.approx(0.28768, abs=1e-5)


def test_rules_by_kind(run_dir: Path) -> None:
    spec = load_saved_dataset(run_dir / "data").tasks[0]
    rows = [Example("Ann met Bob", "person: Ann; person: Bob"), Example("nothing here", "none")]
    extraction = build_rule(replace(spec, kind="extraction"), rows)
    assert extraction is not None
    assert extraction("Cid left", "person: Cid")
    assert not extraction("Cid left", "person: Dan")
    assert not extraction("Cid left", " ")
    free = [Example("long story", "a summary of it")]
    assert build_rule(replace(spec, kind="question_answering"), free) is None  # practice answers break the rule
    assert build_rule(replace(spec, kind="generation"), rows) is None
    number = build_rule(replace(spec, kind="number"), [Example("2 + 2", "4")])
    assert number is not None
    assert not number("2 + 2", "four")


def test_examples_stand_before_the_question_as_far_as_they_fit(run_dir: Path) -> None:
    from tests.tiny_models import build_tokenizer

    tokenizer = build_tokenizer(chat=True)
    examples = [("near question", "near answer"), ("far question", "far answer")]
    turns = with_examples(tokenizer, f"be brief{SYSTEM_END}the question", examples, "decoder", 400)
    assert [turn["content"] for turn in turns] == [  # type: ignore[index]
        "be brief",
        "far question",
        "far answer",
        "near question",
        "near answer",
        "the question",
    ]
    one = with_examples(tokenizer, "the question", examples[:1], "decoder", 400)
    room = encode_prompt(tokenizer, one, "decoder", 400).length
    few = with_examples(tokenizer, "the question", examples, "decoder", room)
    assert [turn["content"] for turn in few] == ["near question", "near answer", "the question"]  # type: ignore[index]
    assert with_examples(tokenizer, "the question", examples, "decoder", room - 1) == "the question"
    assert with_examples(tokenizer, "the question", (), "decoder", 400) == "the question"


def test_the_worker_answers_with_examples(run_dir: Path, tmp_path: Path) -> None:
    """Over the real worker: an untrained model never answers validly, so several versions come, the later ones
    from longer prompts."""
    client = ChatClient(log_path=tmp_path / "log")
    request = ask(run_dir, "task 0", "message 3", max_new_tokens=4, refine=1, answers="free")
    events = list(client.stream(request))
    plain_answer = client.answer(replace(request, refine=0))
    client.close()
    assert versions(events)[0] == plain_answer.text
    assert len(versions(events)) == 2
    assert events[-1].prompt_tokens > plain_answer.prompt_tokens
    assert json.dumps(events[-1].as_dict())


def test_a_spec_is_found_by_name_or_id(run_dir: Path) -> None:
    spec, _ = load_index(run_dir, "task 1")
    assert isinstance(spec, TaskSpec)
    assert load_index(run_dir, spec.task_id)[0] == spec
